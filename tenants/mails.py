"""Mails: what a link in a mail is good for, once. A reset lets its reader choose a password, an invite makes a member.

The text of a link is 256 random bits; only its hash is kept. Who has it has shown to read mail at that address. Sending is the
caller's.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from tenants.audit_log import note
from tenants.clock import to_rfc3339
from tenants.errors import NotFound
from tenants.ids import PersonId, TenantId, new_person_id, person_name
from tenants.passwords import Passwords, check_password
from tenants.people import (
    RESET_HASH,
    BadEmail,
    Doing,
    Member,
    NotPermitted,
    Person,
    PersonRole,
    check_email,
    check_name,
    end_sessions,
    insert_member,
    insert_person,
    memberships_of,
    note_refused_sign_in,
)
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys
from tenants.second_factors import passes

RESET_S = 30 * 60
INVITE_S = 7 * 86_400
TEXT_BYTES = 32
BATCH = 1_000

ROLE = text("SELECT role FROM memberships WHERE tenant_id = :tenant AND person_id = :person FOR SHARE")
IS_MEMBER = text("""
SELECT 1 FROM memberships m JOIN people p ON p.person_id = m.person_id
 WHERE m.tenant_id = :tenant AND p.email = :email AND p.deleted_at IS NULL
""")
FORGET_INVITES = text("""
DELETE FROM mail_tokens WHERE kind = 'invite' AND tenant_id = :tenant AND email = :email AND used_at IS NULL RETURNING role
""")
INVITE = text(f"""
INSERT INTO mail_tokens (token_hash, kind, email, person_id, tenant_id, role, ends_at)
VALUES (:hash, 'invite', :email, :person, :tenant, :role, now() + interval '{INVITE_S} seconds')
""")
ALIVE = "k.used_at IS NULL AND k.ends_at > now()"
# An invite is worth what its author may still give: one who is no member any more, or of too small a role, invites nobody.
FIND_INVITE = text(f"""
SELECT k.email, k.tenant_id, k.role, k.ends_at, t.name AS tenant_name, a.email AS author, m.role AS author_role,
       p.person_id, p.name, p.password_hash, p.totp_since IS NOT NULL AS has_second_factor
  FROM mail_tokens k
  JOIN tenants t ON t.tenant_id = k.tenant_id
  JOIN people a ON a.person_id = k.person_id
  JOIN memberships m ON m.tenant_id = k.tenant_id AND m.person_id = k.person_id
  LEFT JOIN people p ON p.email = k.email AND p.deleted_at IS NULL
 WHERE k.token_hash = :hash AND k.kind = 'invite' AND {ALIVE}
""")
INVITES = text(f"""
SELECT k.email, k.tenant_id, k.role, k.ends_at, t.name AS tenant_name, a.email AS author, m.role AS author_role
  FROM mail_tokens k
  JOIN tenants t ON t.tenant_id = k.tenant_id
  JOIN people a ON a.person_id = k.person_id
  JOIN memberships m ON m.tenant_id = k.tenant_id AND m.person_id = k.person_id
 WHERE k.tenant_id = :tenant AND k.kind = 'invite' AND {ALIVE} ORDER BY k.created_at, k.email
""")
# One statement, whether or not there is such a person.
ASK_RESET = text(f"""
INSERT INTO mail_tokens (token_hash, kind, email, person_id, ends_at)
SELECT :hash, 'reset', p.email, p.person_id, now() + interval '{RESET_S} seconds' FROM people p
 WHERE p.email = :email AND p.deleted_at IS NULL
RETURNING person_id
""")
FIND_RESET = text(f"""
SELECT p.person_id, p.email, p.name FROM mail_tokens k JOIN people p ON p.person_id = k.person_id
 WHERE k.token_hash = :hash AND k.kind = 'reset' AND {ALIVE} AND p.email = k.email AND p.deleted_at IS NULL
""")
USE = text(f"UPDATE mail_tokens k SET used_at = now() WHERE k.token_hash = :hash AND {ALIVE} RETURNING k.kind")
FORGET_RESETS = text("DELETE FROM mail_tokens WHERE kind = 'reset' AND person_id = :person AND used_at IS NULL")
SWEEP = text(f"""
DELETE FROM mail_tokens WHERE token_hash IN (
    SELECT k.token_hash FROM mail_tokens k WHERE NOT ({ALIVE}) LIMIT {BATCH} FOR UPDATE SKIP LOCKED)
