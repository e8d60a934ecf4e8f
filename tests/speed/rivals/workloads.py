"""W1–W5 on a rival: what `tests.speed.workloads` does to Roomlog, with its numbers, over another wire."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.speed.lines import Counter
from tests.speed.loops import MEMBERS, ROOMS, Figures, closed, flood, one_in_flight, part, steady
from tests.speed.machine import Servers, measured, resident_bytes
from tests.speed.rivals.rival import LAST, Guest, Wire
from tests.speed.rivals.servers import Postgres, analyze
from tests.speed.workloads import PACE_S, SENDERS, SETTLE_S, TEXT

LARGE = "w4"
FILL_S = 300.0


@dataclass
class Driven:
    """A rival whose servers run, driven over its wire."""

    name: str
    version: str
    wire: Wire
    servers: Servers
    postgres: Postgres
    seconds: float

    async def w1(self) -> Figures:
        """50 senders in 50 rooms; a message counts when its sender is told that it is stored."""
        guests = [await self._sender(f"w1-{number}") for number in range(SENDERS)]
        stored = self.wire.stored
        return await closed(
            self.servers, self.seconds, guests, stored, lambda number: self.wire.message(f"w1-{number}")
        )

    async def w2(self, subscribers: int) -> Figures:
        """One room, many subscribers, one sender with eight messages in flight; one is until its sender is shown it."""
        room = f"w2-{subscribers}"
        guests = await self._members(subscribers, lambda _: room)
        (sender,) = await self._members(1, lambda _: room)
        mark = self.wire.delivered
        return await flood(self.servers, self.seconds, guests, sender, mark, lambda: self.wire.message(room))

    async def w2_latency(self, subscribers: int) -> Figures:
        """The same with one message in flight: from its sending to each of its arrivals."""
        room = f"w2-{subscribers}"
        guests = await self._members(subscribers, lambda _: room)
        sender = await self._sender(room)
        mark = self.wire.delivered
        return await one_in_flight(self.servers, self.seconds, guests, sender, mark, lambda: self.wire.message(room))

    async def w3(self) -> Figures:
        """100 messages a second over 20 rooms of 10 members: from the moment that each was due to each of its arrivals."""
        names = [f"w3-{number}" for number in range(ROOMS)]
        guests = await self._members(ROOMS * MEMBERS, lambda number: names[number // MEMBERS])

        def say(place: int, text: str) -> bytes:
            return self.wire.message(names[place], text)

        return await steady(self.servers, self.seconds, guests, self.wire.number, say)

    async def w4_room(self, messages: int) -> None:
        """Say so many messages in a room, and stay there."""
        holder = await self._sender(LARGE)
        counter = Counter(self.wire.stored)
        said, stored = min(messages, SENDERS), 0
        whole = asyncio.Event()

        def heard(data: bytes) -> None:
            nonlocal said, stored
            more = counter.take(data)
            stored += more
            if (next_ := min(more, messages - said)) > 0:
                said += next_
                holder.say(b"".join(self.wire.message(LARGE) for _ in range(next_)))
            if stored == messages:
                whole.set()

        holder.heard = heard
        holder.say(b"".join(self.wire.message(LARGE) for _ in range(said)))
        async with asyncio.timeout(FILL_S):
            await whole.wait()
        await analyze(self.postgres.url)
        holder.heard = lambda _: None
        # A connection that only sends is no member yet.
        await self._members(1, lambda _: LARGE)

    async def w4_cold(self) -> Figures:
        """From connect() to the last 50 messages in hand and live, one client after the other."""
        seconds: list[float] = []
        with measured(self.servers) as span:
            end = time.perf_counter() + self.seconds
            while (began := time.perf_counter()) < end:
                guest = await self.wire.open()
                _check_history(await self.wire.join(guest, LARGE))
                seconds.append(time.perf_counter() - began)
                guest.close()
        return Figures(span, len(seconds), seconds)

    async def w4_warm(self) -> Figures:
        """The same on a connection that stands."""
        guest = await self.wire.open()
        seconds: list[float] = []
        with measured(self.servers) as span:
            end = time.perf_counter() + self.seconds
            while (began := time.perf_counter()) < end:
                _check_history(await self.wire.join(guest, LARGE))
                seconds.append(time.perf_counter() - began)
                await self.wire.leave(guest, LARGE)
                await asyncio.sleep(PACE_S)
        part([guest])
        return Figures(span, len(seconds), seconds)

    async def w5(self, connections: int) -> float:
        """Give the bytes that the rival has in memory for each idle member of a room."""
        names = [f"w5-{number}" for number in range(ROOMS)]
        # What the first ones make the process load is not theirs.
        first = await self._members(ROOMS, lambda number: names[number])
        await asyncio.sleep(SETTLE_S)
        before = resident_bytes(self.servers.service)
        guests = await self._members(connections, lambda _: random.choice(names))
        await asyncio.sleep(SETTLE_S)
        grown = resident_bytes(self.servers.service) - before
        part([*first, *guests])
        return grown / connections

    async def _sender(self, room: str) -> Guest:
        """Open a connection that may send to a room; where it need not be shown what it says itself, it is not."""
        guest = await self.wire.open()
        if self.wire.only_members_speak:
            await self.wire.join(guest, room)
        return guest

    async def _members(self, count: int, room: Callable[[int], str]) -> list[Guest]:
        """Open connections that are in a room each."""
        guests = []
        for number in range(count):
            guest = await self.wire.open()
            await self.wire.join(guest, room(number))
            guests.append(guest)
        return guests


def _check_history(data: bytes) -> None:
    found = data.count(TEXT.encode())
    assert found == LAST, f"a history of {found} messages"
