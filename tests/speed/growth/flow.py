"""A flow: messages that go round rooms, eight at a time."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterable, Sequence

from tests.speed.lines import Counter, Line
from tests.speed.loops import IN_FLIGHT, PATIENCE_S, WARM_UP_S, Figures
from tests.speed.machine import measured
from tests.speed.workloads import CREATED, Bench, message


class Flow:
    """Eight senders, who each say one thing, to one room after the other, and the next when all has been shown to everybody.

    W2 has one sender, who says the next thing when one has been shown to him. Whether his eight stay together, and then
    cost each reader one write, or come one by one, is chance, and no matter of how many readers there are.
    """

    def __init__(self, lines: Sequence[Line], rooms: Iterable[str], *, each: int) -> None:
        """Send on the first eight of these lines to rooms that `each` of all of them follow."""
        self.delivered = 0
        self._said = 0
        self._each = each
        self._rooms = itertools.cycle(rooms)
        self._senders = lines[:IN_FLIGHT]
        self._everywhere = asyncio.Event()
        for line in lines:
            self._listen(line)

    async def run(self, seconds: float) -> int:
        """Send for so long; gives the number of deliveries, none of which is missing."""
        before, end = self.delivered, time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._everywhere.clear()
            self._said += len(self._senders)
            for sender in self._senders:
                sender.say(message(next(self._rooms)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._everywhere.wait()
            assert self._missing == 0, f"{self._missing} deliveries are missing"
        return self.delivered - before

    @property
    def _missing(self) -> int:
        return self._said * self._each - self.delivered

    def _listen(self, line: Line) -> None:
        counter = Counter(CREATED)

        def heard(data: bytes) -> None:
            self.delivered += counter.take(data)
            if self._missing == 0:
                self._everywhere.set()

        line.heard = heard


async def measure(bench: Bench, flow: Flow) -> Figures:
    """Let messages flow for the bench's seconds, after a moment to warm up; counts deliveries."""
    await flow.run(min(WARM_UP_S, bench.seconds))
    with measured(bench.servers) as span:
        count = await flow.run(bench.seconds)
    return Figures(span, count)