""")


class AlreadyMember(Exception):
    """Whoever was to be invited is a member of the tenant."""


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite that waits for its reader."""

    email: str
    tenant: TenantId
    tenant_name: str
    role: PersonRole
    author: str
    """The address of whoever invites."""
    ends_at: str


@dataclass(frozen=True, slots=True)
class FoundInvite:
    """What the reader of an invite may be told."""

    invite: Invite
    has_account: bool
    """Whether there is an account of that address, so that its password is asked for, and none is chosen."""
    has_second_factor: bool
    """Whether a code is asked for, too."""


async def invite(postgres: Postgres, member: Doing, email: str, role: PersonRole, *, address: str = "") -> str:
    """Give the text of an invite for a mail to `email`; it holds for 7 days, and those before it no longer.

    Raises `BadEmail`, `AlreadyMember`, `NotPermitted` unless the member may make members of that role, and `Unavailable`.
    """
    invited = check_email(email)
    token = secrets.token_urlsafe(TEXT_BYTES)
    values = {
        "hash": token_hash(token),
        "email": invited,
        "person": member.person.id,
        "tenant": member.tenant,
        "role": role,
    }
    async with postgres.people([member.tenant]) as connection:
        has = (await connection.execute(ROLE, values)).scalar_one_or_none()
        if has is None or not PersonRole(has).may_give(role):
            raise NotPermitted
        if (await connection.execute(IS_MEMBER, values)).one_or_none() is not None:
            raise AlreadyMember
        await connection.execute(FORGET_INVITES, values)
        await connection.execute(INVITE, values)
        await note(connection, member.tenant, member.person, "member.invited", invited, address, {"role": role})
    return token


async def invites_of(postgres: Postgres, tenant: TenantId) -> list[Invite]:
    """Give a tenant's invites that wait for their readers, oldest first."""
    async with postgres.people([tenant]) as connection:
        rows = (await connection.execute(INVITES, {"tenant": tenant})).all()
    return [_invite(row) for row in rows if _holds(row)]


async def withdraw_invite(postgres: Postgres, member: Doing, email: str, *, address: str = "") -> None:
    """Take back what invites an address to the tenant.

    Raises `NotFound` if nothing does, `NotPermitted` unless the member may make members of that role, and `Unavailable`.
    """
    try:
        invited = check_email(email)
    except BadEmail as error:
        raise NotFound from error
    values = {"email": invited, "person": member.person.id, "tenant": member.tenant}
    async with postgres.people([member.tenant]) as connection:
        has = (await connection.execute(ROLE, values)).scalar_one_or_none()
        roles = [PersonRole(role) for role in (await connection.execute(FORGET_INVITES, values)).scalars()]
        if has is None or not all(PersonRole(has).may_give(role) for role in roles):
            raise NotPermitted
        if not roles:
            raise NotFound
        await note(connection, member.tenant, member.person, "invite.withdrawn", invited, address)


async def find_invite(postgres: Postgres, token: str) -> FoundInvite | None:
    """Tell what an invite is good for, without using it; None for one that does not hold, whatever the reason."""
    row = await _find_invite(postgres, token)
    if row is None:
        return None
    has_account = row.person_id is not None
    return FoundInvite(_invite(row), has_account=has_account, has_second_factor=row.has_second_factor)


