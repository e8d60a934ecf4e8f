"""Mails: resets and invites, each good for one thing, once, for a while."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.embedded import Servers
from tenants import audit_log, mails, second_factors, sessions
from tenants.errors import NotFound
from tenants.mails import AlreadyMember, token_hash
from tenants.passwords import BadPassword, Passwords
from tenants.people import (
    BadEmail,
    BadName,
    Member,
    NotPermitted,
    PersonRole,
    change_role,
    find_person,
    is_password_of,
    members_of,
    remove_member,
    sign_up,
)
from tenants.postgres import Postgres
from tenants.totp import code_at, step_at
from tests.support.people import KEYS, PASSWORD, People, new_email

OWNER, ADMIN, DEVELOPER, VIEWER = PersonRole
NEXT = "the next one, please"
DAY_S = 86_400
OLDER = "UPDATE mail_tokens SET ends_at = ends_at - make_interval(secs => :age) WHERE token_hash = :hash"


@pytest.fixture
async def people(stores: Servers, postgres: Postgres) -> AsyncIterator[People]:
    passwords = Passwords()
    yield People(postgres, passwords, stores.database_url)
    passwords.close()


async def age(people: People, token: str, seconds: int) -> None:
    await people.ask(OLDER, age=seconds, hash=token_hash(token))


async def asked(people: People, member: Member) -> str:
    token = await mails.ask_reset(people.postgres, member.person.email.upper())
    assert token is not None
    return token


async def reset(people: People, token: str, password: str = NEXT) -> bool:
    return await mails.reset(people.postgres, people.passwords, token, password)


async def accept(
    people: People, token: str, name: str = "Ben", password: str = PASSWORD, code: str = ""
) -> Member | None:
    return await mails.accept_invite(people.postgres, people.passwords, KEYS, token, name, password, code=code)


async def test_a_reset_lets_its_reader_choose_a_password(people: People) -> None:
    """All sessions of the person end, other people's stay, and each of the person's tenants has an entry."""
    owner, other = await people.owner(), await people.owner()
    here, theirs = [await sessions.begin(people.postgres, member, address="", agent="") for member in (owner, other)]
    assert await reset(people, await asked(people, owner))
    assert await find_person(people.postgres, people.passwords, owner.person.email, PASSWORD) == []
    assert await find_person(people.postgres, people.passwords, owner.person.email, NEXT) == [owner]
    assert await sessions.of(people.postgres, here) is None
    assert await sessions.of(people.postgres, theirs) is not None
    newest, *_ = await audit_log.entries(people.postgres, owner.tenant)
    assert (newest.action, newest.email) == ("password.reset", owner.person.email)


async def test_a_reset_works_once(people: People) -> None:
    """Not twice, not for two who come at the same moment, and all others of the person end with it."""
    owner = await people.owner()
    earlier, token = await asked(people, owner), await asked(people, owner)
    passwords = [f"the next one, {number}" for number in range(2)]
    done = await asyncio.gather(*(reset(people, token, password) for password in passwords))
    assert sorted(done) == [False, True]
    assert await is_password_of(people.postgres, people.passwords, owner.person.id, passwords[done.index(True)])
    assert not await reset(people, token)
    assert not await reset(people, earlier)


async def test_a_reset_ends_after_30_minutes(people: People) -> None:
    """And leaves the password and the sessions as they are."""
    owner = await people.owner()
    here = await sessions.begin(people.postgres, owner, address="", agent="")
    token = await asked(people, owner)
    await age(people, token, 30 * 60)
    assert not await reset(people, token)
    assert await is_password_of(people.postgres, people.passwords, owner.person.id, PASSWORD)
    assert await sessions.of(people.postgres, here) is not None
    token = await asked(people, owner)
    await age(people, token, 30 * 60 - 60)
    assert await reset(people, token)


async def test_a_bad_password_uses_no_reset_up(people: People) -> None:
    """Its reader may try another one."""
    token = await asked(people, await people.owner())
    with pytest.raises(BadPassword):
        await reset(people, token, "password123")
    assert await reset(people, token)


@pytest.mark.parametrize("email", [None, "", "nobody", "a\x00@b"])
async def test_nobody_resets_what_nobody_has(people: People, email: str | None) -> None:
    """An address that is unknown, or none at all: no token, and no row."""
    count = "SELECT count(*) FROM mail_tokens"
    before = await people.ask(count)
    assert await mails.ask_reset(people.postgres, new_email() if email is None else email) is None
    assert await people.ask(count) == before


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\x00", "\ud800"])
async def test_what_is_no_token_is_none(people: People, token: str) -> None:
    """Whatever stands in a link is looked up by its hash; nothing that is found nowhere costs a slow hash."""
    hashed = people.passwords.counts.hashed
    assert not await reset(people, token)
    assert await mails.find_invite(people.postgres, token) is None
    assert await accept(people, token) is None
    assert people.passwords.counts.hashed == hashed


async def test_a_token_is_good_for_its_own_kind_alone(people: People) -> None:
    """A reset makes no member and an invite sets no password; either still works for its own."""
    owner, other = await people.owner(), await people.owner()
    token = await asked(people, owner)
    invite = await mails.invite(people.postgres, other, owner.person.email, VIEWER)
    assert await accept(people, token) is None
    assert not await reset(people, invite)
    assert await accept(people, invite) is not None
    assert await reset(people, token)


async def test_the_text_of_a_mail_stands_nowhere_in_the_database(people: People) -> None:
    """Only its hash does."""
    owner = await people.owner()
    tokens = [await asked(people, owner), await mails.invite(people.postgres, owner, new_email(), VIEWER)]
    everything = await people.everything()
    for token in tokens:
        assert len(token) == 43
        assert token_hash(token).hex() in everything
        assert token not in everything
        assert token.encode().hex() not in everything
        assert not await reset(people, token_hash(token).hex())


async def test_an_invite_makes_an_account_and_a_membership(people: People) -> None:
    """In the role and with the address that it names; its reader is told beforehand what it is for, and asked for a name."""
    owner = await people.owner()
    email = new_email()
    token = await mails.invite(people.postgres, owner, email.upper(), DEVELOPER)
    found = await mails.find_invite(people.postgres, token)
    assert found is not None
    assert not found.has_account
    assert await mails.invites_of(people.postgres, owner.tenant) == [found.invite]
    invite = found.invite
    assert (invite.email, invite.tenant, invite.tenant_name, invite.role, invite.author) == (
        email,
        owner.tenant,
        "Ann & Co",
        DEVELOPER,
        owner.person.email,
    )
    with pytest.raises(BadName):
        await accept(people, token, "")
    with pytest.raises(BadPassword):
        await accept(people, token, "Ben", "short")
    member = await accept(people, token)
    assert member is not None
    assert (member.person.email, member.person.name, member.role) == (email, "Ben", DEVELOPER)
    assert await members_of(people.postgres, owner.tenant) == [owner, member]
    assert await find_person(people.postgres, people.passwords, email, PASSWORD) == [member]
    assert await mails.invites_of(people.postgres, owner.tenant) == []


async def test_who_has_an_account_shows_its_password_to_accept(people: People) -> None:
    """A wrong one makes no member and uses nothing up; the right one does, and leaves name and password as they are."""
    owner, other = await people.owner(), await people.owner()
    token = await mails.invite(people.postgres, owner, other.person.email, ADMIN)
    found = await mails.find_invite(people.postgres, token)
    assert found is not None
    assert found.has_account
    assert await accept(people, token, "Eve", NEXT) is None
    assert await members_of(people.postgres, owner.tenant) == [owner]
    member = await accept(people, token, "Eve")
    assert member is not None
    assert (member.person, member.role) == (other.person, ADMIN)
    memberships = await find_person(people.postgres, people.passwords, other.person.email, PASSWORD)
    assert memberships == [other, member]


async def test_an_invite_works_once(people: People) -> None:
    """Of two who come with it at the same moment one becomes a member, and it is not found again."""
    owner = await people.owner()
    token = await mails.invite(people.postgres, owner, new_email(), VIEWER)
    made = [member for member in await asyncio.gather(accept(people, token), accept(people, token)) if member]
    assert len(made) == 1
    assert await accept(people, token) is None
    assert await mails.find_invite(people.postgres, token) is None
    assert len(await members_of(people.postgres, owner.tenant)) == 2
    await remove_member(people.postgres, owner, made[0].person.id)
    assert await accept(people, token) is None


async def test_an_invite_ends_after_7_days(people: People) -> None:
    """Then it is neither found nor listed, and makes no member."""
    owner = await people.owner()
    token = await mails.invite(people.postgres, owner, new_email(), VIEWER)
    await age(people, token, 7 * DAY_S - 60)
    assert await mails.find_invite(people.postgres, token) is not None
    await age(people, token, 60)
    assert await mails.find_invite(people.postgres, token) is None
    assert await mails.invites_of(people.postgres, owner.tenant) == []
    assert await accept(people, token) is None
    assert await members_of(people.postgres, owner.tenant) == [owner]


async def test_the_next_invite_takes_the_place_of_the_one_before(people: People) -> None:
    """Of one address to one tenant; what invites it elsewhere stays."""
    owner, other = await people.owner(), await people.owner()
    email = new_email()
    elsewhere = await mails.invite(people.postgres, other, email, VIEWER)
    before = await mails.invite(people.postgres, owner, email, ADMIN)
    after = await mails.invite(people.postgres, owner, email, VIEWER)
    assert await accept(people, before) is None
    for token in (after, elsewhere):
        member = await accept(people, token)
        assert member is not None
        assert member.role is VIEWER


@pytest.mark.parametrize("role", list(PersonRole))
async def test_each_role_invites_to_the_roles_that_it_may_give(people: People, role: PersonRole) -> None:
    """Owners to all, admins to all but owners, others nobody; so it is with taking an invite back."""
    owner = await people.owner()
    by = await people.joined(owner, role)
    for given in PersonRole:
        email = new_email()
        if role.may_give(given):
            await mails.invite(people.postgres, by, email, given)
            await mails.withdraw_invite(people.postgres, by, email)
            continue
        with pytest.raises(NotPermitted):
            await mails.invite(people.postgres, by, email, given)
        token = await mails.invite(people.postgres, owner, email, given)
        with pytest.raises(NotPermitted):
            await mails.withdraw_invite(people.postgres, by, email)
        assert await mails.find_invite(people.postgres, token) is not None


async def test_an_invite_is_worth_what_its_author_may_still_give(people: People) -> None:
    """Who has been made a viewer since, or is no member any more, has invited nobody."""
    owner = await people.owner()
    admin = await people.joined(owner, ADMIN)
    tokens = [await mails.invite(people.postgres, admin, new_email(), ADMIN) for _ in range(2)]
    await change_role(people.postgres, owner, admin.person.id, VIEWER)
    assert await accept(people, tokens[0]) is None
    assert await mails.invites_of(people.postgres, owner.tenant) == []
    await change_role(people.postgres, owner, admin.person.id, ADMIN)
    assert await accept(people, tokens[0]) is not None
    await remove_member(people.postgres, owner, admin.person.id)
    assert await accept(people, tokens[1]) is None


async def test_an_author_who_is_removed_while_an_invite_is_accepted_has_invited_nobody(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the author may give is asked for once more when the slow hash is done."""
    owner = await people.owner()
    admin = await people.joined(owner, ADMIN)
    token = await mails.invite(people.postgres, admin, new_email(), ADMIN)
    hash_of = people.passwords.hash

    async def overtaken(text: str) -> str:
        monkeypatch.undo()
        await remove_member(people.postgres, owner, admin.person.id)
        return await hash_of(text)

    monkeypatch.setattr(people.passwords, "hash", overtaken)
    assert await accept(people, token) is None
    assert await members_of(people.postgres, owner.tenant) == [owner]


