"""People: who has an account, what each may do, and what nobody is told."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text as sql

from api.embedded import Servers
from tenants import audit_log, second_factors, sessions
from tenants import passwords as slow
from tenants.errors import NotFound, Unavailable
from tenants.ids import new_person_id, new_tenant_id, parse_person_name, person_name
from tenants.passwords import BadPassword, Passwords, check_password
from tenants.people import (
    BadEmail,
    BadName,
    LastOwner,
    Member,
    NotPermitted,
    PersonRole,
    change_password,
    change_role,
    check_email,
    check_name,
    find_person,
    is_password_of,
    members_of,
    memberships_of,
    note_refused_sign_in,
    organisations_of,
    remove_member,
    rename_person,
    sign_up,
)
from tenants.postgres import Postgres
from tenants.sealing import CannotOpen, MasterKeys
from tenants.totp import STEP_S, code_at, step_at
from tests.support.people import KEYS, PASSWORD, People, new_email

OWNER, ADMIN, DEVELOPER, VIEWER = PersonRole
NOON_S = 1_000_000_020.0


@pytest.fixture
async def people(stores: Servers, postgres: Postgres) -> AsyncIterator[People]:
    passwords = Passwords()
    yield People(postgres, passwords, stores.database_url)
    passwords.close()


async def until_two_wait(people: People) -> None:
    """Return once two statements wait for a lock that the test holds."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'roomlog-people'"
    )
    async with asyncio.timeout(15):
        while (await people.ask(waiting))[0][0] < 2:
            await asyncio.sleep(0.01)


