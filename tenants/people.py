"""People: who signs in to the dashboard, and what each may do in which tenant.

A person has one password and any number of memberships, each with a role: owner, admin, developer, viewer. Owners make and
unmake owners, owners and admins see to all others, and a tenant never loses its last owner. Whether an address is known is
told to nobody who does not have the password.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.audit_log import note
from tenants.clock import to_rfc3339
from tenants.errors import NotFound
from tenants.ids import PersonId, TenantId, new_person_id, new_tenant_id, person_name
from tenants.passwords import Passwords, check_password
from tenants.postgres import Postgres

MIN_EMAIL = 3
MAX_EMAIL = 254
MAX_NAME = 100
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, halves of characters, and separators of lines: what no name needs and no text in the database holds."""

INSERT_TENANT = text("INSERT INTO tenants (tenant_id, name) VALUES (:tenant, :organisation)")
# An update that changes nothing, so that whoever has the address is given in either case.
INSERT_PERSON = text("""
INSERT INTO people (person_id, email, name, password_hash) VALUES (:person, :email, :name, :hash)
    ON CONFLICT (email) WHERE deleted_at IS NULL DO UPDATE SET email = excluded.email
RETURNING person_id
""")
INSERT_MEMBER = text("""
INSERT INTO memberships (tenant_id, person_id, role) VALUES (:tenant, :person, :role)
    ON CONFLICT (tenant_id, person_id) DO NOTHING
RETURNING created_at
""")
FIND = text("""
SELECT person_id, email, name, password_hash FROM people WHERE email = :email AND deleted_at IS NULL
""")
GET = text("SELECT person_id, email, name, password_hash FROM people WHERE person_id = :person AND deleted_at IS NULL")
MEMBERSHIPS = text("""
SELECT m.tenant_id, m.role, m.created_at FROM memberships m WHERE m.person_id = :person ORDER BY m.created_at, m.tenant_id
""")
ORGANISATIONS = text("""
SELECT m.tenant_id, t.name FROM memberships m JOIN tenants t ON t.tenant_id = m.tenant_id
 WHERE m.person_id = :person ORDER BY t.name, m.tenant_id
""")
# Only if it is still the one that was verified: whoever changed it meanwhile has the last word.
SET_HASH = text("""
UPDATE people SET password_hash = :hash WHERE person_id = :person AND password_hash = :before RETURNING person_id
""")
RESET_HASH = text(
    "UPDATE people SET password_hash = :hash WHERE person_id = :person AND deleted_at IS NULL RETURNING email"
)
MEMBERS = text("""
SELECT m.tenant_id, m.role, m.created_at, p.person_id, p.email, p.name
  FROM memberships m JOIN people p ON p.person_id = m.person_id
 WHERE m.tenant_id = :tenant AND p.deleted_at IS NULL ORDER BY m.created_at, m.person_id
""")
# All members of the tenant, in one order: whoever changes roles there waits, and then sees what has become of them.
HOLD_MEMBERS = text("""
SELECT m.tenant_id, m.role, m.created_at, p.person_id, p.email, p.name
  FROM memberships m JOIN people p ON p.person_id = m.person_id
 WHERE m.tenant_id = :tenant ORDER BY m.person_id FOR UPDATE OF m
""")
SET_ROLE = text("UPDATE memberships SET role = :role WHERE tenant_id = :tenant AND person_id = :person")
REMOVE = text("DELETE FROM memberships WHERE tenant_id = :tenant AND person_id = :person")
RENAME = text("UPDATE people SET name = :name WHERE person_id = :person AND deleted_at IS NULL RETURNING email")
END_SESSIONS = text("""
DELETE FROM sessions WHERE person_id = :person AND tenant_id = coalesce(CAST(:tenant AS bigint), tenant_id)
   AND session_hash IS DISTINCT FROM CAST(:but AS bytea)
""")


class BadEmail(Exception):
    """No e-mail address; the message is a sentence for whoever typed it."""


class BadName(Exception):
    """No name for a person or an organisation; the message is a sentence for whoever typed it."""


class LastOwner(Exception):
    """The tenant's last owner stays its owner: another one must be made first."""


