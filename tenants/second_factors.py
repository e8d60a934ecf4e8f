"""Second factors: what a person's authenticator shows, beside the password.

A secret is drawn, shown once, and counts when a code of it has been given back. It is sealed as the secrets of signing keys are,
and bound to its person. Each code is taken once, whichever process it reaches. With the secret come recovery codes, of which only
hashes are kept, for whoever has lost the authenticator; wherever a code is asked for, one of those will do as well.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.audit_log import note
from tenants.clock import now, to_rfc3339
from tenants.errors import NotFound
from tenants.ids import PersonId, TenantId, person_name
from tenants.people import Person, end_sessions, memberships_of
from tenants.postgres import Postgres
from tenants.recovery_codes import code_hash, new_codes
from tenants.sealing import MasterKeys, Possessor, Sealed
from tenants.totp import matching_step, new_secret

BATCH = 100

BEGIN = text("""
UPDATE people SET totp_sealed = :sealed, totp_key = :key, totp_master = :master, totp_step = NULL
 WHERE person_id = :person AND deleted_at IS NULL AND totp_since IS NULL
RETURNING person_id
""")
COLUMNS = "password_hash, totp_sealed, totp_key, totp_master, totp_since, totp_step, recovery_hashes"
GET = text(f"""
SELECT {COLUMNS} FROM people WHERE person_id = :person AND deleted_at IS NULL AND totp_sealed IS NOT NULL
""")
# Held until the step is written: of two who bring the same code at the same moment, one has brought it first.
HOLD = text(f"""
SELECT {COLUMNS} FROM people
 WHERE person_id = :person AND deleted_at IS NULL AND totp_sealed IS NOT NULL FOR NO KEY UPDATE
""")
TAKE = text("""
UPDATE people SET totp_step = :step, totp_since = coalesce(totp_since, now()) WHERE person_id = :person
""")
TAKE_RECOVERY = text("""
UPDATE people SET recovery_hashes = array_remove(recovery_hashes, :hash)
 WHERE person_id = :person AND :hash = ANY (recovery_hashes)
RETURNING person_id
""")
SET_RECOVERY = text("""
UPDATE people SET recovery_hashes = CAST(:hashes AS bytea[]) WHERE person_id = :person AND totp_since IS NOT NULL
RETURNING person_id
""")
REMOVE = text("""
UPDATE people SET totp_sealed = NULL, totp_key = NULL, totp_master = NULL, totp_since = NULL, totp_step = NULL,
       recovery_hashes = '{}'
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


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What may be shown of a second factor that counts."""

    since: str
    recovery_codes: int
    """How many of them are left."""
    stamp: str
    """How the password and all codes stand, digested: another one once any of them has been taken or changed."""


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


async def begun(postgres: Postgres, master_keys: MasterKeys, person: PersonId) -> bytes | None:
    """Give the secret that has been drawn and does not count yet, None without one; raises `CannotOpen` and `Unavailable`."""
    async with postgres.people() as connection:
        row = (await connection.execute(GET, {"person": person})).one_or_none()
    return None if row is None or row.totp_since is not None else master_keys.open(_sealed(row), Possessor(person))


async def confirm(
    postgres: Postgres,
    master_keys: MasterKeys,
    person: Person,
    code: str,
    *,
    but: str | None = None,
    address: str = "",
    moment_s: float | None = None,
) -> list[str]:
    """Have the secret that was begun count from now on, and end all sessions but the one whose text is `but`.

    Gives the recovery codes, which nobody can give again; none, and nothing done, if the code is not one of it. Raises
    `AlreadyOn`, `CannotOpen` and `Unavailable`.
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        row = (await connection.execute(HOLD, {"person": person.id})).one_or_none()
        if row is not None and row.totp_since is not None:
            raise AlreadyOn
        if row is None or not await _take(connection, master_keys, person.id, row, code, moment_s):
            return []
        codes = await _set_recovery(connection, person.id)
        await end_sessions(connection, person.id, but=but)
        await _note(connection, tenants, person, person, "second_factor.added", address)
    return codes


