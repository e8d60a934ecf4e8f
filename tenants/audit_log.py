"""The audit log: who did what in a tenant, when and from where. Entries are added and read; no role may change one.

Whatever the walls themselves do for people (`tenants.people`, `tenants.mails`), and for one person to apps and keys (`By`), they
note in the same transaction: there is no deed without its entry, and no entry without its deed.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.clock import to_rfc3339
from tenants.ids import AppId, PersonId, TenantId
from tenants.postgres import Postgres
from tenants.scope import Scope

RANDOM_BITS = 10
"""The lowest bits of an entry's id; the others are its moment in microseconds."""
MAX_ID = 2**63 - 1
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
   AND entry_id >= coalesce(CAST(:since AS bigint), 0)
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
class By:
    """Who does something in a tenant, and from where."""

    tenant: TenantId
    person: Doer
    address: str

    async def note(self, connection: AsyncConnection, action: str, target: str, **detail: object) -> None:
        """Add an entry in the transaction of the deed, which is inside the tenant."""
        await note(connection, self.tenant, self.person, action, target, self.address, detail)


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


def inside(app: AppId, by: By | None) -> Scope | AppId:
    """Give the scope of a deed: an app's, and its tenant's too if somebody does it and it is to be noted."""
    return app if by is None else Scope(by.tenant, app)


async def entries(
    postgres: Postgres, tenant: TenantId, before: int | None = None, limit: int = 50, *, since: int | None = None
) -> list[Entry]:
    """Give up to `limit` of a tenant's entries, at most 200, newest first: of the ids from `since` to those below `before`."""
    values = {"tenant": tenant, "before": before, "since": since, "limit": max(1, min(limit, MAX_ENTRIES))}
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


async def all_entries(
    postgres: Postgres, tenant: TenantId, since: int | None, before: int | None
) -> AsyncGenerator[list[Entry]]:
    """Give a tenant's entries in pages of 200, newest first; no transaction is open from one page to the next."""
    while page := await entries(postgres, tenant, before, MAX_ENTRIES, since=since):
        yield page
        before = page[-1].id


def first_id_at(moment: datetime) -> int:
    """Give the least id that an entry of a moment, or of one after it, can have."""
    return min(max(0, int(moment.timestamp()) * 1_000_000 << RANDOM_BITS), MAX_ID)


def _clean(words: str) -> str:
    """Leave out what no text in the database can hold."""
    return words.encode("utf-8", "replace").decode().replace("\x00", "")
