"""Sessions: what they are good for, and all that ends one."""

from collections.abc import AsyncIterator

import pytest

from api.embedded import Servers
from tenants import mails, sessions
from tenants.passwords import Passwords
from tenants.people import Member, PersonRole, change_password, change_role, find_person, remove_member, session_hash
from tenants.postgres import Postgres
from tests.support.people import KEYS, PASSWORD, People

HOUR_S = 3_600
OLDER = """
UPDATE sessions SET used_at = used_at - make_interval(secs => :idle), created_at = created_at - make_interval(secs => :age),
       ends_at = ends_at - make_interval(secs => :age) WHERE session_hash = :hash
"""
USED_AT = "SELECT used_at FROM sessions WHERE session_hash = :hash"


@pytest.fixture
async def people(stores: Servers, postgres: Postgres) -> AsyncIterator[People]:
    passwords = Passwords()
    yield People(postgres, passwords, stores.database_url)
    passwords.close()


async def begin(people: People, member: Member, agent: str = "a browser") -> str:
    return await sessions.begin(people.postgres, member, address="203.0.113.7", agent=agent)


async def age(people: People, text: str, *, idle_s: float = 0, age_s: float = 0) -> None:
    await people.ask(OLDER, idle=idle_s, age=age_s, hash=session_hash(text))


async def holds(people: People, text: str) -> bool:
    return await sessions.of(people.postgres, text) is not None


async def test_a_session_says_who_it_is_and_where(people: People) -> None:
    """Person, tenant, role: as they are now; its text is 256 random bits, another one each time."""
    owner = await people.owner()
    text = await begin(people, owner)
    session = await sessions.of(people.postgres, text)
    assert session is not None
    assert (session.person, session.tenant, session.role) == (owner.person, owner.tenant, owner.role)
    assert session.tenant_name == "Ann & Co"
    assert len(text) == 43
    assert await begin(people, owner) != text


@pytest.mark.parametrize("text", ["", "x", "x" * 43, "\x00", "\ud800", "é" * 10_000])
async def test_what_is_no_session_is_none(people: People, text: str) -> None:
    """Whatever comes is looked up by its hash, and nothing is found; ending it does no harm."""
    assert await sessions.of(people.postgres, text) is None
    assert await sessions.turn(people.postgres, text) is None
    await sessions.prove(people.postgres, text)
    await sessions.end(people.postgres, text)


async def test_the_text_of_a_session_stands_nowhere_in_the_database(people: People) -> None:
    """Only a hash does, which opens nothing."""
    text = await begin(people, await people.owner())
    everything = await people.everything()
    digest = session_hash(text)
    assert digest.hex() in everything
    assert text not in everything
    assert text.encode().hex() not in everything
    for other in (digest.hex(), str(digest), digest.decode("latin-1")):
        assert not await holds(people, other)


async def test_a_session_ends_12_hours_after_its_last_use(people: People) -> None:
    """Each use puts that off; what has ended is not brought back by asking for it."""
    text = await begin(people, await people.owner())
    for _ in range(3):
        await age(people, text, idle_s=12 * HOUR_S - 60)
        assert await holds(people, text)
    await age(people, text, idle_s=12 * HOUR_S + 1)
    for _ in range(2):
        assert not await holds(people, text)


async def test_a_session_ends_14_days_after_it_began(people: People) -> None:
    """However much it is used."""
    text = await begin(people, await people.owner())
    await age(people, text, age_s=14 * 24 * HOUR_S - 60)
    assert await holds(people, text)
    await age(people, text, age_s=61)
    assert not await holds(people, text)


async def test_the_last_use_is_written_down_once_a_minute(people: People) -> None:
    """Most requests write nothing."""
    text = await begin(people, await people.owner())
    used = await people.ask(USED_AT, hash=session_hash(text))
    assert await holds(people, text)
    assert await people.ask(USED_AT, hash=session_hash(text)) == used
    await age(people, text, idle_s=61)
    assert await holds(people, text)
    assert await people.ask(USED_AT, hash=session_hash(text)) > used


async def test_a_session_ends_with_a_sign_out_and_the_others_stay(people: People) -> None:
    """One browser's sign-out is no other's."""
    owner = await people.owner()
    go, stay = await begin(people, owner), await begin(people, owner)
    await sessions.end(people.postgres, go)
    assert not await holds(people, go)
    assert await holds(people, stay)


async def test_another_password_ends_all_other_sessions(people: People) -> None:
    """In every tenant of the person; the one in which it was chosen stays, and other people's. A wrong old one ends none."""
    owner, other = await people.owner(), await people.owner()
    await people.joined(other, PersonRole.VIEWER, owner.person.email)
    here, elsewhere = await find_person(people.postgres, people.passwords, owner.person.email, PASSWORD)
    stay, *go = [await begin(people, member) for member in (here, here, elsewhere)]
    others = await begin(people, other)
    change = (people.postgres, people.passwords, owner.person.id)
    assert not await change_password(*change, "a wrong password", "the next one, please", but=stay)
    assert [await holds(people, text) for text in (stay, *go, others)] == [True] * 4
    assert await change_password(*change, PASSWORD, "the next one, please", but=stay)
    assert [await holds(people, text) for text in (stay, *go, others)] == [True, False, False, True]


async def test_the_end_of_a_membership_ends_its_sessions(people: People) -> None:
    """At once, and for good: who becomes a member again signs in again. Those in other tenants stay."""
    owner, other = await people.owner(), await people.owner()
    member = await people.joined(owner, PersonRole.VIEWER, other.person.email)
    text, elsewhere = await begin(people, member), await begin(people, other)
    await remove_member(people.postgres, owner, member.person.id)
    assert not await holds(people, text)
    assert await holds(people, elsewhere)
    token = await mails.invite(people.postgres, owner, other.person.email, PersonRole.VIEWER)
    assert await mails.accept_invite(people.postgres, people.passwords, KEYS, token, "", PASSWORD) is not None
    assert not await holds(people, text)


