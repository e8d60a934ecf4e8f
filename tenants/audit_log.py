"""The audit log: who did what in a tenant, when and from where. Entries are added and read; no role may change one.

Whatever the walls themselves do for people (`tenants.people`, `tenants.mails`) they note in the same transaction: there is
no deed without its entry, and no entry without its deed.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.clock import to_rfc3339
from tenants.ids import PersonId, TenantId
from tenants.postgres import Postgres

RANDOM_BITS = 10
"""The lowest bits of an entry's id; the others are its moment in microseconds."""
MAX_ENTRIES = 200
MAX_TARGET = 300
MAX_DETAIL = 4_000

# clock_timestamp: what one transaction notes has an order too.
INSERT = text(f"""
WITH moment AS (SELECT clock_timestamp() AS at)
INSERT INTO audit_entries (tenant_id, entry_id, at, person_id, person_email, action, target, address, detail)
SELECT :tenant, CAST(extract(epoch FROM at) * 1000000 AS bigint) * {2**RANDOM_BITS} + :random, at, :person,
       coalesce(CAST(:email AS text), ''), :action, :target, :address, :detail
  FROM moment
""")
LIST = text("""
SELECT entry_id, at, person_id, person_email, action, target, address, detail FROM audit_entries
 WHERE tenant_id = :tenant AND entry_id < coalesce(CAST(:before AS bigint), 9223372036854775807)
 ORDER BY entry_id DESC LIMIT :limit
""")


class Doer(Protocol):
    """Who does something: a `tenants.people.Person`."""

    @property
    def id(self) -> PersonId:
        """The person."""
        ...

    @property
    def email(self) -> str:
        """The address that the person has now."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done, or tried."""

    id: int
    at: str
    person: PersonId | None
    """None: nobody is known to have done it."""
    email: str
    action: str
    target: str
    address: str
    detail: dict[str, Any]


async def note(
    where: AsyncConnection | Postgres,
    tenant: TenantId,
    person: Doer | None,
    action: str,
    target: str,
    address: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, in a transaction inside the tenant or in one of its own.

    `action` is a word or two of ours (`key.made`), `target` what it was done to, `detail` what it was before and after:
    never a secret. A target of over 300 characters is cut off there, and details of over 4,000 are left out.
    """
    told = json.dumps(dict(detail or {}), sort_keys=True)
    values = {
        "tenant": tenant,
        "random": secrets.randbits(RANDOM_BITS),
        "person": None if person is None else person.id,
        "email": None if person is None else person.email,
        "action": action,
        "target": _clean(target)[:MAX_TARGET],
        "address": address,
        "detail": told if len(told) <= MAX_DETAIL else '{"left_out": true}',
    }
    if isinstance(where, Postgres):
        async with where.tenancy(tenant) as connection:
            await connection.execute(INSERT, values)
    else:
        await where.execute(INSERT, values)


async def entries(postgres: Postgres, tenant: TenantId, before: int | None = None, limit: int = 50) -> list[Entry]:
    """Give up to `limit` of a tenant's entries, at most 200, newest first: those before the one that has the id `before`."""
    values = {"tenant": tenant, "before": before, "limit": max(1, min(limit, MAX_ENTRIES))}
    async with postgres.tenancy(tenant) as connection:
        rows = (await connection.execute(LIST, values)).all()
    return [
        Entry(
            id=row.entry_id,
            at=to_rfc3339(row.at),
            person=None if row.person_id is None else PersonId(row.person_id),
            email=row.person_email,
            action=row.action,
            target=row.target,
            address=row.address,
            detail=json.loads(row.detail),
        )
        for row in rows
    ]


def _clean(words: str) -> str:
    """Leave out what no text in the database can hold."""
    return words.encode("utf-8", "replace").decode().replace("\x00", "")