async def rows_of(people: People) -> list[int]:
    tables = ("people", "tenants", "memberships", "audit_entries", "sessions", "mail_tokens")
    return [(await people.ask(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]


async def actions(people: People, member: Member) -> list[str]:
    return [entry.action for entry in await audit_log.entries(people.postgres, member.tenant)]


async def test_whoever_signs_up_owns_a_tenant(people: People) -> None:
    """A person, a tenant and the owner's membership are made together; the address is known whatever its case."""
    name = secrets.token_hex(8)
    made = await people.owner(f" {name}@EXAMPLE.org ")
    assert (made.role, made.person.email) == (OWNER, f"{name}@example.org")
    assert await find_person(people.postgres, people.passwords, f"{name.upper()}@example.ORG", PASSWORD) == [made]
    assert await members_of(people.postgres, made.tenant) == [made]
    assert await actions(people, made) == ["tenant.made"]
    assert parse_person_name(person_name(made.person.id)) == made.person.id


async def test_a_sign_up_with_a_known_address_makes_nothing(people: People) -> None:
    """None comes back, after one hash as always; no row has been added, and the password is what it was."""
    known = await people.owner()
    before, hashed = await rows_of(people), people.passwords.counts.hashed
    again = await sign_up(
        people.postgres,
        people.passwords,
        email=known.person.email.upper(),
        name="Eve",
        password="another one entirely",
        organisation="Eve & Co",
    )
    assert again is None
    assert await rows_of(people) == before
    assert people.passwords.counts.hashed == hashed + 1
    assert await find_person(people.postgres, people.passwords, known.person.email, "another one entirely") == []
    assert await find_person(people.postgres, people.passwords, known.person.email, PASSWORD) == [known]


async def test_of_two_who_sign_up_with_one_address_at_once_one_does(people: People) -> None:
    """The other is told what whoever came later is told."""
    email = new_email()
    one, other = await asyncio.gather(
        *(
            sign_up(people.postgres, people.passwords, email=email, name=name, password=PASSWORD, organisation=name)
            for name in ("Ann", "Eve")
        )
    )
    assert (one is None) != (other is None)
    assert len(await find_person(people.postgres, people.passwords, email, PASSWORD)) == 1


@pytest.mark.parametrize("typed", [None, "", "nobody", "no\x00body@example.org", "a@b@c", "\ud800@example.org"])
async def test_an_unknown_address_costs_a_hash_like_a_known_one(
    people: People, monkeypatch: pytest.MonkeyPatch, typed: str | None
) -> None:
    """Whether somebody has the address, or it is none at all: one verification of a hash of the same work, and no answer."""
    compared: list[str] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, hash_: str, password: bytes) -> bool:
        compared.append(hash_)
        return verify(self, hash_, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    known = await people.owner()
    assert await find_person(people.postgres, people.passwords, known.person.email, "a wrong password") == []
    assert await find_person(people.postgres, people.passwords, new_email() if typed is None else typed, "x") == []
    assert len(compared) == 2
    assert compared[0].split("$")[:4] == compared[1].split("$")[:4]


async def test_nobody_is_without_a_membership(people: People) -> None:
    """Whoever has been taken out of the last tenant signs in to nothing, with the right password too."""
    owner = await people.owner()
    member = await people.joined(owner, VIEWER)
    await remove_member(people.postgres, owner, member.person.id)
    assert await find_person(people.postgres, people.passwords, member.person.email, PASSWORD) == []
    assert await memberships_of(people.postgres, member.person) == []


async def test_passwords_stand_nowhere_in_the_database(people: People) -> None:
    """A slow hash does, of argon2id with 19 MiB and two passes."""
    known = await people.owner()
    assert PASSWORD not in await people.everything()
    ((kept,),) = await people.ask("SELECT password_hash FROM people WHERE person_id = :person", person=known.person.id)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_hash_of_other_work_is_made_anew_at_the_next_sign_in(people: People) -> None:
    """Nobody has to choose another password when hashing comes to cost more; a wrong password changes nothing."""
    known = await people.owner()
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await people.ask(
        "UPDATE people SET password_hash = :hash WHERE person_id = :person", hash=weak, person=known.person.id
    )
    kept = "SELECT password_hash FROM people WHERE person_id = :person"
    assert await find_person(people.postgres, people.passwords, known.person.email, "a wrong one") == []
    assert (await people.ask(kept, person=known.person.id))[0][0] == weak
    assert await find_person(people.postgres, people.passwords, known.person.email, PASSWORD) == [known]
    assert "m=19456" in (await people.ask(kept, person=known.person.id))[0][0]
    assert await find_person(people.postgres, people.passwords, known.person.email, PASSWORD) == [known]


async def test_hashing_has_a_bound_on_who_waits(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it whoever comes is asked to come back, and once the threads are free again everybody is served."""
    monkeypatch.setattr(slow, "MAX_WAITING", 1)
    passwords = Passwords()
    let_go = threading.Event()
    known = await passwords.hash(PASSWORD)
    monkeypatch.setattr(PasswordHasher, "verify", lambda *_: let_go.wait(10))
    waiting = [asyncio.create_task(passwords.verify(known, PASSWORD)) for _ in range(slow.AT_ONCE + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await passwords.verify(known, PASSWORD)
    assert refused.value.retry_after_s
    # Whoever gives up leaves the work behind, and its place with it.
    waiting[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await passwords.verify(known, PASSWORD)
    let_go.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await passwords.verify(known, PASSWORD)
    assert passwords.counts.turned_away == 2
    passwords.close()


@pytest.mark.parametrize("text", ["", "7 chars", "x" * 129, "Password123", "12345678", "roomlog1"])
async def test_some_passwords_nobody_may_choose(text: str) -> None:
    """Under 8 characters, over 128, or what everybody tries first, whatever its case; anything else is the person's matter."""
    with pytest.raises(BadPassword, match=r"^[A-Z].*\.$"):
        check_password(text)


@pytest.mark.parametrize("text", ["8 chars!", "x" * 128, "ąćęłńóśź", "        ", "\ud800 is half a one"])
async def test_a_password_counts_as_it_was_typed(people: People, text: str) -> None:
    """Nothing is trimmed, composed or cut off: one character less is another password."""
    check_password(text)
    hashed = await people.passwords.hash(text)
    assert await people.passwords.verify(hashed, text)
    for other in (text[:-1], text + " ", text.upper() + "x"):
        assert not await people.passwords.verify(hashed, other)
    assert not await people.passwords.verify("no hash", text)


@pytest.mark.parametrize(
    "typed", ["", "a@", "@b", "ab", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", "a\x00@b", "\ud800@b", "x" * 250 + "@abcd"]
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    """3 to 254 characters, one @ with something on either side, and nothing that a mail's head could be bent with."""
    with pytest.raises(BadEmail):
        check_email(typed)
    assert check_email("A@b") == "a@b"
    assert len(check_email("x" * 249 + "@abcd")) == 254


@pytest.mark.parametrize("typed", ["", "   ", "x" * 101, "a\nb", "a\x00", "\ud800"])
def test_what_is_no_name_is_refused(typed: str) -> None:
    """1 to 100 characters on one line."""
    with pytest.raises(BadName):
        check_name(typed)
    assert check_name(" " + "x" * 100 + " ") == "x" * 100
    assert check_name("Ż 👩‍👩‍👧 ") == "Ż 👩‍👩‍👧"


async def test_another_password_needs_the_one_before_it(people: People) -> None:
    """Without it nothing changes; with it the old one opens nothing any more."""
    known = await people.owner()
    change = (people.postgres, people.passwords, known.person.id)
    assert not await change_password(*change, "a wrong password", "the next one, please")
    with pytest.raises(BadPassword):
        await change_password(*change, PASSWORD, "short")
    assert not await change_password(people.postgres, people.passwords, new_person_id(), PASSWORD, "the next one")
    assert await is_password_of(people.postgres, people.passwords, known.person.id, PASSWORD)
    assert await change_password(*change, PASSWORD, "the next one, please")
    assert not await is_password_of(people.postgres, people.passwords, known.person.id, PASSWORD)
    assert await find_person(people.postgres, people.passwords, known.person.email, "the next one, please") == [known]
    assert await actions(people, known) == ["password.changed", "tenant.made"]


async def test_of_two_changes_of_a_password_at_once_one_is_made(people: People) -> None:
    """Both have shown the old one; the second to come finds that it is none any more."""
    known = await people.owner()
    news = ["one of the next", "another of the next"]
    changed = await asyncio.gather(
        *(change_password(people.postgres, people.passwords, known.person.id, PASSWORD, new) for new in news)
    )
    assert sorted(changed) == [False, True]
    right = news[changed.index(True)]
    assert await is_password_of(people.postgres, people.passwords, known.person.id, right)


MAY = {
    OWNER: {OWNER, ADMIN, DEVELOPER, VIEWER},
    ADMIN: {ADMIN, DEVELOPER, VIEWER},
    DEVELOPER: set[PersonRole](),
    VIEWER: set[PersonRole](),
}


@pytest.mark.parametrize("role", list(PersonRole))
async def test_each_role_sees_to_the_roles_below_its_own(people: People, role: PersonRole) -> None:
    """Owners to all, admins to all but owners, others to none: to what a member is, is to be, and to whether it is one."""
    owner = await people.owner()
    by = await people.joined(owner, role)
    for before in PersonRole:
        for after in PersonRole:
            member = await people.joined(owner, before)
            if {before, after} <= MAY[role]:
                changed = await change_role(people.postgres, by, member.person.id, after)
                assert changed == Member(member.person, member.tenant, after, member.since)
            else:
                with pytest.raises(NotPermitted):
                    await change_role(people.postgres, by, member.person.id, after)
        member = await people.joined(owner, before)
        if before in MAY[role]:
            await remove_member(people.postgres, by, member.person.id)
        else:
            with pytest.raises(NotPermitted):
                await remove_member(people.postgres, by, member.person.id)
    assert [other for other in PersonRole if role.includes(other)] == list(PersonRole)[list(PersonRole).index(role) :]


async def test_a_role_is_what_the_database_says_it_is(people: People) -> None:
    """An owner who has been made a viewer since changes nobody, whatever a page in some browser still holds."""
    owner = await people.owner()
    other = await people.joined(owner, OWNER)
    await change_role(people.postgres, owner, other.person.id, VIEWER)
    assert other.role is OWNER
    with pytest.raises(NotPermitted):
        await change_role(people.postgres, other, owner.person.id, VIEWER)
    await remove_member(people.postgres, owner, other.person.id)
    with pytest.raises(NotPermitted):
        await remove_member(people.postgres, other, owner.person.id)


async def test_members_of_another_tenant_are_nobody(people: People) -> None:
    """An owner finds there neither who is a member elsewhere nor who is none: both are not found."""
    owner, elsewhere = await people.owner(), await people.owner()
    for stranger in (elsewhere.person.id, new_person_id()):
        with pytest.raises(NotFound):
            await change_role(people.postgres, owner, stranger, VIEWER)
        with pytest.raises(NotFound):
            await remove_member(people.postgres, owner, stranger)
    forged = Member(owner.person, elsewhere.tenant, OWNER, owner.since)
    with pytest.raises(NotPermitted):
        await remove_member(people.postgres, forged, elsewhere.person.id)
    assert await members_of(people.postgres, elsewhere.tenant) == [elsewhere]


async def test_the_last_owner_stays(people: People) -> None:
    """The last owner can be neither demoted nor removed, by itself either; once there is another one, it can."""
    owner = await people.owner()
    with pytest.raises(LastOwner):
        await change_role(people.postgres, owner, owner.person.id, ADMIN)
    with pytest.raises(LastOwner):
        await remove_member(people.postgres, owner, owner.person.id)
    assert (await change_role(people.postgres, owner, owner.person.id, OWNER)).role is OWNER
    other = await people.joined(owner, OWNER)
    await remove_member(people.postgres, owner, owner.person.id)
    with pytest.raises(LastOwner):
        await remove_member(people.postgres, other, other.person.id)
    assert await members_of(people.postgres, other.tenant) == [other]


@pytest.mark.parametrize("leaves", [True, False])
async def test_two_owners_who_unmake_each_other_at_once_leave_one(people: People, *, leaves: bool) -> None:
    """Both have read that there are two owners before either has written: the second waits, and is refused."""
    owner = await people.owner()
    other = await people.joined(owner, OWNER)
    # Whoever comes first waits for this, and holds up the second: both have begun before either is done.
    async with people.postgres.people([owner.tenant]) as holding:
        await holding.execute(
            sql("SELECT 1 FROM memberships WHERE tenant_id = :tenant FOR UPDATE"), {"tenant": owner.tenant}
        )
        pairs = ((owner, owner), (other, other)) if leaves else ((owner, other), (other, owner))
        async with Postgres.open(people.database_url) as second:
            doing = [
                asyncio.create_task(change_role(door, by, of.person.id, VIEWER))
                for door, (by, of) in zip((second, second), pairs, strict=True)
            ]
            await until_two_wait(people)
            await holding.commit()
            done = await asyncio.gather(*doing, return_exceptions=True)
    refused = [result for result in done if isinstance(result, BaseException)]
    assert [type(error) for error in refused] == [LastOwner if leaves else NotPermitted]
    roles = [member.role for member in await members_of(people.postgres, owner.tenant)]
    assert sorted(roles) == [OWNER, VIEWER]


async def test_each_deed_leaves_one_entry_and_what_was_refused_leaves_none(people: People) -> None:
    """Who, what, to whom, from where, before and after: written by the transaction of the deed itself."""
    owner = await people.owner()
    member = await people.joined(owner, VIEWER)
    await change_role(people.postgres, owner, member.person.id, ADMIN, address="203.0.113.7")
    with pytest.raises(LastOwner):
        await change_role(people.postgres, owner, owner.person.id, ADMIN)
    await remove_member(people.postgres, owner, member.person.id, address="203.0.113.7")
    removed, changed, joined, *_ = await audit_log.entries(people.postgres, owner.tenant)
    assert await actions(people, owner) == [
        "member.removed",
        "member.role_changed",
        "member.joined",
        "member.invited",
        "tenant.made",
    ]
    assert (changed.person, changed.email) == (owner.person.id, owner.person.email)
    assert (changed.target, changed.address) == (person_name(member.person.id), "203.0.113.7")
    assert changed.detail == {"before": "viewer", "after": "admin"}
    assert removed.detail == {"email": member.person.email, "role": "admin"}
    assert joined.email == member.person.email


async def test_a_refused_sign_in_is_noted_where_the_person_is_a_member(people: People) -> None:
    """In each of the person's tenants, by nobody; for an address that nobody has there is nowhere to note it."""
    owner, elsewhere = await people.owner(), await people.owner()
    await people.joined(elsewhere, VIEWER, owner.person.email)
    before = await rows_of(people)
    await note_refused_sign_in(people.postgres, new_email(), "203.0.113.7")
    await note_refused_sign_in(people.postgres, "\x00", "203.0.113.7")
    assert await rows_of(people) == before
    await note_refused_sign_in(people.postgres, owner.person.email.upper(), "203.0.113.7")
    for member in (owner, elsewhere):
        newest, *_ = await audit_log.entries(people.postgres, member.tenant)
        assert (newest.person, newest.email, newest.action) == (None, "", "sign_in.refused")
        assert newest.target == person_name(owner.person.id)


async def test_the_audit_log_is_read_backwards_in_pages(people: People) -> None:
    """Newest first, each entry once, of this tenant alone; what is too long is cut off or left out, and noted still."""
    owner, elsewhere = await people.owner(), await people.owner()
    for number in range(5):
        await audit_log.note(people.postgres, owner.tenant, owner.person, "key.made", str(number), "")
        await audit_log.note(people.postgres, elsewhere.tenant, elsewhere.person, "key.made", "other", "")
    async with people.postgres.tenancy(owner.tenant) as connection:
        long = {"words": "x" * 5_000}
        await audit_log.note(connection, owner.tenant, None, "key.made", "y" * 301 + "\x00\ud800", "", long)
    seen: list[audit_log.Entry] = []
    while page := await audit_log.entries(people.postgres, owner.tenant, seen[-1].id if seen else None, 3):
        assert len(page) <= 3
        seen += page
    assert [entry.target for entry in seen] == ["y" * 300, "4", "3", "2", "1", "0", "Ann & Co"]
    assert seen[0].detail == {"left_out": True}
    assert await audit_log.entries(people.postgres, new_tenant_id()) == []


async def test_a_person_has_another_name(people: People) -> None:
    """It shows wherever the person does; nobody cannot be renamed."""
    owner = await people.owner()
    await rename_person(people.postgres, owner.person.id, " Anna ")
    assert (await members_of(people.postgres, owner.tenant))[0].person.name == "Anna"
    with pytest.raises(NotFound):
        await rename_person(people.postgres, new_person_id(), "Anna")


async def confirmed(people: People, member: Member, moment_s: float = NOON_S) -> bytes:
    secret = await second_factors.begin(people.postgres, KEYS, member.person.id)
    code = code_at(secret, step_at(moment_s))
    assert await second_factors.confirm(people.postgres, KEYS, member.person, code, moment_s=moment_s)
    return secret


async def test_a_second_factor_counts_once_a_code_of_it_has_come_back(people: People) -> None:
    """Before that it can be drawn anew and lets nobody in; after that there is no other until it is removed."""
    owner = await people.owner()
    doors = (people.postgres, KEYS)
    first = await second_factors.begin(*doors, owner.person.id)
    assert await second_factors.find(people.postgres, owner.person.id) is None
    assert not await second_factors.check(*doors, owner.person, code_at(first, step_at(NOON_S)), moment_s=NOON_S)
    secret = await second_factors.begin(*doors, owner.person.id)
    first_code = code_at(first, step_at(NOON_S))
    assert not await second_factors.confirm(*doors, owner.person, first_code, moment_s=NOON_S)
    stay = await sessions.begin(people.postgres, owner, address="", agent="")
    go = await sessions.begin(people.postgres, owner, address="", agent="")
    code = code_at(secret, step_at(NOON_S))
    assert await second_factors.confirm(*doors, owner.person, f"{code[:3]} {code[3:]}", but=stay, moment_s=NOON_S)
    assert await second_factors.find(people.postgres, owner.person.id) is not None
    assert await sessions.of(people.postgres, stay) is not None
    assert await sessions.of(people.postgres, go) is None
    with pytest.raises(second_factors.AlreadyOn):
        await second_factors.begin(*doors, owner.person.id)
    with pytest.raises(second_factors.AlreadyOn):
        await second_factors.confirm(*doors, owner.person, code, moment_s=NOON_S)
    for _ in range(2):
        await second_factors.remove(people.postgres, owner.person, by=owner.person)
    assert await second_factors.find(people.postgres, owner.person.id) is None
    assert await actions(people, owner) == ["second_factor.removed", "second_factor.added", "tenant.made"]


async def test_a_code_is_taken_once(people: People) -> None:
    """Not again by whoever read it over a shoulder, not that which confirmed, and by one of two who come at once."""
    owner = await people.owner()
    secret = await confirmed(people, owner)
    person = owner.person.id

    async def check(steps_later: int) -> bool:
        moment_s = NOON_S + steps_later * STEP_S
        code = code_at(secret, step_at(moment_s))
        return await second_factors.check(people.postgres, KEYS, owner.person, code, moment_s=moment_s)

    assert [await check(later) for later in (0, 1, 1, 0, 2)] == [False, True, False, False, True]
    async with Postgres.open(people.database_url) as second:
        async with second.people() as holding:
            await holding.execute(sql("SELECT 1 FROM people WHERE person_id = :person FOR UPDATE"), {"person": person})
            checks = [asyncio.create_task(check(5)) for _ in range(2)]
            await until_two_wait(people)
        assert sorted(await asyncio.gather(*checks)) == [False, True]
    other = await people.owner()
    assert not await second_factors.check(people.postgres, KEYS, other.person, code_at(secret, 7))


async def test_the_secret_of_a_second_factor_is_its_person_s(people: People) -> None:
    """It is sealed, opens in no other person's row, and goes under the newest master key without a change."""
    owner, other = await people.owner(), await people.owner()
    secret = await confirmed(people, owner)
    await confirmed(people, other)
    columns = "totp_sealed, totp_key, totp_master"
    everything = await people.everything()
    assert secret.hex() not in everything
    copy = f"""
        UPDATE people SET ({columns}) = (SELECT {columns} FROM people WHERE person_id = :owner) WHERE person_id = :other
    """
    await people.ask(copy, owner=owner.person.id, other=other.person.id)
    with pytest.raises(CannotOpen):
        await second_factors.check(people.postgres, KEYS, other.person, "000000")
    await second_factors.remove(people.postgres, other.person, by=other.person)
    # Those of people whom other tests have left here are under keys of theirs.
    forget = "UPDATE people SET totp_sealed = NULL, totp_key = NULL, totp_master = NULL, totp_since = NULL"
    await people.ask(f"{forget} WHERE person_id <> :owner", owner=owner.person.id)
    both, new = MasterKeys({"2": b"n" * 32, "1": bytes(32)}), MasterKeys({"2": b"n" * 32})
    while await second_factors.reseal(people.postgres, both):
        pass
    moment_s = NOON_S + STEP_S
    code = code_at(secret, step_at(moment_s))
    assert await second_factors.check(people.postgres, new, owner.person, code, moment_s=moment_s)
    await second_factors.remove(people.postgres, owner.person, by=owner.person)


async def test_a_recovery_code_takes_the_place_of_a_code_once(people: People) -> None:
    """However it is typed; ten come with the secret, no other is left behind by another person's, and each use is noted."""
    owner, other = await people.owner(), await people.owner()
    secret = await second_factors.begin(people.postgres, KEYS, owner.person.id)
    code = code_at(secret, step_at(NOON_S))
    codes = await second_factors.confirm(people.postgres, KEYS, owner.person, code, moment_s=NOON_S)
    assert len(set(codes)) == 10
    await confirmed(people, other)

    async def check(typed: str, member: Member = owner) -> bool:
        return await second_factors.check(people.postgres, KEYS, member.person, typed, moment_s=NOON_S)

    assert not await check(codes[0], other)
    assert [await check(codes[0].lower().replace("-", " ")), await check(codes[0])] == [True, False]
    assert [await check(code) for code in (codes[1], "", codes[2][:-1], codes[2] + "A", "-")] == [True, *[False] * 4]
    found = await second_factors.find(people.postgres, owner.person.id)
    assert found is not None
    assert found.recovery_codes == 8
    assert (await actions(people, owner))[:6] == [*["code.refused"] * 4, "recovery_code.used", "code.refused"]
    everything = await people.everything()
    for kept in (codes[5], codes[5].replace("-", "")):
        assert kept not in everything


async def test_a_recovery_code_is_taken_by_one_of_two_who_bring_it_at_once(people: People) -> None:
    """The second waits for the first, and then it is none any more."""
    owner = await people.owner()
    await confirmed(people, owner)
    codes = await second_factors.renew_recovery_codes(people.postgres, owner.person)
    async with Postgres.open(people.database_url) as second:
        async with second.people() as holding:
            held = {"person": owner.person.id}
            await holding.execute(sql("SELECT 1 FROM people WHERE person_id = :person FOR UPDATE"), held)
            check = [
                asyncio.create_task(second_factors.check(people.postgres, KEYS, owner.person, codes[0]))
                for _ in range(2)
            ]
            await until_two_wait(people)
        assert sorted(await asyncio.gather(*check)) == [False, True]


async def test_other_recovery_codes_take_the_place_of_those_before_them(people: People) -> None:
    """They go with the second factor, and nobody has any without one."""
    owner = await people.owner()
    with pytest.raises(NotFound):
        await second_factors.renew_recovery_codes(people.postgres, owner.person)
    await confirmed(people, owner)
    old = await second_factors.renew_recovery_codes(people.postgres, owner.person)
    new = await second_factors.renew_recovery_codes(people.postgres, owner.person)
    checks = [await second_factors.check(people.postgres, KEYS, owner.person, code) for code in (old[0], new[0])]
    assert checks == [False, True]
    assert await second_factors.remove(people.postgres, owner.person, by=None, address="operator")
    newest, *_ = await audit_log.entries(people.postgres, owner.tenant)
    assert (newest.action, newest.person, newest.address) == ("second_factor.removed", None, "operator")
    kept = "SELECT totp_sealed, recovery_hashes FROM people WHERE person_id = :person"
    assert [tuple(row) for row in await people.ask(kept, person=owner.person.id)] == [(None, [])]
    await confirmed(people, owner)
    assert not await second_factors.check(people.postgres, KEYS, owner.person, new[1])


async def test_a_stamp_holds_until_a_code_is_taken_or_the_password_changes(people: People) -> None:
    """A right code beside one that has passed is refused, and not taken: with the stamp of the moment it is."""
    owner = await people.owner()
    secret = await confirmed(people, owner)

    async def stamp() -> str:
        found = await second_factors.find(people.postgres, owner.person.id)
        assert found is not None
        return found.stamp

    async def check(steps_later: int, given: str) -> bool:
        moment_s = NOON_S + steps_later * STEP_S
        code = code_at(secret, step_at(moment_s))
        check = (people.postgres, KEYS, owner.person, code)
        return await second_factors.check(*check, stamp=given, moment_s=moment_s)

    first = await stamp()
    assert [await check(1, first), await check(2, first), await check(2, await stamp())] == [True, False, True]
    before = await stamp()
    assert before == await stamp()
    assert await change_password(people.postgres, people.passwords, owner.person.id, PASSWORD, "the next one, please")
    assert not await check(3, before)
    before = await stamp()
    await second_factors.renew_recovery_codes(people.postgres, owner.person)
    assert not await check(3, before)
    assert await check(3, await stamp())


async def test_a_person_s_tenants_go_by_their_names(people: People) -> None:
    """All of the person's and no others, in the order of their names."""
    owner, elsewhere, _ = [await people.owner() for _ in range(3)]
    await people.ask("UPDATE tenants SET name = 'Aa' WHERE tenant_id = :tenant", tenant=elsewhere.tenant)
    await people.joined(elsewhere, VIEWER, owner.person.email)
    found = await organisations_of(people.postgres, owner.person.id)
    assert list(found.items()) == [(elsewhere.tenant, "Aa"), (owner.tenant, "Ann & Co")]
