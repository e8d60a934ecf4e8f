"""Each role of the database is proven by trying what it must not do."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.embedded import Servers
from tenants.postgres import Postgres
from tenants.roles import Role

REFUSED = "42501"
HOT = ("rooms", "members", "events")
SECRET = ("api_keys", "signing_keys")
A, B = 501, 502

# Role, statement, and whether it is permitted.
TRIES = [
    *((role, f"DELETE FROM {table}", False) for role in Role for table in HOT),
    *((role, f"UPDATE {table} SET app_id = app_id", False) for role in Role for table in HOT),
    *((role, "INSERT INTO epochs VALUES (9, 9, 9, '9')", False) for role in Role),
    *((role, "DELETE FROM commits", False) for role in Role),
    *((role, "CREATE TABLE of_mine (n int)", False) for role in Role),
    *((role, "ALTER TABLE rooms DISABLE ROW LEVEL SECURITY", False) for role in Role),
    *((role, "DROP FUNCTION append_v1", False) for role in Role),
    *((role, "SELECT fence('rooms', true)", False) for role in Role),
    *((role, "SELECT check_epoch_v1(1, 1)", False) for role in Role),
    *((role, f"SELECT FROM {table}", role is Role.RLS) for role in Role for table in SECRET),
    *((role, "SELECT FROM events", role in {Role.READER, Role.RLS}) for role in Role),
    *((role, "SELECT FROM users", role in {Role.READER, Role.RLS}) for role in Role),
    *((role, "SELECT FROM tenants", role in {Role.GROUND, Role.RLS}) for role in Role),
    *((role, "SELECT FROM commits", role is Role.AUDIT) for role in Role),
    *((role, "SELECT FROM epochs", role in {Role.AUDIT, Role.LANE}) for role in Role),
    *((role, "SELECT trim_commits_v1('0')", role is Role.AUDIT) for role in Role),
    *((role, "UPDATE users SET name = name", role is Role.RLS) for role in Role),
    *((role, "UPDATE apps SET name = name", role is Role.RLS) for role in Role),
    *((role, "UPDATE tenants SET name = name", role is Role.RLS) for role in Role),
    *((role, "DELETE FROM tickets", role in {Role.RLS, Role.GROUND}) for role in Role),
    *((role, "UPDATE jobs SET claimed_until = now()", role in {Role.RLS, Role.GROUND}) for role in Role),
    *((role, "UPDATE jobs SET subject = 1", role is Role.RLS) for role in Role),
]
Connection = asyncpg.Connection


@pytest.fixture
async def owner(stores: Servers) -> "AsyncIterator[Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(stores.database_url)
    yield connection
    await connection.close()


async def refusal(connection: "Connection[asyncpg.Record]", statement: str) -> str | None:
    """Run a statement and take it back; gives the SQLSTATE with which it was refused."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await transaction.rollback()
    return None


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_do_its_own_work_and_nothing_else(stores: Servers, role: Role) -> None:
    """What is permitted works, everything else is refused with SQLSTATE 42501."""
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": role.value})
    try:
        found = {statement: await refusal(connection, statement) for who, statement, _ in TRIES if who is role}
    finally:
        await connection.close()
    assert found == {statement: None if may else REFUSED for who, statement, may in TRIES if who is role}


async def test_the_roles_are_plain_groups(owner: "Connection[asyncpg.Record]") -> None:
    """None owns a table, passes by row-level security, is a superuser or can log in."""
    rows = await owner.fetch(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole AS may FROM pg_roles WHERE rolname = ANY ($1)",
        [role.value for role in Role],
    )
    assert {row["rolname"]: row["may"] for row in rows} == {role.value: False for role in Role}


async def test_without_a_scope_there_is_nothing(stores: Servers, owner: "Connection[asyncpg.Record]") -> None:
    """Neither before any scope nor after one has ended, and nothing can be written outside of it."""
    name = secrets.token_hex(8)
    await owner.execute("INSERT INTO users (app_id, user_id, name) VALUES ($1, $3, ''), ($2, $3, '')", A, B, name)
    find = "SELECT app_id FROM users WHERE user_id = $1"
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": Role.RLS.value})
    try:
        assert await connection.fetchval("SELECT current_user::text") == Role.RLS
        assert await connection.fetch(find, name) == []
        async with connection.transaction():
            await connection.execute("SELECT set_config('roomlog.apps', $1, true)", str(A))
            assert [row["app_id"] for row in await connection.fetch(find, name)] == [A]
            assert await connection.execute("UPDATE users SET name = 'x' WHERE user_id = $1", name) == "UPDATE 1"
        assert await connection.fetch(find, name) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO users (app_id, user_id, name) VALUES ($1, 'n', '')", A)
    finally:
        await connection.close()


async def test_a_scope_says_nothing_of_another_in_controls(stores: Servers) -> None:
    """A transaction may tell all processes of its own app alone."""
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": Role.RLS.value})
    send = "INSERT INTO commits (apps, rooms, heads, control) VALUES ('{}', '{}', '{}', $1)"
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('roomlog.apps', $1, true)", str(A))
            await connection.execute(send, f'{{"type":"app_changed","app":{A}}}')
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(send, f'{{"type":"app_changed","app":{B}}}')
    finally:
        await connection.close()


async def test_a_read_that_forgot_its_app_sees_only_its_scope(
    stores: Servers, owner: "Connection[asyncpg.Record]"
) -> None:
    """With everything fenced, a hot statement without its condition gives what the named apps hold and no more."""
    name = secrets.token_hex(8)
    await owner.execute("INSERT INTO users (app_id, user_id, name) VALUES ($1, $3, ''), ($2, $3, '')", A, B, name)
    forgetful = "SELECT app_id, current_user::text AS who FROM users WHERE user_id = $1"
    async with Postgres.open(stores.database_url, fence_all=True) as postgres:
        rows = await postgres.fetch([A], forgetful, name)  # type: ignore[list-item]
        assert [tuple(row) for row in rows] == [(A, Role.RLS.value)]
        assert await postgres.fetch([], forgetful, name) == []
