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
COUNTED = ("tallies", "active_users", "request_lines")
OF_PEOPLE = ("people", "sessions", "mail_tokens", "memberships")
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
    *((role, "SELECT FROM tenants", role in {Role.GROUND, Role.RLS, Role.PEOPLE}) for role in Role),
    *((role, "SELECT FROM commits", role is Role.AUDIT) for role in Role),
    *((role, "SELECT FROM epochs", role in {Role.AUDIT, Role.LANE}) for role in Role),
    *((role, "SELECT trim_commits_v1('0')", role is Role.AUDIT) for role in Role),
    *((role, "UPDATE users SET name = name", role is Role.RLS) for role in Role),
    *((role, "UPDATE apps SET name = name", role is Role.RLS) for role in Role),
    *((role, "UPDATE tenants SET name = name", role is Role.RLS) for role in Role),
    *((role, "DELETE FROM tickets", role in {Role.RLS, Role.GROUND}) for role in Role),
    *((role, "UPDATE jobs SET claimed_until = now()", role in {Role.RLS, Role.GROUND}) for role in Role),
    *((role, "UPDATE jobs SET subject = 1", role is Role.RLS) for role in Role),
    *((role, f"SELECT FROM {table}", role is Role.PEOPLE) for role in Role for table in OF_PEOPLE),
    *((role, "UPDATE people SET name = name", role is Role.PEOPLE) for role in Role),
    *((role, "DELETE FROM people", False) for role in Role),
    *((role, "DELETE FROM sessions", role is Role.PEOPLE) for role in Role),
    *((role, "UPDATE memberships SET role = 'owner'", role is Role.PEOPLE) for role in Role),
    *((role, "UPDATE memberships SET tenant_id = 1", False) for role in Role),
    *((role, "INSERT INTO memberships VALUES (1, 1, 'owner')", False) for role in Role),  # outside any scope
    *((role, "SELECT FROM audit_entries", role in {Role.RLS, Role.PEOPLE}) for role in Role),
    *((role, "INSERT INTO audit_entries VALUES (1, 1, now(), 1, '', '', '', '', '')", False) for role in Role),
    *((role, "UPDATE audit_entries SET detail = detail", False) for role in Role),
    *((role, "DELETE FROM audit_entries", False) for role in Role),
    *((role, "TRUNCATE audit_entries", False) for role in Role),
    *((role, "SELECT FROM audit_entries FOR UPDATE", False) for role in Role),
    *((role, f"SELECT FROM {table}", role in {Role.RLS, Role.GROUND}) for role in Role for table in COUNTED),
    *((role, f"DELETE FROM {table}", role in {Role.RLS, Role.GROUND}) for role in Role for table in COUNTED),
    *((role, "UPDATE tallies SET messages = 0", role is Role.RLS) for role in Role),
    *((role, "UPDATE active_users SET hours = 1", role is Role.RLS) for role in Role),
    *((role, "UPDATE request_lines SET path = ''", False) for role in Role),
    *(
        (role, "INSERT INTO tallies VALUES (1, '2026-01-01 00:00Z', 1, 1, 1)", False) for role in Role
    ),  # outside any scope
    *((role, "INSERT INTO active_users VALUES (1, '2026-01-01', 1, 1)", False) for role in Role),
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


