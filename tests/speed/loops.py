"""The loops that drive a chat system, whatever its wire: the same for the service and for its rivals."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.speed.lines import Counter, Line
from tests.speed.machine import Servers, Span, measured

IN_FLIGHT = 8
WARM_UP_S = 0.5
ROOMS, MEMBERS, PER_S = 20, 10, 100.0
"""Of W3."""
PATIENCE_S = 30.0


@dataclass
class Figures:
    """What one workload has shown."""

    span: Span
    count: int = 0
    """Messages, deliveries or openings."""
    seconds: list[float] = field(default_factory=list)
    """How long each took."""

    @property
    def per_s(self) -> float:
        return self.count / self.span.wall_s

    @property
    def cpu_ms_per_1000(self) -> float:
        return self.span.server_cpu_s * 1_000_000 / self.count

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1_000


async def closed(
    servers: Servers, run_s: float, lines: Sequence[Line], answer: bytes, say: Callable[[int], bytes]
) -> Figures:
    """Have each line say the next thing (`say`, by the line's number) when the last one has been answered."""
    seconds: list[float] = []
    is_over = False

    def start(line: Line, number: int) -> None:
        counter = Counter(answer)
        said_at = 0.0

        def heard(data: bytes) -> None:
            nonlocal said_at
            if not counter.take(data):
                return
            now = time.perf_counter()
            seconds.append(now - said_at)
            if not is_over:
                said_at = now
                line.say(say(number))

        line.heard = heard
        said_at = time.perf_counter()
        line.say(say(number))

    for number, line in enumerate(lines):
        start(line, number)
    await asyncio.sleep(WARM_UP_S)
    seconds.clear()
    with measured(servers) as span:
        await asyncio.sleep(run_s)
    found = list(seconds)
    is_over = True
    part(lines)
    return Figures(span, len(found), found)


async def flood(
    servers: Servers, run_s: float, lines: Sequence[Line], sender: Line, mark: bytes, say: Callable[[], bytes]
) -> Figures:
    """Keep eight messages of the sender in flight, each until the sender is shown it; count `mark` on all other lines."""
    delivered = 0

    def count(line: Line) -> None:
        counter = Counter(mark)

        def heard(data: bytes) -> None:
            nonlocal delivered
            delivered += counter.take(data)

        line.heard = heard

    for line in lines:
        count(line)
    own = Counter(mark)
    is_over = False

    def shown(data: bytes) -> None:
        if not is_over and (more := own.take(data)):
            sender.say(b"".join(say() for _ in range(more)))

    sender.heard = shown
    sender.say(b"".join(say() for _ in range(IN_FLIGHT)))
    await asyncio.sleep(WARM_UP_S)
    began_with = delivered
    with measured(servers) as span:
        await asyncio.sleep(run_s)
    found = delivered - began_with
    is_over = True
    part([*lines, sender])
    return Figures(span, found)


async def one_in_flight(
    servers: Servers, run_s: float, lines: Sequence[Line], sender: Line, mark: bytes, say: Callable[[], bytes]
) -> Figures:
    """Send a message when the last one has arrived on all lines; from its sending to each of its arrivals."""
    sender.heard = lambda _: None
    seconds: list[float] = []
    said_at, missing = 0.0, 0
    everywhere = asyncio.Event()

    def listen(line: Line) -> None:
        counter = Counter(mark)

        def heard(data: bytes) -> None:
            nonlocal missing
            if counter.take(data):
                seconds.append(time.perf_counter() - said_at)
                missing -= 1
                if missing == 0:
                    everywhere.set()

        line.heard = heard

    for line in lines:
        listen(line)
    with measured(servers) as span:
        end = time.perf_counter() + run_s
        while time.perf_counter() < end:
            missing = len(lines)
            everywhere.clear()
            said_at = time.perf_counter()
            sender.say(say())
            async with asyncio.timeout(PATIENCE_S):
                await everywhere.wait()
    part([*lines, sender])
    return Figures(span, len(seconds), seconds)


async def steady(
    servers: Servers, run_s: float, lines: Sequence[Line], number: re.Pattern[bytes], say: Callable[[int, str], bytes]
) -> Figures:
    """Send 100 messages a second over 20 rooms; from the moment that each was due to each of its arrivals.

    The lines are 10 of the first room, then 10 of the next one; each room's first one sends. `say` makes a message to a
    room, by its place, and `number` finds what the texts `#0`, `#1`, … name.
    """
    due_at: dict[int, float] = {}
    seconds: list[float] = []

    def heard(data: bytes) -> None:
        now = time.perf_counter()
        numbers = map(int, number.findall(data))
        seconds.extend(now - due_at[each] for each in numbers if each in due_at)

    for line in lines:
        line.heard = heard
    total = int(run_s * PER_S)
    with measured(servers) as span:
        began = time.perf_counter()
        for count in range(total):
            due = began + count / PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due_at[count] = due
            place = count % ROOMS
            lines[place * MEMBERS].say(say(place, f"#{count}"))
        async with asyncio.timeout(PATIENCE_S):
            while len(seconds) < total * MEMBERS:
                await asyncio.sleep(0.01)
    part(lines)
    return Figures(span, len(seconds), seconds)


def part(lines: Sequence[Line]) -> None:
    """Hang up, all of them having been there to the end."""
    check(lines)
    for line in lines:
        line.close()


def check(lines: Sequence[Line]) -> None:
    """Fail if the other side has closed any of them."""
    ended = sum(line.ended.done() for line in lines)
    assert not ended, f"{ended} of the driver's connections were closed by the other side"
