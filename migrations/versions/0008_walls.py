"""Walls inside the database: roles, row-level security, functions with rights of their own."""

from api.migrate import refuse_downgrade, run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run this revision's SQL."""
    run_sql(__file__)


downgrade = refuse_downgrade