async def test_people_are_seen_tenant_by_tenant(stores: Servers, owner: "Connection[asyncpg.Record]") -> None:
    """Inside a tenant its memberships and entries alone are there, and can be made; outside, memberships are read only.

    What is in no scope of theirs is not changed by any statement, however wrong.
    """
    a, b, person = (secrets.randbits(46) for _ in range(3))
    await owner.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, ''), ($2, '')", a, b)
    await owner.execute(
        "INSERT INTO people (person_id, email, name, password_hash) VALUES ($1, $2, 'n', '')", person, f"{person}@b"
    )
    add = "INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'viewer')"
    note = """
        INSERT INTO audit_entries (tenant_id, entry_id, at, person_email, action, target, address, detail)
        VALUES ($1, 1, now(), '', 'x', '', '', '{}')
    """
    for tenant in (a, b):
        await owner.execute(add, tenant, person)
        await owner.execute(note, tenant)
    memberships = "SELECT tenant_id FROM memberships WHERE person_id = $1"
    entries = "SELECT tenant_id FROM audit_entries"
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": Role.PEOPLE.value})
    try:
        assert {row["tenant_id"] for row in await connection.fetch(memberships, person)} == {a, b}
        assert await connection.fetch(entries) == []
        assert await connection.execute("UPDATE memberships SET role = 'owner'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM memberships") == "DELETE 0"
        async with connection.transaction():
            await connection.execute("SELECT set_config('roomlog.tenants', $1, true)", str(a))
            assert [row["tenant_id"] for row in await connection.fetch(memberships, person)] == [a]
            assert [row["tenant_id"] for row in await connection.fetch(entries)] == [a]
            assert await connection.execute("UPDATE memberships SET role = 'owner'") == "UPDATE 1"
            assert await connection.execute("DELETE FROM memberships") == "DELETE 1"
            await connection.execute(add, a, person)
            for statement, values in ((add, (b, person)), (note, (b,))):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(statement, *values)
        assert {row["tenant_id"] for row in await connection.fetch(memberships, person)} == {a, b}
    finally:
        await connection.close()
    assert await owner.fetchval("SELECT role FROM memberships WHERE tenant_id = $1", b) == "viewer"


@pytest.mark.parametrize("role", list(Role))
async def test_entries_of_the_audit_log_stay_as_they_are(
    stores: Servers, owner: "Connection[asyncpg.Record]", role: Role
) -> None:
    """Inside the tenant, too, no role changes one, takes one away or writes over one; those that note add further ones."""
    tenant = secrets.randbits(46)
    await owner.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, '')", tenant)
    add = f"""
        INSERT INTO audit_entries (tenant_id, entry_id, at, person_email, action, target, address, detail)
        VALUES ({tenant}, 1, now(), '', 'x', '', '', '{{}}')
    """
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": role.value})
    found: dict[str, str | None] = {}
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('roomlog.tenants', $1, true)", str(tenant))
            for statement in (
                "UPDATE audit_entries SET detail = ''",
                "DELETE FROM audit_entries",
                "TRUNCATE audit_entries",
                add + "ON CONFLICT (tenant_id, entry_id) DO UPDATE SET detail = ''",
                "ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY",
                "DROP TABLE audit_entries",
            ):
                found[statement] = await refusal(connection, statement)
            assert set(found.values()) == {REFUSED}, found
            assert await refusal(connection, add) == (None if role in {Role.RLS, Role.PEOPLE} else REFUSED)
    finally:
        await connection.close()


async def test_who_sweeps_sees_only_what_is_too_old(stores: Servers, owner: "Connection[asyncpg.Record]") -> None:
    """Of tallies, active users and request lines, those within their time are not there for the ground, whatever it asks."""
    app = secrets.randbits(46)
    for days in (399, 401):
        await owner.execute(
            f"INSERT INTO tallies VALUES ($1, date_trunc('hour', now(), 'UTC') - interval '{days} days', 1, 1, 1)", app
        )
    for days in (61, 63):
        await owner.execute(
            f"INSERT INTO active_users VALUES ($1, (now() AT TIME ZONE 'UTC')::date - {days}, 1, 1)", app
        )
    for days in (6, 8):
        await owner.execute(
            "INSERT INTO request_lines SELECT $1, (extract(epoch FROM now() - make_interval(days => $2)) * 1000000)::bigint"
            " * 1024, 'GET', '/', '', 200, NULL, 1, '', NULL, NULL, NULL, 0",
            app,
            days,
        )
    connection = await asyncpg.connect(stores.database_url, server_settings={"role": Role.GROUND.value})
    try:
        for table in COUNTED:
            assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE app_id = $1", app) == 1, table
            assert await connection.execute(f"DELETE FROM {table} WHERE app_id = {app}") == "DELETE 1", table
    finally:
        await connection.close()
    for table in COUNTED:
        assert await owner.fetchval(f"SELECT count(*) FROM {table} WHERE app_id = $1", app) == 1, table
