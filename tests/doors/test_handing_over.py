"""What is handed to a transport at once: never what has to wait, and never before what waits already."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from api.ids import RoomId
from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.subscriptions.frames import CloseCode
from api.tails.audit import Audit
from tests.support.inside import WAIT_S, Inside, Reading, inside, texts_of


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    async with inside(environment) as opened:
        await opened.room("r", "ann")
        yield opened


async def reached(here: Inside, reading: Reading, seq: int) -> None:
    """Wait until this process's tail of the room has an event, and its readers have been told."""
    (held,) = reading.connection._readings.values()
    await here.wiring.keeper.reach(held.live, seq)  # type: ignore[arg-type]
    async with asyncio.timeout(WAIT_S):
        while held.live.telling:
            await asyncio.sleep(0)


@contextlib.contextmanager
def without_postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the audit say that its last look is too long ago."""
    with monkeypatch.context() as stale:
        stale.setattr(Audit, "is_stale", property(lambda _: True))
        stale.setattr(Audit, "is_stale_at", lambda _, __: True)
        yield


async def test_many_events_come_in_one_piece_and_in_order(here: Inside) -> None:
    """What has come in one turn of the loop is joined; the next piece goes on from it."""
    async with here.reading() as reading:
        await reading.open("r")
        for _ in range(3):
            written = await asyncio.gather(*(here.say("r", "x", "ann") for _ in range(10)))
            await reading.until_seq("r", max(each.event.seq for each in written))
        assert reading.places("r") == list(range(2, 33))


async def test_a_process_that_cannot_know_who_was_removed_hands_nothing_over(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is in its tail and stays there until the audit looks again; then it comes, once."""
    async with here.reading() as reading:
        await reading.open("r")
        with without_postgresql(monkeypatch):
            said = await here.say("r", "withheld", "ann")
            await reached(here, reading, said.event.seq)
            await reading.until(lambda: bool(reading.of_type("stalled")))
            assert reading.places("r") == [2]
        reading.connection.look_up()
        await reading.until_seq("r", said.event.seq)
        again = await here.say("r", "at once", "ann")
        await reading.until_seq("r", again.event.seq)
        kinds = [frame["type"] for frame in reading.sent]
        assert kinds == ["subscribed", "snapshot", "stalled", "live", "message.created", "message.created"]


async def test_after_a_stall_the_word_that_it_is_over_comes_first(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing had waited meanwhile, and the next event is the first sign that delivery goes on."""
    async with here.reading() as reading:
        await reading.open("r")
        with without_postgresql(monkeypatch):
            reading.connection.look_up()
            await reading.until(lambda: bool(reading.of_type("stalled")))
        said = await here.say("r", "first", "ann")
        await reading.until_seq("r", said.event.seq)
        assert [frame["type"] for frame in reading.sent][2:] == ["stalled", "live", "message.created"]


@pytest.mark.parametrize("end", ["expired", "cut"])
async def test_nothing_is_handed_over_after_the_credential_s_end(here: Inside, end: str) -> None:
    """Not even before the sweep has noticed it."""
    async with here.reading() as reading:
        await reading.open("r")
        if end == "expired":
            reading.connection.expires_at = asyncio.get_running_loop().time() - 0.001
        else:
            reading.connection.cut(CloseCode.REVOKED)
        said = await here.say("r", "not for this one", "ann")
        await reached(here, reading, said.event.seq)
        assert reading.places("r") == [2]


async def test_nothing_overtakes_what_waits_already(here: Inside) -> None:
    """Once one answer had to wait, the next ones and all events queue behind it, though the client could be written to again."""
    written: list[bytes] = []
    is_free = False

    def write_now(data: bytes) -> bool:
        if is_free:
            written.extend(texts_of(data))
        return is_free

    async def put(text: str, _: object) -> None:
        written.append(text.encode())

    connection = Connection(here.wiring.around, here.server, put, write_now=write_now)
    connection.say(frames.pong(1))
    is_free = True
    connection.say(frames.pong(2))
    opened = await connection.open(frames.Wanted(room="r", last=0))
    connection.begin(opened)
    said = await here.say("r", "later", "ann")
    await here.wiring.keeper.reach(opened.live, said.event.seq)
    while opened.live.telling:
        await asyncio.sleep(0)
    assert written == []
    writer = asyncio.create_task(connection.write())
    async with asyncio.timeout(WAIT_S):
        while len(written) < 4:
            await asyncio.sleep(0.01)
    assert [text.split(b'"type":"')[1].split(b'"')[0] for text in written] == [
        *(b"pong", b"pong", b"snapshot", b"message.created")
    ]
    assert RoomId("r") in connection._readings
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    await connection.end()