async def find(postgres: Postgres, person: PersonId) -> SecondFactor | None:
    """Give a person's second factor, None for one who signs in by the password alone; raises `Unavailable`."""
    async with postgres.people() as connection:
        row = (await connection.execute(GET, {"person": person})).one_or_none()
    if row is None or row.totp_since is None:
        return None
    return SecondFactor(to_rfc3339(row.totp_since), len(row.recovery_hashes), _stamp(row))


async def check(
    postgres: Postgres,
    master_keys: MasterKeys,
    person: Person,
    code: str,
    *,
    stamp: str | None = None,
    address: str = "",
    moment_s: float | None = None,
) -> bool:
    """Tell whether a code is the person's, and take it: it is none any more. False for a person without a second factor.

    With a `stamp`, only while everything stands as it did then. What is refused is noted in the person's tenants; nothing tells a
    wrong code from one that has been taken. Raises `CannotOpen` and `Unavailable`. How often somebody may try, the caller sees to
    (`tenants.throttle`).
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        row = (await connection.execute(HOLD, {"person": person.id})).one_or_none()
        if row is None or row.totp_since is None:
            return False
        if stamp in {None, _stamp(row)}:
            if await _take(connection, master_keys, person.id, row, code, moment_s):
                return True
            if await _take_recovery(connection, person.id, code):
                await _note(connection, tenants, person, person, "recovery_code.used", address)
                return True
        await _note(connection, tenants, None, person, "code.refused", address)
    return False


async def passes(postgres: Postgres, master_keys: MasterKeys, person: Person, code: str, *, address: str = "") -> bool:
    """Tell whether somebody who has shown the password may go on: by a code, or without one if there is no second factor.

    A code is taken, as by `check`. Raises `CannotOpen` and `Unavailable`.
    """
    has_none = await find(postgres, person.id) is None
    return has_none or await check(postgres, master_keys, person, code, address=address)


async def renew_recovery_codes(postgres: Postgres, person: Person, *, address: str = "") -> list[str]:
    """Give a person ten other recovery codes, which nobody can give again; those before them are none any more.

    The caller has asked for the password and a code once more. Raises `NotFound` without a second factor, and `Unavailable`.
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        codes = await _set_recovery(connection, person.id)
        await _note(connection, tenants, person, person, "recovery_codes.renewed", address)
    return codes


async def remove(postgres: Postgres, person: Person, *, by: Person | None, address: str = "") -> bool:
    """Let a person sign in by the password alone; False, and nothing changed, for one without a second factor.

    `by` is the person, whom the caller has asked for the password and a code once more; None for the operator. Raises
    `Unavailable`.
    """
    tenants = await _tenants_of(postgres, person)
    async with postgres.people(tenants) as connection:
        if (await connection.execute(REMOVE, {"person": person.id})).one_or_none() is None:
            return False
        await _note(connection, tenants, by, person, "second_factor.removed", address)
    return True


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


async def _take_recovery(connection: AsyncConnection, person: PersonId, code: str) -> bool:
    values = {"person": person, "hash": code_hash(code)}
    return (await connection.execute(TAKE_RECOVERY, values)).one_or_none() is not None


async def _set_recovery(connection: AsyncConnection, person: PersonId) -> list[str]:
    codes = new_codes()
    values = {"person": person, "hashes": [code_hash(code) for code in codes]}
    if (await connection.execute(SET_RECOVERY, values)).one_or_none() is None:
        raise NotFound
    return codes


async def _tenants_of(postgres: Postgres, person: Person) -> list[TenantId]:
    return [member.tenant for member in await memberships_of(postgres, person)]


async def _note(
    connection: AsyncConnection,
    tenants: Sequence[TenantId],
    by: Person | None,
    whose: Person,
    action: str,
    address: str,
) -> None:
    for tenant in tenants:
        await note(connection, tenant, by, action, person_name(whose.id), address)


def _stamp(row: Any) -> str:  # noqa: ANN401
    codes = b"".join(row.recovery_hashes)
    stands = f"{row.password_hash} {row.totp_since} {row.totp_step} ".encode() + codes
    return hashlib.sha256(stands).hexdigest()


def _sealed(row: Any) -> Sealed:  # noqa: ANN401
    return Sealed(row.totp_sealed, row.totp_key, row.totp_master)
