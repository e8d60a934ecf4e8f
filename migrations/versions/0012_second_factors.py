"""Recovery codes of second factors, and which requests have made API keys."""

from api.migrate import refuse_downgrade, run_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
