"""The directory: right about rooms that were deleted and made anew behind its back, and bounded."""

from collections.abc import AsyncIterator

import pytest

from api.errors import RoomNotFound
from api.ids import RoomId
from api.rooms import directory
from api.rooms.actions import delete_room
from tests.support.inside import Inside, inside

R = RoomId("r")


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """One process."""
    async with inside(environment) as opened:
        yield opened


async def delete(at: Inside, room: str) -> None:
    await delete_room(at.wiring.postgres, at.wiring.lanes, at.wiring.pepper, at.server, RoomId(room), f"delete {room}")


async def test_a_room_made_anew_elsewhere_is_found_by_the_next_send(here: Inside, environment: dict[str, str]) -> None:
    """The old number is remembered here, the room was deleted and remade by another process: the message goes to the new."""
    old = await here.room("r", "ann")
    assert (await here.say("r", "to the old", "ann")).event.room == old
    async with inside(environment, here.scope) as there:
        await delete(there, "r")
        new = await there.room("r", "ann")
    written = await here.say("r", "to the new", "ann")
    assert new != old
    assert (written.event.room, written.event.number) == (new, 1)
    assert await here.wiring.directory.number(here.scope, R) == new


async def test_a_deleted_room_is_forgotten(here: Inside) -> None:
    """A send to it is refused, and nothing of it is remembered."""
    await here.room("r", "ann")
    await here.say("r", "x", "ann")
    await delete(here, "r")
    with pytest.raises(RoomNotFound):
        await here.say("r", "y", "ann")
    with pytest.raises(RoomNotFound):
        await here.wiring.directory.number(here.scope, R)


async def test_a_repetition_is_answered_by_the_room_that_it_was_written_to(here: Inside) -> None:
    """After a deletion, the retry of a send in the same process gives its first answer."""
    await here.room("r", "ann")
    first = await here.say("r", "x", "ann", key="k")
    await delete(here, "r")
    again = await here.say("r", "x", "ann", key="k")
    assert (again.replayed, again.event.place) == (True, first.event.place)


async def test_what_is_remembered_is_bounded(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the room asked for longest ago goes; it is looked up again when it is asked for."""
    monkeypatch.setattr(directory, "MAX_REMEMBERED", 2)
    numbers = {name: await here.room(name, "ann") for name in ("a", "b", "c")}
    kept = directory.Directory(here.wiring.postgres, here.wiring.lanes)
    for name in ("a", "b", "a", "c"):
        assert await kept.number(here.scope, RoomId(name)) == numbers[name]
    await delete(here, "a")
    await delete(here, "b")
    assert await kept.number(here.scope, RoomId("a")) == numbers["a"], "asked for lately: still remembered"
    with pytest.raises(RoomNotFound):
        await kept.number(here.scope, RoomId("b"))
