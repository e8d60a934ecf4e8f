"""Bringing a database to the newest revision, and letting the service in."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn, cast

import asyncpg
from alembic import command, op
from alembic.config import Config
from sqlalchemy.util import await_only

from tenants.roles import MEMBERSHIP_SINCE, missing_roles


class MigrateFailed(Exception):
    """The user who migrates may not do what is needed; the message is the SQL that an administrator must run."""


def migrate(database_url: str, folder: Path, service: str | None = None) -> None:
    """Run the revisions in `folder` that the database lacks, and let the user `service` assume the service's roles.

    Without `service` that is the user who migrates. Raises FileNotFoundError without such a folder, `MigrateFailed`.
    """
    if not (folder / "env.py").is_file():
        msg = f"No migrations in {folder}; say where they are with --folder."
        raise FileNotFoundError(msg)
    config = Config()
    config.set_main_option("script_location", str(folder))
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except asyncpg.InsufficientPrivilegeError as error:
        msg = f"{_said(error)}. As an administrator of the database run:\n{error.hint}" if error.hint else str(error)
        raise MigrateFailed(msg) from error
    asyncio.run(_admit(database_url, service))


async def _admit(database_url: str, service: str | None) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        user = service or await connection.fetchval("SELECT session_user::text")
        try:
            missing = await missing_roles(connection, user)
        except asyncpg.UndefinedObjectError as error:
            raise MigrateFailed(f"{error}: ROOMLOG_DB_USER must name a user of the database.") from error
        if not missing:
            return
        name = await connection.fetchval("SELECT quote_ident($1)", user)
        grant = f"GRANT {', '.join(missing)} TO {name}"
        # The user has a role's rights only as that role; before version 16 that is said of the user, not of a membership.
        if connection.get_server_version().major >= MEMBERSHIP_SINCE:
            grant += " WITH INHERIT FALSE, SET TRUE"
        elif service is not None:
            grant = f"ALTER ROLE {name} NOINHERIT; {grant}"
        try:
            await connection.execute(grant)
        except asyncpg.InsufficientPrivilegeError as error:
            raise MigrateFailed(f"{_said(error)}. As an administrator of the database run:\n{grant};") from error
    finally:
        await connection.close()


def _said(error: asyncpg.PostgresError) -> str:
    """Give an error's own sentence, without its details."""
    return str(error).partition("\n")[0]


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
