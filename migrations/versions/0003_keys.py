"""What API keys may do, and for how long."""

from api.migrate import refuse_downgrade, run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
