"""What an app is set to: origins, limits, retention, suspension."""

from api.migrate import refuse_downgrade, run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
