"""Read cursors: one's own, forward only."""

import asyncio

import pytest

from tests.support.world import World

PATH = "/v1/rooms/r/read"


async def test_a_read_cursor_begins_at_0_and_is_one_s_own(world: World) -> None:
    """Each member's stands where that member put it; a server asks and moves in a member's name."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    assert (await app.ask("GET", PATH, user="ann")).json() == {"seq": 0}
    assert (await app.ask("PUT", PATH, {"seq": 2}, acting="ann")).json() == {"seq": 2}
    assert (await app.ask("GET", PATH, user="ann")).json() == {"seq": 2}
    assert (await app.ask("GET", PATH, acting="bob")).json() == {"seq": 0}


async def test_moves_at_once_leave_the_furthest(world: World) -> None:
    """Whatever their order of arrival, the cursor stands at the highest seq, and no event was written."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    said = [(await app.say("r", "x", "ann"))["seq"] for _ in range(5)]
    await asyncio.gather(*(app.ask("PUT", PATH, {"seq": seq}, user="bob") for seq in said))
    assert (await app.ask("GET", PATH, user="bob")).json() == {"seq": said[-1]}
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == said[-1]


async def test_who_comes_back_begins_anew(world: World) -> None:
    """Leaving forgets the cursor with the membership."""
    app = world.app
    await app.room("r", ("ann",))
    await app.ask("PUT", PATH, {"seq": 2}, user="ann")
    await app.ask("POST", "/v1/rooms/r/leave", user="ann")
    assert (await app.ask("GET", PATH, user="ann")).json()["code"] == "not_a_member"
    await app.ask("POST", "/v1/rooms/r/join", user="ann")
    assert (await app.ask("GET", PATH, user="ann")).json() == {"seq": 0}


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_members_have_one(world: World, method: str) -> None:
    """A reader is told to join, a stranger to a private room that it is not there, a server to name a user."""
    app = world.app
    await app.room("r", ("ann",))
    await app.room("p", ("ann",), private=True)
    body = {"seq": 1} if method == "PUT" else None
    for path, user, status, code in (
        (PATH, "eve", 403, "not_a_member"),
        ("/v1/rooms/p/read", "eve", 404, "room_not_found"),
        ("/v1/rooms/none/read", "eve", 404, "room_not_found"),
        (PATH, None, 400, "user_required"),
    ):
        answer = await app.ask(method, path, body, user=user)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("seq", [-1, 2**63, 1.5, "1", None])
async def test_a_read_cursor_is_a_seq(world: World, seq: object) -> None:
    """Anything else is a bad request that points at it."""
    await world.app.room("r", ("ann",))
    answer = await world.app.ask("PUT", PATH, {"seq": seq}, user="ann")
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (400, "bad_request", "/seq")