async def test_a_session_s_role_is_the_membership_s_of_the_moment(people: People) -> None:
    """A change holds in an open session at once, with no second sign-in."""
    owner = await people.owner()
    member = await people.joined(owner, PersonRole.VIEWER)
    text = await begin(people, member)
    for role in (PersonRole.ADMIN, PersonRole.DEVELOPER):
        await change_role(people.postgres, owner, member.person.id, role)
        session = await sessions.of(people.postgres, text)
        assert session is not None
        assert session.role is role


async def test_a_deleted_person_has_no_session(people: People) -> None:
    """Whatever is left of the membership."""
    owner = await people.owner()
    text = await begin(people, owner)
    await people.ask("UPDATE people SET deleted_at = now() WHERE person_id = :person", person=owner.person.id)
    assert not await holds(people, text)


async def test_a_session_can_be_given_another_text(people: People) -> None:
    """The text before it holds no longer; it is the same session still, no younger, and a dead one is not brought back."""
    owner = await people.owner()
    text = await begin(people, owner)
    before = await sessions.of(people.postgres, text)
    turned = await sessions.turn(people.postgres, text)
    assert turned is not None
    assert not await holds(people, text)
    assert await sessions.of(people.postgres, turned) == before
    assert await sessions.turn(people.postgres, text) is None
    await age(people, turned, idle_s=13 * HOUR_S)
    assert await sessions.turn(people.postgres, turned) is None


async def test_a_session_knows_when_its_person_last_proved_to_be_the_one(people: People) -> None:
    """At its beginning, and whenever the password or a code is shown once more."""
    text = await begin(people, await people.owner())
    await people.ask(
        "UPDATE sessions SET proved_at = now() - interval '1 hour' WHERE session_hash = :hash", hash=session_hash(text)
    )
    before = await sessions.of(people.postgres, text)
    await sessions.prove(people.postgres, text)
    after = await sessions.of(people.postgres, text)
    assert before is not None
    assert after is not None
    assert 3_590 < after.proved_at - before.proved_at < 3_700


async def test_a_person_sees_and_ends_each_session(people: People) -> None:
    """By an id that opens nothing; those of others, and those that have ended, are neither seen nor ended."""
    owner, other = await people.owner(), await people.owner()
    this, old = await begin(people, owner, "one\x00\ud800" + "x" * 400), await begin(people, owner, "two")
    dead, others = await begin(people, owner), await begin(people, other)
    await age(people, dead, idle_s=13 * HOUR_S)
    await age(people, old, idle_s=HOUR_S)
    shown = await sessions.sessions_of(people.postgres, owner.person.id, this=this)
    assert [(view.is_this, view.agent) for view in shown] == [(True, ("one?" + "x" * 400)[:300]), (False, "two")]
    assert {(view.address, view.tenant_name, view.tenant) for view in shown} == {
        ("203.0.113.7", "Ann & Co", owner.tenant)
    }
    (theirs,) = await sessions.sessions_of(people.postgres, other.person.id)
    for no_id in (theirs.id, "", "x", shown[1].id[:-2]):
        assert not await sessions.end_one(people.postgres, owner.person.id, no_id)
    assert not await holds(people, shown[1].id)
    assert await sessions.end_one(people.postgres, owner.person.id, shown[1].id)
    assert [await holds(people, text) for text in (this, old, others)] == [True, False, True]
    await sessions.end_all(people.postgres, owner.person.id, but=this)
    assert await holds(people, this)
    await sessions.end_all(people.postgres, owner.person.id)
    assert [await holds(people, text) for text in (this, others)] == [False, True]


async def test_dead_sessions_are_swept_and_others_are_not(people: People) -> None:
    """What has ended by itself leaves no row."""
    owner = await people.owner()
    idle, old, stay = [await begin(people, owner) for _ in range(3)]
    await age(people, idle, idle_s=13 * HOUR_S)
    await age(people, old, age_s=15 * 24 * HOUR_S)
    await sessions.sweep(people.postgres)
    left = await people.ask("SELECT session_hash FROM sessions WHERE person_id = :person", person=owner.person.id)
    assert [row[0] for row in left] == [session_hash(stay)]


async def test_a_session_moves_to_another_tenant_as_old_as_it_was(people: People) -> None:
    """Under another text; when it ends and when the password was last shown stay, and where its person is nobody it holds not."""
    owner, other = await people.owner(), await people.owner()
    await people.joined(other, PersonRole.VIEWER, owner.person.email)
    text = await begin(people, owner)
    await age(people, text, age_s=3 * HOUR_S)
    await people.ask("UPDATE sessions SET proved_at = created_at WHERE session_hash = :hash", hash=session_hash(text))
    before = await sessions.of(people.postgres, text)
    assert before is not None
    moved = await sessions.turn(people.postgres, text, other.tenant)
    assert moved is not None
    assert not await holds(people, text)
    after = await sessions.of(people.postgres, moved)
    assert after is not None
    assert (after.tenant, after.role) == (other.tenant, PersonRole.VIEWER)
    assert (after.created_at, after.proved_at) == (before.created_at, before.proved_at)
    ends = "SELECT ends_at - created_at AS lasts FROM sessions WHERE session_hash = :hash"
    assert (await people.ask(ends, hash=session_hash(moved)))[0][0].days == 14
    nowhere = await sessions.turn(people.postgres, moved, (await people.owner()).tenant)
    assert nowhere is not None
    assert not await holds(people, nowhere)
