"""What apps do: tallies by the hour, who was active on which day, and the request log."""

from api.migrate import refuse_downgrade, run_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