async def test_members_and_what_is_no_address_are_not_invited(people: People) -> None:
    """The inviter is told so; a stranger to the tenant invites nobody there."""
    owner, other = await people.owner(), await people.owner()
    with pytest.raises(AlreadyMember):
        await mails.invite(people.postgres, owner, owner.person.email.upper(), VIEWER)
    with pytest.raises(BadEmail):
        await mails.invite(people.postgres, owner, "a@b\r\nBcc: c@d", VIEWER)
    forged = Member(other.person, owner.tenant, OWNER, other.since)
    with pytest.raises(NotPermitted):
        await mails.invite(people.postgres, forged, new_email(), VIEWER)


async def test_an_invite_is_taken_back(people: People) -> None:
    """It makes no member any more, and there is nothing left to take back; each leaves its entry."""
    owner = await people.owner()
    email = new_email()
    token = await mails.invite(people.postgres, owner, email, VIEWER)
    await mails.withdraw_invite(people.postgres, owner, email.upper())
    assert await accept(people, token) is None
    for gone in (email, "", "\x00"):
        with pytest.raises(NotFound):
            await mails.withdraw_invite(people.postgres, owner, gone)
    noted = [entry.action for entry in await audit_log.entries(people.postgres, owner.tenant)]
    assert noted == ["invite.withdrawn", "member.invited", "tenant.made"]


