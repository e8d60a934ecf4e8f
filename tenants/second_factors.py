"""Second factors: what a person's authenticator shows, beside the password.

A secret is drawn, shown once, and counts when a code of it has been given back. It is sealed as the secrets of signing keys are,
and bound to its person. Each code is taken once, whichever process it reaches.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.audit_log import note
from tenants.clock import now
from tenants.ids import PersonId, TenantId, person_name
from tenants.people import Person, end_sessions, memberships_of
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys, Possessor, Sealed
from tenants.totp import matching_step, new_secret

BATCH = 100

BEGIN = text("""
UPDATE people SET totp_sealed = :sealed, totp_key = :key, totp_master = :master, totp_step = NULL
 WHERE person_id = :person AND deleted_at IS NULL AND totp_since IS NULL
RETURNING person_id
""")
IS_ON = text("SELECT totp_since IS NOT NULL FROM people WHERE person_id = :person AND deleted_at IS NULL")
# Held until the step is written: of two who bring the same code at the same moment, one has brought it first.
HOLD = text("""
SELECT totp_sealed, totp_key, totp_master, totp_since, totp_step FROM people
 WHERE person_id = :person AND deleted_at IS NULL AND totp_sealed IS NOT NULL FOR NO KEY UPDATE
""")
TAKE = text("""
UPDATE people SET totp_step = :step, totp_since = coalesce(totp_since, now()) WHERE person_id = :person
""")
REMOVE = text("""
UPDATE people SET totp_sealed = NULL, totp_key = NULL, totp_master = NULL, totp_since = NULL, totp_step = NULL
 WHERE person_id = :person AND totp_since IS NOT NULL
RETURNING person_id
""")
UNDER_OTHERS = text("""
SELECT person_id, totp_sealed, totp_key, totp_master FROM people WHERE totp_master <> :newest
 ORDER BY person_id LIMIT :batch FOR NO KEY UPDATE
""")
RESEAL = text("UPDATE people SET totp_key = :key, totp_master = :master WHERE person_id = :person")


class AlreadyOn(Exception):
    """The person has a second factor; it must be removed before another one is begun."""


async def begin(postgres: Postgres, master_keys: MasterKeys, person: PersonId) -> bytes:
    """Draw a secret for a person to put into an authenticator, in the place of one that has not come to count.

    Raises `AlreadyOn` and `Unavailable`.
    """
    secret = new_secret()
    sealed = master_keys.seal(secret, Possessor(person))
    values = {"person": person, "sealed": sealed.secret, "key": sealed.key, "master": sealed.master}
    async with postgres.people() as connection:
        if (await connection.execute(BEGIN, values)).one_or_none() is None:
            raise AlreadyOn
    return secret


async def confirm(
    postgres: Postgres,
    master_keys: MasterKeys,
    person: Person,
    code: str,
    *,
    but: str | None = None,
    address: str = "",
    moment_s: float | None = None,
) -> bool:
    """Have the secret that was begun count from now on, and end all sessions but the one whose text is `but`.

    False, and nothing done, if the code is not one of it. Raises `AlreadyOn`, `CannotOpen` and `Unavailable`.
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        row = (await connection.execute(HOLD, {"person": person.id})).one_or_none()
        if row is not None and row.totp_since is not None:
            raise AlreadyOn
        if row is None or not await _take(connection, master_keys, person.id, row, code, moment_s):
            return False
        await end_sessions(connection, person.id, but=but)
        await _note(connection, tenants, person, "second_factor.added", address)
    return True


async def is_on(postgres: Postgres, person: PersonId) -> bool:
    """Tell whether a person signs in with a code, too; raises `Unavailable`."""
    async with postgres.people() as connection:
        return bool((await connection.execute(IS_ON, {"person": person})).scalar_one_or_none())


async def check(
    postgres: Postgres, master_keys: MasterKeys, person: PersonId, code: str, *, moment_s: float | None = None
) -> bool:
    """Tell whether a code is the person's, and take it: it is none any more. False for a person without a second factor.

    Raises `CannotOpen` and `Unavailable`. How often somebody may try, the caller sees to (`tenants.throttle`).
    """
    async with postgres.people() as connection:
        row = (await connection.execute(HOLD, {"person": person})).one_or_none()
        if row is None or row.totp_since is None:
            return False
        return await _take(connection, master_keys, person, row, code, moment_s)


async def remove(postgres: Postgres, person: Person, *, address: str = "") -> None:
    """Let a person sign in by the password alone; for one without a second factor nothing changes. Raises `Unavailable`.

    The caller has asked for the password, or a code, once more.
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        if (await connection.execute(REMOVE, {"person": person.id})).one_or_none() is not None:
            await _note(connection, tenants, person, "second_factor.removed", address)


async def reseal(postgres: Postgres, master_keys: MasterKeys) -> int:
    """Put a batch of secrets under the newest master key; gives how many, and 0 once all are.

    It may be stopped and repeated, as `tenants.signing.reseal`. Raises `CannotOpen` and `Unavailable`.
    """
    async with postgres.people() as connection:
        rows = (await connection.execute(UNDER_OTHERS, {"newest": master_keys.newest, "batch": BATCH})).all()
        for row in rows:
            sealed = master_keys.reseal(_sealed(row), Possessor(PersonId(row.person_id)))
            values = {"person": row.person_id, "key": sealed.key, "master": sealed.master}
            await connection.execute(RESEAL, values)
    return len(rows)


async def _take(
    connection: AsyncConnection,
    master_keys: MasterKeys,
    person: PersonId,
    row: Any,  # noqa: ANN401 - a row of SQLAlchemy has no better type
    code: str,
    moment_s: float | None,
) -> bool:
    secret = master_keys.open(_sealed(row), Possessor(person))
    moment = now().timestamp() if moment_s is None else moment_s
    step = matching_step(secret, code.replace(" ", ""), moment, row.totp_step)
    if step is None:
        return False
    await connection.execute(TAKE, {"person": person, "step": step})
    return True


async def _tenants_of(postgres: Postgres, person: Person) -> list[TenantId]:
    return [member.tenant for member in await memberships_of(postgres, person)]


async def _note(
    connection: AsyncConnection, tenants: Sequence[TenantId], person: Person, action: str, address: str
) -> None:
    for tenant in tenants:
        await note(connection, tenant, person, action, person_name(person.id), address)


def _sealed(row: Any) -> Sealed:  # noqa: ANN401
    return Sealed(row.totp_sealed, row.totp_key, row.totp_master)
