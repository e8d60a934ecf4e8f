"""Bringing a database to the newest revision."""

from pathlib import Path
from typing import Any, NoReturn, cast

from alembic import command, op
from alembic.config import Config
from sqlalchemy.util import await_only


def migrate(database_url: str, folder: Path) -> None:
    """Run the revisions in `folder` that the database lacks; raises FileNotFoundError without such a folder."""
    if not (folder / "env.py").is_file():
        msg = f"No migrations in {folder}; say where they are with --folder."
        raise FileNotFoundError(msg)
    config = Config()
    config.set_main_option("script_location", str(folder))
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")


def run_sql(revision_file: str) -> None:
    """Run the SQL of a revision, `sql/NNNN_*.sql` beside `versions/NNNN_name.py`, in the order of the files' names."""
    # SQLAlchemy opens its transaction with its own first statement; a whole file can only go past it, to the driver.
    op.execute("SELECT 1")
    raw = cast("Any", op.get_bind().connection.driver_connection)
    file = Path(revision_file)
    for sql in sorted((file.parent.parent / "sql").glob(f"{file.name[:4]}_*.sql")):
        await_only(raw.execute(sql.read_text()))


def refuse_downgrade() -> NoReturn:
    """Refuse: migrations go forward only."""
    msg = "Migrations go forward only; restore a backup instead."
    raise RuntimeError(msg)