async def test_who_signs_up_while_accepting_is_not_made_twice(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account that came first stays as it is; the invite is not used up, and waits for its password."""
    owner = await people.owner()
    email = new_email()
    token = await mails.invite(people.postgres, owner, email, VIEWER)
    hash_of = people.passwords.hash

    async def overtaken(text: str) -> str:
        monkeypatch.undo()
        made = await sign_up(
            people.postgres, people.passwords, email=email, name="First", password=NEXT, organisation="First's"
        )
        assert made is not None
        return await hash_of(text)

    monkeypatch.setattr(people.passwords, "hash", overtaken)
    assert await accept(people, token, "Second") is None
    assert await members_of(people.postgres, owner.tenant) == [owner]
    member = await accept(people, token, "Second", NEXT)
    assert member is not None
    assert member.person.name == "First"


async def test_used_and_dead_tokens_are_swept_and_others_are_not(people: People) -> None:
    """What is good for nothing leaves no row, and still works no second time."""
    owner = await people.owner()
    used, dead = await asked(people, owner), await mails.invite(people.postgres, owner, new_email(), VIEWER)
    assert await reset(people, used)
    await age(people, dead, 8 * DAY_S)
    stay = await asked(people, owner)
    await mails.sweep(people.postgres)
    left = await people.ask("SELECT token_hash FROM mail_tokens WHERE person_id = :person", person=owner.person.id)
    assert [row[0] for row in left] == [token_hash(stay)]
    assert not await reset(people, used)


async def test_whoever_has_a_second_factor_accepts_with_a_code_of_it(people: People) -> None:
    """The password alone makes no member; each refusal is noted where the person is one already."""
    owner, invited = await people.owner(), await people.owner()
    secret = await second_factors.begin(people.postgres, KEYS, invited.person.id)
    noon_s = 1_000_000_020.0
    code = code_at(secret, step_at(noon_s))
    codes = await second_factors.confirm(people.postgres, KEYS, invited.person, code, moment_s=noon_s)
    token = await mails.invite(people.postgres, owner, invited.person.email, VIEWER)
    found = await mails.find_invite(people.postgres, token)
    assert found is not None
    assert (found.has_account, found.has_second_factor) == (True, True)
    assert await accept(people, token) is None
    assert await accept(people, token, code="000000") is None
    assert await accept(people, token, password="a wrong one", code=codes[0]) is None
    assert await members_of(people.postgres, owner.tenant) == [owner]
    noted = [entry.action for entry in await audit_log.entries(people.postgres, invited.tenant)]
    assert noted[:3] == ["sign_in.refused", "code.refused", "code.refused"]
    assert await accept(people, token, code=codes[0]) is not None


async def test_a_reset_leaves_the_second_factor_as_it_is(people: People) -> None:
    """Whoever reads the mail has a password, and no code."""
    owner = await people.owner()
    secret = await second_factors.begin(people.postgres, KEYS, owner.person.id)
    noon_s = 1_000_000_020.0
    code = code_at(secret, step_at(noon_s))
    assert await second_factors.confirm(people.postgres, KEYS, owner.person, code, moment_s=noon_s)
    before = await second_factors.find(people.postgres, owner.person.id)
    assert await reset(people, await asked(people, owner))
    after = await second_factors.find(people.postgres, owner.person.id)
    assert before is not None
    assert after is not None
    assert (after.since, after.recovery_codes) == (before.since, before.recovery_codes)
    assert not await second_factors.passes(people.postgres, KEYS, owner.person, "")
