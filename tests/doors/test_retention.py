"""Retention: what a room no longer keeps is gone for everybody, and nobody misses anything without being told."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from api.errors import MessageNotFound
from api.ids import RoomId, RoomNumber, Seq, write_cursor, write_message_id
from api.log.event import Event
from api.messages.edit import delete
from tests.support.inside import Inside, inside

OLD = text("UPDATE events SET at = at - interval '1 day' WHERE app_id = :app AND room = :room AND seq <= :seq")
RETAIN = text("UPDATE rooms SET retention_s = 3600 WHERE app_id = :app AND room = :room")
LONGEST = text("UPDATE rooms SET retention_s = 9223372036854775807 WHERE app_id = :app AND room = :room")
APP = text("UPDATE apps SET retention_s = 3600 WHERE app_id = :app")
ROWS = "SELECT seq FROM events WHERE app_id = $1 AND room = $2 ORDER BY seq"


async def aged(here: Inside, room: RoomNumber, seq: int, *, by_app: bool = False) -> None:
    """Have everything up to a seq be a day old, and an hour be what is kept."""
    values = {"app": here.scope.app, "room": room}
    async with here.as_owner() as connection:
        await connection.execute(OLD, values | {"seq": seq})
        if by_app:
            await connection.execute(APP, {"app": here.scope.app})
        else:
            await connection.execute(RETAIN, values)


async def purged(here: Inside) -> None:
    while await here.wiring.retention.look():
        pass


async def seqs(here: Inside, room: RoomNumber) -> list[int]:
    return [row["seq"] for row in await here.wiring.postgres.fetch([here.scope.app], ROWS, here.scope.app, room)]


async def talk(here: Inside, room: str, count: int) -> list[Event]:
    return [(await here.say(room, f"{number}", "ann")).event for number in range(count)]


@pytest.mark.parametrize("by_app", [True, False])
async def test_what_is_too_old_goes_and_the_head_stays(here: Inside, *, by_app: bool) -> None:
    """The floor moves to the first event that is young enough, and never past the head."""
    room = await here.room("r", "ann")
    await talk(here, "r", 6)
    await aged(here, room, 5, by_app=by_app)
    await purged(here)
    assert await seqs(here, room) == [6, 7, 8]
    await aged(here, room, 8)
    await purged(here)
    assert await seqs(here, room) == [8]
    assert (await here.say("r", "on", "ann")).event.seq == 9


async def test_a_room_that_keeps_for_longer_than_time_lasts_holds_up_no_other(here: Inside) -> None:
    """The edge takes no such number any more; one that stands already means for ever."""
    longest, other = await here.room("longest", "ann"), await here.room("other", "ann")
    for room in (longest, other):
        await talk(here, "longest" if room == longest else "other", 2)
        await aged(here, room, 3)
    async with here.as_owner() as connection:
        await connection.execute(LONGEST, {"app": here.scope.app, "room": longest})
    await purged(here)
    assert await seqs(here, longest) == [1, 2, 3, 4]
    assert await seqs(here, other) == [4]


async def test_a_cursor_below_the_floor_is_reset_in_one_trip(here: Inside) -> None:
    """It gets the room as it stands, and the reason; a cursor whose event is kept goes on."""
    room = await here.room("r", "ann")
    said = await talk(here, "r", 6)
    await aged(here, room, 5)
    await purged(here)
    async with here.reading() as reading:
        await reading.open("r", write_cursor(said[1].place))
        await reading.until(lambda: reading.of_type("reset"))
        frame = reading.of_type("reset")[0]
        assert (frame["reason"], frame["snapshot"]["floor"]) == ("history_truncated", 6)
        assert [message["seq"] for message in frame["snapshot"]["messages"]] == [6, 7, 8]
    async with here.reading() as reading:
        await reading.open("r", write_cursor(said[3].place))
        await reading.until_seq("r", 8)
        assert reading.places("r") == [7, 8]


async def test_live_rooms_of_every_process_let_go_of_it(here: Inside, environment: dict[str, str]) -> None:
    """Within a second a snapshot on another process holds no more than one that is read anew."""
    room = await here.room("r", "ann")
    await talk(here, "r", 6)
    async with inside(environment, here.scope) as there, there.reading() as reader:
        await reader.open("r")
        await aged(here, room, 5)
        await purged(here)
        live = await there.wiring.keeper.hold((here.scope.app, room), RoomId("r"))
        async with asyncio.timeout(10):
            while live.tail is None or live.tail.floor < 6:
                await asyncio.sleep(0.01)
        assert list(live.tail.fold.messages) == [6, 7, 8]
        assert live.tail.after(Seq(2), 10) is None
        there.wiring.keeper.release(live)
        async with there.reading() as late:
            await late.open("r")
            await late.until(lambda: late.of_type("snapshot"))
            snapshot = late.of_type("snapshot")[0]["snapshot"]
            assert ([message["seq"] for message in snapshot["messages"]], snapshot["floor"]) == ([6, 7, 8], 6)
        await here.say("r", "on", "ann")
        await reader.until_seq("r", 9)


async def test_a_floor_that_moves_while_nobody_can_tell_is_found_later(
    here: Inside, environment: dict[str, str]
) -> None:
    """A process whose audit has missed the news compares floors when it begins anew."""
    room = await here.room("r", "ann")
    await talk(here, "r", 6)
    async with inside(environment, here.scope) as there, there.reading() as reader:
        await reader.open("r")
        live = await there.wiring.keeper.hold((here.scope.app, room), RoomId("r"))
        there.wiring.keeper.on_floor = lambda *_: None  # type: ignore[method-assign]
        await aged(here, room, 5)
        await purged(here)
        await there.wiring.keeper.verify()
        assert live.tail is not None
        assert live.tail.floor == 6
        there.wiring.keeper.release(live)


async def test_a_purge_in_the_middle_of_a_resume_is_a_reset(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that was good at the door, and whose events go before they are read, is reset and misses nothing unsaid."""
    room = await here.room("r", "ann")
    said = await talk(here, "r", 6)
    await aged(here, room, 5)
    reader, keeper = here.wiring.reader, here.wiring.keeper
    read = reader.events
    asked = asyncio.Event()

    async def read_after_purge(places: Any, *, limit: int) -> list[Event]:
        if not asked.is_set():
            asked.set()
            await purged(here)
        return await read(places, limit=limit)

    async with here.reading() as reading:
        live = await keeper.hold((here.scope.app, room), RoomId("r"))
        assert live.tail is not None
        live.tail.forget_events()
        monkeypatch.setattr(type(reader), "events", lambda _, places, *, limit: read_after_purge(places, limit=limit))
        await reading.open("r", write_cursor(said[0].place))
        await reading.until(lambda: reading.of_type("reset"))
        assert asked.is_set()
        assert reading.of_type("subscribed")[0]["resumed"] is True
        assert reading.of_type("reset")[0]["reason"] == "history_truncated"
        assert reading.places("r") == [8]
        keeper.release(live)


