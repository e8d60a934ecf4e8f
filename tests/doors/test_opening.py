"""The race that Roomlog exists for, forced at each of its steps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.ids import Place, Seq, write_cursor
from api.log.commits import CommitReader, Visible
from api.log.read import Reader
from tests.support.inside import Inside, inside

STEPS = ("before subscribing", "between subscribing and the snapshot", "while opening, after the snapshot", "after")


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """The process that opens."""
    async with inside(environment) as opened:
        yield opened


@pytest.fixture
async def there(environment: dict[str, str], here: Inside) -> AsyncIterator[Inside]:
    """Another process on the same servers and app: the one that commits."""
    async with inside(environment, here.scope) as opened:
        yield opened


def lose_publications(process: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.wiring.publisher, "offer", lambda *_: None)


def blind_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: CommitReader) -> Visible:
        return Visible(heads=[], controls=[])

    monkeypatch.setattr(CommitReader, "look", look)


@pytest.mark.parametrize("lost", [False, True], ids=["published", "publication lost"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_message_committed_at_any_step_arrives_once_and_in_order(
    here: Inside, there: Inside, step: str, *, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a message is committed while a room is opened, its reader has it exactly once, in its place."""
    await here.room("r", "ann")
    await here.say("r", "old", "ann")
    if lost:
        lose_publications(there, monkeypatch)
    else:
        # Only the merge itself may bring the message: the audit would mend what a faulty one had lost.
        blind_the_audit(monkeypatch)
    snapshot = Reader.snapshot

    async def racing(self: Reader, *place: Any) -> Any:
        is_here = self is here.wiring.reader
        if is_here and step == STEPS[1]:
            await there.say("r", "racing", "ann", key="once")
        read = await snapshot(self, *place)
        if is_here and step == STEPS[2]:
            await there.say("r", "racing", "ann", key="once")
        return read

    monkeypatch.setattr(Reader, "snapshot", racing)
    async with here.reading() as reading:
        if step == STEPS[0]:
            await there.say("r", "racing", "ann", key="once")
        await reading.open("r")
        if step == STEPS[3]:
            await there.say("r", "racing", "ann", key="once")
        # Before anything follows it: the next message would show the hole, and have it mended too.
        await reading.until_seq("r", 4)
        await here.say("r", "later", "ann")
        await reading.until_seq("r", 5)
        start, *events = reading.places("r")
        assert events == list(range(start + 1, 6))
        texts = [message["parts"][0]["text"] for message in told(reading.sent)]
        assert texts == ["old", "racing", "later"]


