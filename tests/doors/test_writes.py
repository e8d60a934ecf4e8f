"""What one connection writes enters its rooms in the order of its frames, however long each has to wait for its limits."""

import asyncio
from typing import Any

import pytest

from api.messages.schemas import TextPart
from api.subscriptions import frames
from tenants.budgets import Budget, Taken
from tenants.errors import RateLimited
from tenants.scope import Caller
from tests.support.inside import Inside, Reading

WAIT_S = 10.0


class Gates:
    """Holds each send's look at the limits until the test lets it go on, or has it refused."""

    def __init__(self, here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[asyncio.Future[None]] = []
        self._someone = asyncio.Condition()
        self._take = here.wiring.budgets.take
        monkeypatch.setattr(here.wiring.budgets, "take", self._held)

    async def _held(self, caller: Caller, *budgets: Budget, room: str | None = None) -> Taken:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._someone:
            self.asked.append(gate)
            self._someone.notify_all()
        await gate
        return await self._take(caller, *budgets, room=room)

    async def all_asked(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S), self._someone:
            await self._someone.wait_for(lambda: len(self.asked) == count)


async def say(reading: Reading, *numbers: int, room: str = "r") -> None:
    for number in numbers:
        text = TextPart(str(number))
        await reading.connection.handle(frames.Send(id=number, room=room, parts=[text]))


async def answers(reading: Reading, count: int) -> list[dict[str, Any]]:
    """Give the answers to so many writes, in the order of their frames."""
    async with asyncio.timeout(WAIT_S):
        await reading.connection.settle()
    found = sorted((frame for frame in reading.sent if "id" in frame), key=lambda frame: frame["id"])
    assert len(found) == count
    return found


async def test_all_ask_for_their_limits_at_once_and_enter_in_order(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for another's trip to Redis, and whose trip was shorter waits for those before."""
    await here.room("r", "ann")
    gates = Gates(here, monkeypatch)
    async with here.reading(await here.caller("ann")) as reading:
        await say(reading, 1, 2, 3)
        await gates.all_asked(3)
        for gate in reversed(gates.asked):
            gate.set_result(None)
            await asyncio.sleep(0)
        acks = await answers(reading, 3)
    assert [ack["number"] for ack in acks] == [1, 2, 3]


async def test_who_is_refused_lets_nobody_overtake(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three is refused before the first may go on: the third still comes after the first."""
    await here.room("r", "ann")
    gates = Gates(here, monkeypatch)
    async with here.reading(await here.caller("ann")) as reading:
        await say(reading, 1, 2, 3)
        await gates.all_asked(3)
        gates.asked[1].set_exception(RateLimited(retry_after_s=1))
        gates.asked[2].set_result(None)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not [frame for frame in reading.sent if frame["type"] == "ack"]
        gates.asked[0].set_result(None)
        first, second, third = await answers(reading, 3)
    assert (first["number"], third["number"]) == (1, 2)
    assert second["problem"]["code"] == "rate_limited"


async def test_what_is_under_way_ends_with_its_connection(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that still wait for their turn are given up, and nothing of them is written."""
    room = await here.room("r", "ann")
    gates = Gates(here, monkeypatch)
    async with here.reading(await here.caller("ann")) as reading:
        await say(reading, 1, 2, 3)
        await gates.all_asked(3)
        gates.asked[2].set_result(None)
        async with asyncio.timeout(WAIT_S):
            await reading.connection.end()
    async with here.as_owner() as owner:
        written = await owner.exec_driver_sql("SELECT count(*) FROM events WHERE room = $1 AND kind = 1", (room,))
        assert written.scalar() == 0


async def test_a_connection_s_writes_are_bounded(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame after 64 that have no answer yet is taken when one has been answered."""
    await here.room("r", "ann")
    gates = Gates(here, monkeypatch)
    async with here.reading(await here.caller("ann")) as reading:
        await say(reading, *range(64))
        more = asyncio.create_task(say(reading, 64))
        await gates.all_asked(64)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not more.done()
        gates.asked[0].set_result(None)
        await asyncio.wait_for(more, WAIT_S)
        await gates.all_asked(65)
        for gate in gates.asked[1:]:
            gate.set_result(None)
        # Of a user's own limit of sends they are more than the burst.
        acks = [answer["number"] for answer in await answers(reading, 65) if answer["type"] == "ack"]
    assert len(acks) >= 50
    assert acks == list(range(1, 1 + len(acks)))
