"""Sessions: a person who has signed in to one tenant of the dashboard, from one browser.

The text of a session is 256 random bits; only its hash is kept. A session ends 12 hours after its last use, 14 days after it
began, when it is ended, when the password changes elsewhere, and when the membership does. What the person may do is no part
of it: that is looked up each time, and holds at once.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from tenants.clock import to_rfc3339
from tenants.ids import PersonId, TenantId
from tenants.people import Doing, Person, PersonRole, end_sessions, session_hash
from tenants.postgres import Postgres

IDLE_S = 12 * 3_600
MAX_AGE_S = 14 * 86_400
TOUCH_EVERY_S = 60
"""The last use of a session is known to the minute: most requests write nothing."""
TEXT_BYTES = 32
MAX_AGENT = 300
"""Characters of a browser's own description that are kept."""
ID_BYTES = 8
"""Of a session's hash, by which a person tells one session from another; it opens nothing."""
BATCH = 1_000

INSERT = text(f"""
INSERT INTO sessions (session_hash, person_id, tenant_id, ends_at, address, agent)
VALUES (:hash, :person, :tenant, now() + interval '{MAX_AGE_S} seconds', :address, :agent)
""")
LIVE = f"s.ends_at > now() AND s.used_at > now() - interval '{IDLE_S} seconds'"
FIND = text(f"""
SELECT s.tenant_id, s.created_at, s.proved_at, p.person_id, p.email, p.name, m.role, t.name AS tenant_name,
       s.used_at < now() - interval '{TOUCH_EVERY_S} seconds' AS wants_touch
  FROM sessions s
  JOIN people p ON p.person_id = s.person_id
  JOIN memberships m ON m.tenant_id = s.tenant_id AND m.person_id = s.person_id
  JOIN tenants t ON t.tenant_id = s.tenant_id
 WHERE s.session_hash = :hash AND {LIVE} AND p.deleted_at IS NULL
""")
TOUCH = text("UPDATE sessions SET used_at = now() WHERE session_hash = :hash")
PROVE = text("UPDATE sessions SET proved_at = now() WHERE session_hash = :hash")
TURN = text(f"""
UPDATE sessions s SET session_hash = :new, tenant_id = coalesce(CAST(:tenant AS bigint), s.tenant_id)
 WHERE s.session_hash = :hash AND {LIVE} RETURNING s.person_id
""")
END = text("DELETE FROM sessions WHERE session_hash = :hash")
END_ONE = text("""
DELETE FROM sessions WHERE person_id = :person AND encode(substr(session_hash, 1, :bytes), 'hex') = :id
RETURNING person_id
""")
LIST = text(f"""
SELECT s.session_hash, s.tenant_id, t.name AS tenant_name, s.created_at, s.used_at, s.address, s.agent
  FROM sessions s
  JOIN memberships m ON m.tenant_id = s.tenant_id AND m.person_id = s.person_id
  JOIN tenants t ON t.tenant_id = s.tenant_id
 WHERE s.person_id = :person AND {LIVE} ORDER BY s.used_at DESC, s.session_hash
""")
SWEEP = text(f"""
DELETE FROM sessions WHERE session_hash IN (
    SELECT s.session_hash FROM sessions s WHERE NOT ({LIVE}) LIMIT {BATCH} FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds: who it is, in which tenant, and what that person may do there now."""

    person: Person
    tenant: TenantId
    tenant_name: str
    role: PersonRole
    created_at: str
    proved_at: float
    """When the person last showed the password or a code (Unix time)."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """What may be shown of a session to the person whose it is."""

    id: str
    tenant: TenantId
    tenant_name: str
    address: str
    agent: str
    created_at: str
    used_at: str
    is_this: bool


async def begin(postgres: Postgres, member: Doing, *, address: str, agent: str) -> str:
    """Begin a session and give its text, which nobody can give again; raises `Unavailable`.

    Each sign-in begins a new one, whatever the browser has brought.
    """
    session = secrets.token_urlsafe(TEXT_BYTES)
    values = {
        "hash": session_hash(session),
        "person": member.person.id,
        "tenant": member.tenant,
        "address": address,
        "agent": agent.encode("utf-8", "replace").decode().replace("\x00", "")[:MAX_AGENT],
    }
    async with postgres.people() as connection:
        await connection.execute(INSERT, values)
    return session


async def of(postgres: Postgres, text: str) -> Session | None:
    """Give the session of a text, and count this as a use of it; None for one that does not hold, whatever the reason.

    Raises `Unavailable`.
    """
    values = {"hash": session_hash(text)}
    async with postgres.people() as connection:
        row = (await connection.execute(FIND, values)).one_or_none()
        if row is not None and row.wants_touch:
            await connection.execute(TOUCH, values)
    return None if row is None else _session(row)


async def prove(postgres: Postgres, text: str) -> None:
    """Note that the person of a session has just shown the password or a code once more; raises `Unavailable`."""
    async with postgres.people() as connection:
        await connection.execute(PROVE, {"hash": session_hash(text)})


async def turn(postgres: Postgres, text: str, tenant: TenantId | None = None) -> str | None:
    """Give a session another text, as when its person has come to be trusted with more; None if it does not hold.

    The text before it holds no longer. With `tenant` it goes on in another one of the person's; when it ends, and when its person
    last showed the password, stays as it was. Raises `Unavailable`.
    """
    session = secrets.token_urlsafe(TEXT_BYTES)
    async with postgres.people() as connection:
        values = {"hash": session_hash(text), "new": session_hash(session), "tenant": tenant}
        row = (await connection.execute(TURN, values)).one_or_none()
    return None if row is None else session


async def end(postgres: Postgres, text: str) -> None:
    """End a session, whether or not there is one of this text; raises `Unavailable`."""
    async with postgres.people() as connection:
        await connection.execute(END, {"hash": session_hash(text)})


async def end_one(postgres: Postgres, person: PersonId, session_id: str) -> bool:
    """End one of a person's sessions by the id that `sessions_of` shows; False if it has none of that id."""
    async with postgres.people() as connection:
        values = {"person": person, "id": session_id, "bytes": ID_BYTES}
        return bool((await connection.execute(END_ONE, values)).all())


async def end_all(postgres: Postgres, person: PersonId, *, but: str | None = None) -> None:
    """End all of a person's sessions, in every tenant, but the one whose text is `but`; raises `Unavailable`."""
    async with postgres.people() as connection:
        await end_sessions(connection, person, but=but)


async def sessions_of(postgres: Postgres, person: PersonId, *, this: str | None = None) -> list[SessionView]:
    """Give a person's sessions, the one used last first; `this` is the text of the one that asks."""
    here = None if this is None else session_hash(this)
    async with postgres.people() as connection:
        rows = (await connection.execute(LIST, {"person": person})).all()
    return [
        SessionView(
            id=row.session_hash[:ID_BYTES].hex(),
            tenant=TenantId(row.tenant_id),
            tenant_name=row.tenant_name,
            address=row.address,
            agent=row.agent,
            created_at=to_rfc3339(row.created_at),
            used_at=to_rfc3339(row.used_at),
            is_this=row.session_hash == here,
        )
        for row in rows
    ]


async def sweep(postgres: Postgres) -> None:
    """Delete a batch of sessions that have ended by themselves; raises `Unavailable`."""
    async with postgres.people() as connection:
        await connection.execute(SWEEP)


def _session(row: Any) -> Session:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return Session(
        person=Person(PersonId(row.person_id), row.email, row.name),
        tenant=TenantId(row.tenant_id),
        tenant_name=row.tenant_name,
        role=PersonRole(row.role),
        created_at=to_rfc3339(row.created_at),
        proved_at=row.proved_at.timestamp(),
    )