class NotPermitted(Exception):
    """A member of this role may not do that to that one."""


class PersonRole(StrEnum):
    """What a person may do in a tenant; each role may do all that those after it may."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"

    def includes(self, other: "PersonRole") -> bool:
        """Tell whether this role may do all that another one may."""
        ranks = list(PersonRole)
        return ranks.index(self) <= ranks.index(other)

    def may_give(self, other: "PersonRole") -> bool:
        """Tell whether members of this role make, change and remove members of another one."""
        return self is PersonRole.OWNER or (self is PersonRole.ADMIN and other is not PersonRole.OWNER)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in to the dashboard."""

    id: PersonId
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a tenant."""

    person: Person
    tenant: TenantId
    role: PersonRole
    since: str


class Doing(Protocol):
    """Who does something in which tenant: a `Member`, or a `tenants.sessions.Session`."""

    @property
    def person(self) -> Person:
        """The person."""
        ...

    @property
    def tenant(self) -> TenantId:
        """The tenant."""
        ...


def check_email(typed: str) -> str:
    """Give an e-mail address as it is kept and compared: lower-cased. Raises `BadEmail`.

    3 to 254 characters, one "@" with something on either side, nothing that ends a line. Whether mail arrives there, a mail
    tells.
    """
    email = typed.strip().lower()
    before, at, after = email.partition("@")
    if not (MIN_EMAIL <= len(email) <= MAX_EMAIL and before and at and after) or "@" in after:
        raise BadEmail(f"An e-mail address has {MIN_EMAIL} to {MAX_EMAIL} characters and one @.")
    if not _is_printable(email) or any(character.isspace() for character in email):
        raise BadEmail("An e-mail address has no spaces and no control characters.")
    return email


def check_name(typed: str) -> str:
    """Give a person's or an organisation's name as it is kept; raises `BadName`: 1 to 100 characters on one line."""
    name = typed.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise BadName(f"A name has 1 to {MAX_NAME} characters.")
    if not _is_printable(name):
        raise BadName("A name has no control characters.")
    return name


async def sign_up(
    postgres: Postgres,
    passwords: Passwords,
    *,
    email: str,
    name: str,
    password: str,
    organisation: str,
    address: str = "",
) -> Member | None:
    """Make a person and a tenant that the person owns; None, and nothing made, if the address has an account already.

    The same statements are run in either case, and then taken back if there is one. Raises `BadEmail`, `BadName`, `BadPassword`,
    and `Unavailable`.
    """
    email, name, organisation = check_email(email), check_name(name), check_name(organisation)
    check_password(password)
    tenant, person = new_tenant_id(), Person(new_person_id(), email, name)
    password_hash = await passwords.hash(password)
    try:
        async with postgres.people([tenant]) as connection:
            await connection.execute(INSERT_TENANT, {"tenant": tenant, "organisation": organisation})
            whose = await insert_person(connection, person, password_hash)
            member = await insert_member(connection, tenant, Person(whose, email, name), PersonRole.OWNER)
            await note(connection, tenant, person, "tenant.made", organisation, address)
            if whose != person.id:
                raise _KnownAlready
    except _KnownAlready:
        return None
    return member


async def find_person(postgres: Postgres, passwords: Passwords, email: str, password: str) -> list[Member]:
    """Give the memberships of whoever has this address and this password, oldest first; none for anybody else.

    An unknown address costs what a known one does with a wrong password. A hash that was made with other work than is usual now
    is made anew. Raises `Unavailable`.
    """
    row = await _find(postgres, _as_compared(email))
    if not await passwords.verify(None if row is None else row.password_hash, password) or row is None:
        return []
    if passwords.needs_rehash(row.password_hash):
        await _set_hash(postgres, passwords, row, password)
    return await memberships_of(postgres, Person(PersonId(row.person_id), row.email, row.name))


async def memberships_of(postgres: Postgres, person: Person) -> list[Member]:
    """Give a person's memberships, oldest first."""
    async with postgres.people() as connection:
        rows = (await connection.execute(MEMBERSHIPS, {"person": person.id})).all()
    return [_member(row, person) for row in rows]


