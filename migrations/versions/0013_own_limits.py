"""Limits that a tenant sets by itself; how API keys end, and who made them."""

from api.migrate import refuse_downgrade, run_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
