"""People who sign in to the dashboard: their memberships, sessions, mail tokens, and the audit log."""

from api.migrate import refuse_downgrade, run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
