"""The catalogue of the database itself: what is keyed by what, what is fenced, who owns and may call what."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.embedded import Servers

BELONG_TO_THE_DATABASE = {"commits", "epochs", "alembic_version"}
"""What each process must see of all apps at once (commits), which life of the database this is (epochs), and its schema."""
BELONG_TO_PEOPLE = {"people", "sessions", "mail_tokens"}
"""Who signs in to the dashboard is in no tenant's scope; one role alone comes there."""
BY_PERSON = {("memberships", "memberships_of_person"), ("memberships", "memberships_person_id_fkey")}
"""Who signs in is known by the person alone, and then by the memberships."""
UNFENCED = {"alembic_version"}
"""Holds one revision number."""
HELPERS = {"fence", "fence_gate", "fence_function"}
"""Called by migrations alone, never by code."""

TABLES = (
    "SELECT c.oid, c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
)
FIRST_COLUMNS = f"""
SELECT t.relname AS of, i.indexrelid::regclass::text AS name, a.attname AS first
  FROM ({TABLES}) AS t JOIN pg_index i ON i.indrelid = t.oid
  LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
UNION ALL
SELECT t.relname, k.conname, a.attname
  FROM ({TABLES}) AS t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f')
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
"""
FENCES = f"""
SELECT t.relname AS name, c.relrowsecurity AS fenced, c.relforcerowsecurity AS forced,
       has_table_privilege('roomlog_reader', t.oid, 'SELECT') AS read_hot,
       ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = t.oid) AS policies
  FROM ({TABLES}) AS t JOIN pg_class c ON c.oid = t.oid
"""
FUNCTIONS = """
SELECT p.proname AS name, p.prosecdef AS definer, p.proconfig AS config,
       has_function_privilege('public', p.oid, 'EXECUTE') AS open
  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
"""
OWNED = """
SELECT r.rolname, d.deptype::text FROM pg_roles r JOIN pg_shdepend d ON d.refobjid = r.oid AND d.deptype = 'o'
 WHERE r.rolname LIKE 'roomlog%'
"""


@pytest.fixture
async def owner(stores: Servers) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(stores.database_url)
    yield connection
    await connection.close()


async def test_every_key_begins_with_the_app(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Primary and unique keys, foreign keys and indexes of every table lead by app_id or tenant_id."""
    rows = [
        row
        for row in await owner.fetch(FIRST_COLUMNS)
        if row["of"] not in BELONG_TO_THE_DATABASE | BELONG_TO_PEOPLE and (row["of"], row["name"]) not in BY_PERSON
    ]
    assert {row["of"] for row in rows} >= {"apps", "users", "rooms", "events", "members"}
    others = [(row["of"], row["name"], row["first"]) for row in rows if row["first"] not in {"app_id", "tenant_id"}]
    assert others == []


async def test_every_table_is_fenced(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Row-level security is on everywhere with a policy by scope, and binds the owner too where no hot path writes."""
    rows = {row["name"]: row for row in await owner.fetch(FENCES)}
    assert {name for name, row in rows.items() if not row["fenced"]} == UNFENCED
    for name in BELONG_TO_PEOPLE:
        assert rows[name]["policies"] == ["of_people"]
    for name in rows.keys() - BELONG_TO_THE_DATABASE - BELONG_TO_PEOPLE:
        assert "in_scope" in rows[name]["policies"], f"{name}: call fence() in its migration"
    unforced = {name for name, row in rows.items() if row["fenced"] and not row["forced"]}
    assert unforced == {"rooms", "members", "events", "commits", "epochs", "jobs"}


async def test_every_function_is_pinned_and_nobody_s_by_default(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """What code calls has a version in its name and its names found in fixed schemas; the public may call nothing."""
    rows = await owner.fetch(FUNCTIONS)
    assert rows
    assert [row["name"] for row in rows if row["open"]] == []
    for row in rows:
        if row["name"] in HELPERS:
            continue
        assert row["definer"], row["name"]
        assert any(setting.startswith("search_path=pg_catalog, ") for setting in row["config"] or []), row["name"]


async def test_the_roles_own_nothing(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Everything is the migrator's."""
    assert await owner.fetch(OWNED) == []