@pytest.mark.parametrize("step", STEPS[:3])
async def test_a_resumed_reader_of_a_room_that_nobody_has_open_misses_nothing(
    here: Inside, there: Inside, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor, a room that this process must open first, a commit at any step: subscribed before read, and merged."""
    room = await here.room("r", "ann")
    cursor = write_cursor(Place(room, here.wiring.epochs.newest, Seq(2)))
    blind_the_audit(monkeypatch)
    snapshot = Reader.snapshot

    async def racing(self: Reader, *place: Any) -> Any:
        is_here = self is here.wiring.reader
        if is_here and step == STEPS[1]:
            await there.say("r", "racing", "ann", key="once")
        read = await snapshot(self, *place)
        if is_here and step == STEPS[2]:
            await there.say("r", "racing", "ann", key="once")
            await here.wiring.postgres.fetch([], "SELECT pg_sleep(0.05)")  # time for the publication to arrive
        return read

    monkeypatch.setattr(Reader, "snapshot", racing)
    async with here.reading() as reading:
        if step == STEPS[0]:
            await there.say("r", "racing", "ann", key="once")
        await reading.open("r", cursor)
        await reading.until_seq("r", 3)
        assert reading.of_type("subscribed")[0]["resumed"]
        assert reading.places("r") == [3]


async def test_the_last_word_of_a_quiet_room_arrives_though_its_publication_is_lost(
    here: Inside, there: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost publication that nothing follows is repaired by the audit."""
    await here.room("r", "ann")
    lose_publications(there, monkeypatch)
    async with here.reading() as reading:
        await reading.open("r")
        written = await there.say("r", "last word", "ann")
        await reading.until_seq("r", written.event.seq)
        assert here.wiring.keeper.counts.repairs.get("audit") == 1


async def test_publications_out_of_order_are_put_in_order(
    here: Inside, there: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives before its predecessor waits for it, and a hole is read from the database."""
    await here.room("r", "ann")
    kept: list[tuple[str, bytes]] = []
    offer = there.wiring.publisher.offer
    monkeypatch.setattr(there.wiring.publisher, "offer", lambda *payload: kept.append(payload))
    async with here.reading() as reading:
        await reading.open("r")
        for number in range(4):
            await there.say("r", str(number), "ann")
        payloads = [payload for payload in kept if b'"parts"' in payload[1]]
        for index in (1, 3, 0):  # the third never comes
            offer(*payloads[index])
        await reading.until_seq("r", 6)
        assert reading.places("r") == [2, 3, 4, 5, 6]


async def test_a_reader_who_joins_later_sees_what_was_acked_before_wherever_it_was_committed(
    here: Inside, there: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reader of a room is as fresh as the first, though its process has not heard of the commit."""
    await here.room("r", "ann")
    lose_publications(there, monkeypatch)
    async with here.reading() as first, here.reading() as second:
        await first.open("r")
        written = await there.say("r", "just now", "ann")
        await second.open("r")
        await second.until(lambda: bool(second.places("r")))
        assert second.places("r") == [written.event.seq]


async def test_a_removal_ends_the_subscription_exactly_there(here: Inside, there: Inside) -> None:
    """A removed member sees every event before the removal and none from it on."""
    await here.room("r", "ann", "bob", private=True)
    async with here.reading(await here.caller("bob")) as reading:
        await reading.open("r")
        await there.say("r", "before", "ann")
        await there.remove("r", "bob")
        await there.say("r", "after", "ann")
        await reading.until(lambda: bool(reading.of_type("revoked")))
        assert reading.places("r") == [3, 4]
        assert reading.of_type("revoked")[0]["seq"] == 5
        assert reading.connection.readings == 0


async def test_resuming_after_an_absence_is_a_reset(here: Inside) -> None:
    """A cursor from before a removal is not continued when the user is brought back."""
    await here.room("r", "ann", "bob", private=True)
    async with here.reading(await here.caller("bob")) as reading:
        await reading.open("r")
        await reading.until(lambda: bool(reading.of_type("snapshot")))
        cursor = reading.of_type("snapshot")[0]["snapshot"]["cursor"]
        await here.remove("r", "bob")
        await reading.until(lambda: bool(reading.of_type("revoked")))
        await here.say("r", "behind bob's back", "ann")
        await here.add("r", "bob")
        await reading.open("r", cursor)
        await reading.until(lambda: bool(reading.of_type("reset")))
        assert reading.of_type("reset")[0]["reason"] == "membership"


async def test_events_about_what_a_member_may_not_read_are_hidden(here: Inside) -> None:
    """A member whose history begins with the joining is not shown older messages, nor what becomes of them."""
    await here.room("r", "ann", private=True)
    old = await here.say("r", "old", "ann")
    await here.add("r", "bob", history="from_join")
    async with here.reading(await here.caller("bob")) as reading:
        await reading.open("r")
        await delete_as_server(here, "r", old.event)
        new = await here.say("r", "new", "ann")
        await reading.until_seq("r", new.event.seq)
        assert reading.of_type("snapshot")[0]["snapshot"]["messages"] == []
        assert set(reading.of_type("hidden")[0]) == {"type", "room", "seq", "cursor"}
        assert reading.places("r") == [4, 5, 6]


async def test_a_slow_reader_is_served_from_the_database_and_loses_nothing(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has fallen out of the ring is brought back from PostgreSQL in pages, in order."""
    monkeypatch.setattr("api.tails.tail.RING_EVENTS", 5)
    await here.room("r", "ann")
    async with here.reading() as fast:
        await fast.open("r")
        await fast.until(lambda: bool(fast.of_type("snapshot")))
        cursor = fast.of_type("snapshot")[0]["snapshot"]["cursor"]
        for number in range(20):
            await here.say("r", str(number), "ann")
        await fast.until_seq("r", 22)
        async with here.reading() as slow:
            await slow.open("r", cursor)
            await slow.until_seq("r", 22)
            assert slow.of_type("subscribed")[0]["resumed"]
            assert slow.places("r") == list(range(3, 23))
            assert here.wiring.around.counts.catch_ups > 0


async def delete_as_server(process: Inside, room: str, event: Any) -> None:
    from api.ids import RoomId, write_message_id
    from api.messages.edit import delete

    wiring = process.wiring
    message = write_message_id(event.place)
    await delete(wiring.lanes, wiring.pages, wiring.pepper, process.server, RoomId(room), message, "delete")


def told(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the messages that a reader has been told of, from snapshot and events."""
    messages: list[dict[str, Any]] = []
    for frame in sent:
        messages += frame.get("snapshot", {}).get("messages", [])
        messages += [frame["message"]] if frame["type"] == "message.created" else []
    return messages
