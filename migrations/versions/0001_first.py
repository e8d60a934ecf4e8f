"""The first schema: tenants, apps, keys, users, rooms, members, the log, its commits and epochs."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Run the SQL files of this revision."""
    # SQLAlchemy opens its transaction with its own first statement; a whole file can only go past it, to the driver.
    op.execute("SELECT 1")
    raw = op.get_bind().connection.driver_connection
    for file in sorted(SQL.glob(f"{revision}_*.sql")):
        await_only(raw.execute(file.read_text()))


def downgrade() -> None:
    """Refuse: migrations go forward only."""
    msg = "Migrations go forward only; restore a backup instead."
    raise RuntimeError(msg)
