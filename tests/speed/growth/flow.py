"""A flow: messages that go round rooms, so many in flight, counted from silence to silence."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Sequence

from tests.speed.lines import Counter, Line
from tests.speed.machine import measured
from tests.speed.workloads import CREATED, IN_FLIGHT, PATIENCE_S, WARM_UP_S, Bench, Figures, message


class Flow:
    """Sends to rooms in turn, on the last line, the next message whenever one has been shown to who sets the pace.

    So few are in flight that a message waits for its readers, not in a queue; and what lies between two silences is
    whole: each message that was sent in it has reached everybody, and all that it cost was paid in it.
    """

    def __init__(self, lines: Sequence[Line], rooms: Iterable[str], *, each: int, pacing: Sequence[Line]) -> None:
        """Send to rooms of `each` readers, who are among `lines`; those in `pacing` read every room once between them."""
        self.delivered = 0
        self._said = 0
        self._each = each
        self._rooms = itertools.cycle(rooms)
        self._sender = lines[-1]
        self._is_open = False
        self._silence = asyncio.Event()
        for line in lines:
            self._listen(line, sets_pace=line in pacing)

    async def run(self, seconds: float) -> int:
        """Send for so long and wait until all has arrived; gives the number of deliveries."""
        before = self.delivered
        self._is_open = True
        self._silence.clear()
        self._say(IN_FLIGHT)
        await asyncio.sleep(seconds)
        self._is_open = False
        if self._missing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._silence.wait()
            assert not self._missing, f"{self._missing} deliveries have not arrived"
        return self.delivered - before

    @property
    def _missing(self) -> int:
        return self._said * self._each - self.delivered

    def _listen(self, line: Line, *, sets_pace: bool) -> None:
        counter = Counter(CREATED)

        def heard(data: bytes) -> None:
            shown = counter.take(data)
            self.delivered += shown
            if sets_pace and shown and self._is_open:
                self._say(shown)
            if not self._is_open and not self._missing:
                self._silence.set()

        line.heard = heard

    def _say(self, count: int) -> None:
        self._said += count
        self._sender.say(b"".join(message(next(self._rooms)) for _ in range(count)))


async def measure(bench: Bench, flow: Flow) -> Figures:
    """Let messages flow for the bench's seconds, after a moment to warm up; counts deliveries."""
    await flow.run(min(WARM_UP_S, bench.seconds))
    with measured(bench.servers) as span:
        count = await flow.run(bench.seconds)
    return Figures(span, count)
