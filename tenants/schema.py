"""Which schemas this code can serve; it refuses to start on any other, and says what to run."""

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tenants.postgres import Postgres

KNOWN_REVISIONS = frozenset({"0014"})
"""Revisions of migrations/versions that this code reads and writes correctly."""

REVISION = text("SELECT version_num FROM alembic_version")


class SchemaMismatch(Exception):
    """The database has a schema that this code does not know."""


async def check_schema(postgres: Postgres) -> None:
    """Compare the database's revision with those known; raises `SchemaMismatch`, or `Unavailable`."""
    try:
        async with postgres.ground() as connection:
            found_there: list[str] = list((await connection.execute(REVISION)).scalars())
    except ProgrammingError:
        found_there = []
    revisions = set(found_there)
    if not revisions:
        msg = "The database has no schema yet. Run: roomlog-server migrate"
        raise SchemaMismatch(msg)
    if not revisions <= KNOWN_REVISIONS:
        found, known = ", ".join(sorted(revisions)), ", ".join(sorted(KNOWN_REVISIONS))
        msg = (
            f"The database is at schema {found}, this version serves {known}. "
            "Run roomlog-server migrate, or a newer version of roomlog-server."
        )
        raise SchemaMismatch(msg)