async def test_pages_stop_at_the_floor_and_what_is_gone_cannot_be_changed(here: Inside) -> None:
    """A message that is not kept is like one that never was."""
    room = await here.room("r", "ann")
    said = await talk(here, "r", 6)
    await aged(here, room, 5)
    await purged(here)
    wiring, server = here.wiring, here.server
    page = await wiring.pages.page(server, RoomId("r"), upto=None, back=50, forth=0)
    assert ([event.seq for event in page.messages], page.previous) == ([6, 7, 8], None)
    for upto, back, forth in ((4, 10, 0), (0, 0, 10), (7, 2, 1)):
        found = await wiring.pages.page(server, RoomId("r"), upto=upto, back=back, forth=forth)
        assert all(event.seq >= 6 for event in found.messages)
    gone = write_message_id(said[0].place)
    with pytest.raises(MessageNotFound):
        await delete(wiring.lanes, wiring.pages, wiring.pepper, server, RoomId("r"), gone, "k")


async def test_rooms_of_apps_that_keep_everything_are_left_alone(here: Inside) -> None:
    """Without a retention nothing goes, however old it is."""
    room = await here.room("r", "ann")
    await talk(here, "r", 3)
    async with here.as_owner() as connection:
        await connection.execute(OLD, {"app": here.scope.app, "room": room, "seq": 5})
    await purged(here)
    assert await seqs(here, room) == [1, 2, 3, 4, 5]
