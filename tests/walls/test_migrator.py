"""Whoever migrates owns the tables and is no superuser; whoever serves owns nothing."""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from api.embedded import Servers, servers
from api.migrate import MigrateFailed, migrate
from tests.support.document import public_client
from tests.support.processes import ROOT, running_service
from tests.support.world import new_app

MIGRATIONS = ROOT / "migrations"


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect for the length of a context."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def bare() -> Iterator[Servers]:
    """Servers of the test's own, whose cluster has none of the service's roles yet."""
    with tempfile.TemporaryDirectory(prefix="roomlog-bare-") as name:
        Path(name).chmod(0o777)
        with servers(Path(name), os.environ, durable=False) as running:
            yield running


@pytest.fixture
async def people(bare: Servers) -> dict[str, str]:
    """URLs of a migrator that may make roles and owns its database, and of a service that may do nothing."""
    async with connected(bare.database_url) as connection:
        await connection.execute("CREATE ROLE migrator LOGIN CREATEROLE")
        await connection.execute("CREATE ROLE weak LOGIN")
        await connection.execute("CREATE ROLE service LOGIN")
        await connection.execute("CREATE DATABASE chat OWNER migrator")
        await connection.execute("CREATE DATABASE other OWNER weak")
    places = {"migrator": "chat", "service": "chat", "weak": "other"}
    return {
        name: bare.database_url.replace("postgres@/postgres", f"{name}@/{database}")
        for name, database in places.items()
    }


async def test_a_plain_owner_migrates_and_another_serves(
    bare: Servers, people: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    """No superuser is needed: the owner migrates, twice; the service's user works through its roles, and deletes an app."""
    for _ in range(2):
        await asyncio.to_thread(migrate, people["migrator"], MIGRATIONS, "service")
    settings = {**environment, "DATABASE_URL": people["service"], "REDIS_URL": bare.redis_url}
    with running_service(settings, tmp_path / "log") as service:
        async with public_client(service.url) as http:
            app = await new_app(service, http)
            await app.room("r", ("ann",))
            said = await app.say("r", "x", "ann")
            async with app.socket("ann") as socket:
                assert (await socket.open("r"))["snapshot"]["seq"] == said["seq"]
            assert (await app.ask("DELETE", "/v1/app")).status_code == 202
            async with connected(as_superuser(people["migrator"])) as owner, asyncio.timeout(30):
                while await owner.fetchval("SELECT count(*) FROM events") > 0:
                    await asyncio.sleep(0.1)


async def test_who_serves_may_change_nothing_of_the_schema(people: dict[str, str]) -> None:
    """The service's own login makes no table, reads none by itself, and cannot become the owner."""
    await asyncio.to_thread(migrate, people["migrator"], MIGRATIONS, "service")
    async with connected(people["service"]) as connection:
        for statement in (
            "CREATE TABLE mine (id int)",
            "SELECT 1 FROM events",
            "SET ROLE migrator",
            "DROP TABLE rooms",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_who_may_not_make_roles_is_told_what_an_administrator_must_run(people: dict[str, str]) -> None:
    """The message is SQL: to make the roles, revision by revision, then to grant them; then the migration goes through."""
    async with connected(as_superuser(people["weak"])) as connection:
        for what in ("CREATE ROLE roomlog_lane", "CREATE ROLE roomlog_people", "GRANT roomlog_audit"):
            with pytest.raises(MigrateFailed, match=f"(?s)As an administrator of the database run:.*{what}") as failed:
                await asyncio.to_thread(migrate, people["weak"], MIGRATIONS, "service")
            await connection.execute(str(failed.value).partition("run:\n")[2])
    await asyncio.to_thread(migrate, people["weak"], MIGRATIONS, "service")


def as_superuser(url: str) -> str:
    return re.sub(r"//\w+@", "//postgres@", url)