async def accept_invite(
    postgres: Postgres,
    passwords: Passwords,
    master_keys: MasterKeys,
    token: str,
    name: str,
    password: str,
    *,
    code: str = "",
    address: str = "",
) -> Member | None:
    """Make the reader of an invite a member; None, and the invite not used up, if it does not hold or the password is wrong.

    Whoever has no account gets one, with this name and this password. Whoever has one shows its password, and a code if it has a
    second factor; the name stays, and so does the role of one who is a member by now. What is refused is noted in the person's
    tenants. Raises `BadName` and `BadPassword` for a new account, `CannotOpen` and `Unavailable`.
    """
    row = await _find_invite(postgres, token)
    if row is None:
        return None
    tenant, role, password_hash = TenantId(row.tenant_id), PersonRole(row.role), None
    if row.person_id is None:
        person = Person(new_person_id(), row.email, check_name(name))
        check_password(password)
        password_hash = await passwords.hash(password)
    else:
        person = Person(PersonId(row.person_id), row.email, row.name)
        if not await passwords.verify(row.password_hash, password):
            await note_refused_sign_in(postgres, row.email, address)
            return None
        if not await passes(postgres, master_keys, person, code, address=address):
            return None
    try:
        async with postgres.people([tenant]) as connection:
            # What its author may give can have changed while the password was hashed.
            still = (await connection.execute(FIND_INVITE, {"hash": token_hash(token)})).one_or_none()
            if still is None or not _holds(still):
                return None
            if (await connection.execute(USE, {"hash": token_hash(token)})).one_or_none() is None:
                return None
            # Somebody may have signed up with this address since we looked; then the invite waits for that person.
            if password_hash is not None and await insert_person(connection, person, password_hash) != person.id:
                raise _NotAfterAll
            member = await insert_member(connection, tenant, person, role)
            if member is None:
                raise _NotAfterAll
            await note(connection, tenant, person, "member.joined", person_name(person.id), address, {"role": role})
    except _NotAfterAll:
        return next((member for member in await memberships_of(postgres, person) if member.tenant == tenant), None)
    return member


async def ask_reset(postgres: Postgres, email: str) -> str | None:
    """Give the text of a reset for a mail to `email`; it holds for 30 minutes. None if nobody has that address.

    Tell nobody which it was: answer first, then send. Raises `Unavailable`.
    """
    try:
        asked = check_email(email)
    except BadEmail:
        asked = ""
    token = secrets.token_urlsafe(TEXT_BYTES)
    async with postgres.people() as connection:
        values = {"hash": token_hash(token), "email": asked}
        row = (await connection.execute(ASK_RESET, values)).one_or_none()
    return None if row is None else token


async def reset(postgres: Postgres, passwords: Passwords, token: str, new_password: str, *, address: str = "") -> bool:
    """Give the reader of a reset a new password, and end all sessions of that person; False if it does not hold.

    It works once; all other resets of the person end with it. The second factor stays. Raises `BadPassword`, which uses nothing
    up, and `Unavailable`.
    """
    check_password(new_password)
    async with postgres.people() as connection:
        row = (await connection.execute(FIND_RESET, {"hash": token_hash(token)})).one_or_none()
    if row is None:
        return False
    person = Person(PersonId(row.person_id), row.email, row.name)
    password_hash = await passwords.hash(new_password)
    tenants = [member.tenant for member in await memberships_of(postgres, person)]
    async with postgres.people(tenants) as connection:
        if (await connection.execute(USE, {"hash": token_hash(token)})).one_or_none() is None:
            return False
        await connection.execute(RESET_HASH, {"person": person.id, "hash": password_hash})
        await connection.execute(FORGET_RESETS, {"person": person.id})
        await end_sessions(connection, person.id)
        for tenant in tenants:
            await note(connection, tenant, person, "password.reset", person_name(person.id), address)
    return True


async def sweep(postgres: Postgres) -> None:
    """Delete a batch of mail tokens that have been used or have ended; raises `Unavailable`."""
    async with postgres.people() as connection:
        await connection.execute(SWEEP)


def token_hash(token: str) -> bytes:
    """Hash the text of a link: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class _NotAfterAll(Exception):
    """Takes the use of an invite back."""


async def _find_invite(postgres: Postgres, token: str) -> Any:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    async with postgres.people() as connection:
        row = (await connection.execute(FIND_INVITE, {"hash": token_hash(token)})).one_or_none()
    return row if row is not None and _holds(row) else None


def _holds(row: Any) -> bool:  # noqa: ANN401
    return PersonRole(row.author_role).may_give(PersonRole(row.role))


def _invite(row: Any) -> Invite:  # noqa: ANN401
    return Invite(
        email=row.email,
        tenant=TenantId(row.tenant_id),
        tenant_name=row.tenant_name,
        role=PersonRole(row.role),
        author=row.author,
        ends_at=to_rfc3339(row.ends_at),
    )
