"""Rooms of two, revisions of users, and what lists of rooms, members and users are found by."""

from api.migrate import refuse_downgrade, run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
