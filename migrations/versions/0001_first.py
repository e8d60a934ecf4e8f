"""The first schema: tenants, apps, keys, users, rooms, members, the log, its commits and epochs."""

from api.migrate import refuse_downgrade, run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