async def organisations_of(postgres: Postgres, person: PersonId) -> dict[TenantId, str]:
    """Give the names of the tenants that a person is a member of, in their order; raises `Unavailable`."""
    async with postgres.people() as connection:
        rows = (await connection.execute(ORGANISATIONS, {"person": person})).all()
    return {TenantId(row.tenant_id): row.name for row in rows}


async def get_person(postgres: Postgres, person: PersonId) -> Person | None:
    """Give a person, None for one that there is not; raises `Unavailable`."""
    async with postgres.people() as connection:
        row = (await connection.execute(GET, {"person": person})).one_or_none()
    return None if row is None else _person(row)


async def person_of(postgres: Postgres, email: str) -> Person | None:
    """Give who has an address, None for nobody; raises `Unavailable`."""
    row = await _find(postgres, _as_compared(email))
    return None if row is None else _person(row)


async def members_of(postgres: Postgres, tenant: TenantId) -> list[Member]:
    """Give a tenant's members, oldest first."""
    async with postgres.people([tenant]) as connection:
        rows = (await connection.execute(MEMBERS, {"tenant": tenant})).all()
    return [_member(row, _person(row)) for row in rows]


async def is_password_of(postgres: Postgres, passwords: Passwords, person: PersonId, password: str) -> bool:
    """Tell whether a password is a person's, as before deeds that ask for it once more; raises `Unavailable`."""
    async with postgres.people() as connection:
        row = (await connection.execute(GET, {"person": person})).one_or_none()
    return await passwords.verify(None if row is None else row.password_hash, password)


async def change_role(
    postgres: Postgres, by: Doing, person: PersonId, role: PersonRole, *, address: str = ""
) -> Member:
    """Give a member of the same tenant another role: it holds at once, in open sessions too.

    What `by` may do is asked of the database. Raises `NotFound` if there is no such member, `NotPermitted`, `LastOwner`, and
    `Unavailable`.
    """
    async with postgres.people([by.tenant]) as connection:
        doing, done_to, owners = await _hold(connection, by, person)
        if not (doing.role.may_give(done_to.role) and doing.role.may_give(role)):
            raise NotPermitted
        if done_to.role is PersonRole.OWNER and role is not PersonRole.OWNER and owners == 1:
            raise LastOwner
        await connection.execute(SET_ROLE, {"tenant": by.tenant, "person": person, "role": role})
        detail = {"before": done_to.role, "after": role}
        await note(connection, by.tenant, doing.person, "member.role_changed", person_name(person), address, detail)
    return Member(done_to.person, by.tenant, role, done_to.since)


async def remove_member(postgres: Postgres, by: Doing, person: PersonId, *, address: str = "") -> None:
    """Take a member out of the tenant, or `by` itself, with all sessions there.

    Raises `NotFound` if there is no such member, `NotPermitted`, `LastOwner`, and `Unavailable`.
    """
    async with postgres.people([by.tenant]) as connection:
        doing, done_to, owners = await _hold(connection, by, person)
        if doing.person.id != person and not doing.role.may_give(done_to.role):
            raise NotPermitted
        if done_to.role is PersonRole.OWNER and owners == 1:
            raise LastOwner
        await connection.execute(REMOVE, {"tenant": by.tenant, "person": person})
        await end_sessions(connection, person, tenant=by.tenant)
        detail = {"email": done_to.person.email, "role": done_to.role}
        await note(connection, by.tenant, doing.person, "member.removed", person_name(person), address, detail)


async def change_password(
    postgres: Postgres,
    passwords: Passwords,
    person: PersonId,
    old: str,
    new: str,
    *,
    but: str | None = None,
    address: str = "",
) -> bool:
    """Give a person another password, and end all sessions but the one whose text is `but`; False if `old` is wrong.

    Raises `BadPassword` and `Unavailable`.
    """
    check_password(new)
    async with postgres.people() as connection:
        row = (await connection.execute(GET, {"person": person})).one_or_none()
    if not await passwords.verify(None if row is None else row.password_hash, old) or row is None:
        return False
    whose = _person(row)
    password_hash = await passwords.hash(new)
    tenants = [member.tenant for member in await memberships_of(postgres, whose)]
    async with postgres.people(tenants) as connection:
        values = {"person": person, "hash": password_hash, "before": row.password_hash}
        if (await connection.execute(SET_HASH, values)).one_or_none() is None:
            return False
        await end_sessions(connection, person, but=but)
        for tenant in tenants:
            await note(connection, tenant, whose, "password.changed", person_name(person), address)
    return True


