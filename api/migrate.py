"""Bringing a database to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config


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
