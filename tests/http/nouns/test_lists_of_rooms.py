"""Lists of rooms: filters, pages, and changes under conditions."""

from typing import Any

import pytest

from tests.support.world import App, World


async def pages(app: App, query: str, after: str | None = None, **asks: Any) -> list[str]:
    found: list[str] = []
    while True:
        place = "" if after is None else f"&after={after}"
        answer = await app.ask("GET", f"/v1/rooms?{query}{place}", **asks)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [room["id"] for room in page["rooms"]]
        if page["next"] is None:
            return found
        after = page["next"]


@pytest.fixture
async def pair(world: World) -> str:
    """Four rooms of ann and bob, of both kinds of privacy, and their 1:1 room, whose id this is."""
    app = world.app
    await app.room("open", ("ann",), name="Alpha")
    await app.room("closed", ("ann", "bob"), private=True, name="Alphabet")
    pair = str((await app.ask("POST", "/v1/rooms", {"direct": ["ann", "bob"]})).json()["id"])
    await app.room("beta", ("bob",), name="Beta")
    await app.room("twin", (), name="Alpha", private=True)
    await app.room("gone", ("ann",), name="Alpha")
    await app.ask("DELETE", "/v1/rooms/gone")
    await world.other.room("theirs", (), name="Alpha")
    return pair


async def test_filters_leave_exactly_what_they_say(world: World, pair: str) -> None:
    """Each alone and together, in pages of any length, for servers and for users."""
    app = world.app
    for limit in (1, 2, 50):
        page = f"limit={limit}"
        assert await pages(app, page) == ["twin", "beta", pair, "closed", "open"]
        assert await pages(app, f"{page}&private=true") == ["twin", pair, "closed"]
        assert await pages(app, f"{page}&private=false") == ["beta", "open"]
        assert await pages(app, f"{page}&direct=true") == [pair]
        assert await pages(app, f"{page}&direct=false") == ["twin", "beta", "closed", "open"]
        assert await pages(app, f"{page}&member=ann") == [pair, "closed", "open"]
        assert await pages(app, f"{page}&member=bob&private=true&direct=false") == ["closed"]
        assert await pages(app, f"{page}&prefix=Alpha") == ["open", "twin", "closed"]
        assert await pages(app, f"{page}&prefix=Alpha&private=true") == ["twin", "closed"]
        assert await pages(app, f"{page}&prefix=Alpha&member=ann") == ["open", "closed"]
        assert await pages(app, f"{page}&prefix=alpha") == []
        assert await pages(app, f"{page}&direct=true", user="bob") == [pair]
        assert await pages(app, f"{page}&prefix=Alpha", user="bob") == ["closed"]
        assert await pages(app, f"{page}&private=false", user="bob") == ["beta"]


async def test_pages_by_name_are_stable_under_writes(world: World, pair: str) -> None:
    """What is made before or behind a page shifts no other one, whatever characters names have."""
    app = world.app
    del pair
    first = (await app.ask("GET", "/v1/rooms?prefix=Al&limit=1")).json()
    await app.room("early", (), name="Al")
    await app.room("late", (), name="Al😀 ü")
    assert await pages(app, "prefix=Al&limit=1", first["next"]) == ["twin", "closed", "late"]
    assert await pages(app, "prefix=Al%F0%9F%98%80") == ["late"]


async def test_what_no_page_has_given_is_refused(world: World) -> None:
    """A place is what `next` said, for the same order."""
    by_number = "r1"
    for query in ("after=nonsense", "prefix=A&after=nonsense", f"prefix=A&after={by_number}", "prefix=", "prefix=%00"):
        answer = await world.app.ask("GET", f"/v1/rooms?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), query


async def test_a_member_s_rooms_are_told_to_servers_of_its_app(world: World, pair: str) -> None:
    """Users ask for their own, and another app's user is nobody."""
    del pair
    assert (await world.app.ask("GET", "/v1/rooms?member=ann", user="bob")).json()["code"] == "forbidden"
    assert (await world.other.ask("GET", "/v1/rooms?member=ann")).json()["code"] == "user_not_found"


async def test_a_room_is_changed_only_in_the_state_that_is_meant(world: World) -> None:
    """An older ETag, or that of a room of this id before it, refuses; messages and members change none."""
    app = world.app
    for _ in range(2):
        made = await app.ask("POST", "/v1/rooms", {"id": "r"})
        tag = made.headers["etag"]
        await app.ask("DELETE", "/v1/rooms/r")
    await app.room("r", ("ann",))
    late = await app.ask("PATCH", "/v1/rooms/r", {"name": "X"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    tag = (await app.ask("GET", "/v1/rooms/r")).headers["etag"]
    await app.say("r", "x", "ann")
    for key, status in (("k", 200), ("k", 200), ("l", 412)):
        changed = await app.ask("PATCH", "/v1/rooms/r", {"name": "N"}, key=key, headers={"If-Match": tag})
        assert changed.status_code == status, changed.text
    assert (await app.ask("PATCH", "/v1/rooms/r", {"name": "M"}, headers={"If-Match": "*"})).status_code == 200
    room = await app.ask("GET", "/v1/rooms/r")
    both = {"name": "O", "expected_seq": 1}
    stale = await app.ask("PATCH", "/v1/rooms/r", both, headers={"If-Match": room.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "seq_conflict")
    assert (await app.ask("GET", "/v1/rooms/r")).json()["name"] == "M"
    assert (await app.ask("PATCH", "/v1/rooms/r", {}, headers={"If-Match": "nonsense"})).status_code == 400