async def rename_person(postgres: Postgres, person: PersonId, name: str) -> None:
    """Give a person another name; raises `BadName`, `NotFound` and `Unavailable`."""
    values = {"person": person, "name": check_name(name)}
    async with postgres.people() as connection:
        if (await connection.execute(RENAME, values)).one_or_none() is None:
            raise NotFound


async def note_refused_sign_in(postgres: Postgres, email: str, address: str) -> None:
    """Note a sign-in that was refused, in each tenant of whoever has the address; nothing for one that nobody has.

    It takes longer for a known address: call it once the answer has gone out. Raises `Unavailable`.
    """
    row = await _find(postgres, _as_compared(email))
    if row is None:
        return
    for member in await memberships_of(postgres, _person(row)):
        await note(postgres, member.tenant, None, "sign_in.refused", person_name(member.person.id), address)


async def insert_person(connection: AsyncConnection, person: Person, password_hash: str) -> PersonId:
    """Add a person, and give whoever has the address then: another one, and nothing added, if it has an account already."""
    values = {"person": person.id, "email": person.email, "name": person.name, "hash": password_hash}
    return PersonId((await connection.execute(INSERT_PERSON, values)).scalar_one())


async def insert_member(
    connection: AsyncConnection, tenant: TenantId, person: Person, role: PersonRole
) -> Member | None:
    """Make a person a member of a tenant; None if it is one already, in whatever role."""
    values = {"tenant": tenant, "person": person.id, "role": role}
    row = (await connection.execute(INSERT_MEMBER, values)).one_or_none()
    return None if row is None else Member(person, tenant, role, to_rfc3339(row.created_at))


async def end_sessions(
    connection: AsyncConnection, person: PersonId, *, tenant: TenantId | None = None, but: str | None = None
) -> None:
    """End a person's sessions, those in one tenant or all, but the one that has this text."""
    values = {"person": person, "tenant": tenant, "but": None if but is None else session_hash(but)}
    await connection.execute(END_SESSIONS, values)


def session_hash(text: str) -> bytes:
    """Hash the text of a session: 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class _KnownAlready(Exception):
    """Takes a sign-up back."""


async def _find(postgres: Postgres, email: str) -> Any:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    async with postgres.people() as connection:
        return (await connection.execute(FIND, {"email": email})).one_or_none()


async def _set_hash(postgres: Postgres, passwords: Passwords, row: Any, password: str) -> None:  # noqa: ANN401
    values = {"person": row.person_id, "hash": await passwords.hash(password), "before": row.password_hash}
    async with postgres.people() as connection:
        await connection.execute(SET_HASH, values)


async def _hold(connection: AsyncConnection, by: Doing, person: PersonId) -> tuple[Member, Member, int]:
    """Hold a tenant's members until the transaction ends; gives `by` as it is now, the other one, and the number of owners."""
    rows = (await connection.execute(HOLD_MEMBERS, {"tenant": by.tenant})).all()
    members = {row.person_id: _member(row, _person(row)) for row in rows}
    if by.person.id not in members:
        raise NotPermitted
    if person not in members:
        raise NotFound
    owners = sum(member.role is PersonRole.OWNER for member in members.values())
    return members[by.person.id], members[person], owners


def _as_compared(typed: str) -> str:
    """Give what is looked up for what was typed; nobody has what is no address."""
    try:
        return check_email(typed)
    except BadEmail:
        return ""


def _person(row: Any) -> Person:  # noqa: ANN401
    return Person(PersonId(row.person_id), row.email, row.name)


def _member(row: Any, person: Person) -> Member:  # noqa: ANN401
    return Member(person, TenantId(row.tenant_id), PersonRole(row.role), to_rfc3339(row.created_at))


def _is_printable(words: str) -> bool:
    return not any(unicodedata.category(character) in UNPRINTABLE for character in words)
