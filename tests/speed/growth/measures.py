"""The five series: what each thing costs while what surrounds it grows."""

import asyncio
import functools
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.speed import workloads
from tests.speed.growth.fill import count_rows, fill, tend
from tests.speed.growth.flow import Flow, measure
from tests.speed.growth.lasting import follow_all, open_lasting
from tests.speed.growth.points import Point, Series
from tests.speed.growth.stage import Stage
from tests.speed.lines import Line
from tests.speed.loops import Figures
from tests.speed.workloads import Bench

CONNECTIONS = 10
"""That follow all rooms between them, whose number is all that grows; each may have 1,000."""
SPREAD_SUBSCRIBERS = 1_000
"""That one or two processes have between them."""
LARGE_ROOMS = 5
"""Of each size, as a room is nobody's only once: a process keeps it for a while."""
FILLED_ROOMS = 100
"""That carry the rows of which no message of a measurement is one."""
MAKERS = 16
SETTLE_S = 1.0
ALL, SERVICE, POSTGRES = "all", "service", "postgres"
NOBODYS, LIVE = "nobody's", "live"


@dataclass(frozen=True)
class Ask:
    """How long and how large."""

    seconds: float
    runs: int
    largest: int
    rows: int
    """The most rows of the events table."""

    def sizes(self, smallest: int, largest: int) -> list[int]:
        """Give the powers of ten between two, as far as they are asked for; one at least."""
        sizes = [smallest]
        while sizes[-1] * 10 <= min(largest, self.largest):
            sizes.append(sizes[-1] * 10)
        return sizes


Measure = Callable[[Stage, Ask], AsyncIterator[Point]]


async def _median(ask: Ask, run: Callable[[], Awaitable[Figures]], by: Callable[[Figures], float]) -> Figures:
    runs = [await run() for _ in range(ask.runs)]
    middle = statistics.median_low(by(each) for each in runs)
    return next(each for each in runs if by(each) == middle)


def _cpu_us(figures: Figures) -> float:
    return figures.cpu_ms_per_1000  # a thousandth of a thousand


def _shares(figures: Figures) -> dict[str, float]:
    """Give the CPU µs for each, of all together and of each alone."""
    alone = {name: used * 1_000_000 / figures.count for name, used in figures.span.cpu_s.items()}
    return {ALL: _cpu_us(figures), **alone}


async def _flowing(bench: Bench, ask: Ask, flow: Flow, size: int) -> Point:
    return Point(size, _shares(await _median(ask, lambda: measure(bench, flow), _cpu_us)))


async def _make_rooms(bench: Bench, names: Sequence[str]) -> None:
    waiting = iter(names)

    async def make() -> None:
        for name in waiting:
            await bench.app.room(name, ("ann",))

    await bench.app.token("ann")
    await asyncio.gather(*(make() for _ in range(MAKERS)))


async def subscribers(stage: Stage, ask: Ask) -> AsyncIterator[Point]:
    """One room, of whose subscribers eight send."""
    async with stage.bench(ask.seconds) as bench:
        await bench.app.room("r", ("ann",))
        token = await bench.app.token("ann")
        lines: list[Line] = []
        for size in ask.sizes(10, 10_000):
            while len(lines) < size:
                lines.append(await open_lasting(bench.port, token, "r"))
            point = await _flowing(bench, ask, Flow(lines, ["r"], each=size), size)
            point.values["CPU µs per message"] = point.values[ALL] * size
            yield point


async def rooms(stage: Stage, ask: Ask) -> AsyncIterator[Point]:
    """Live rooms of one subscriber each; always as many connections, which share them."""
    async with stage.bench(ask.seconds) as bench:
        token = await bench.app.token("ann")
        lines = [await open_lasting(bench.port, token) for _ in range(CONNECTIONS)]
        names: list[str] = []
        for size in ask.sizes(CONNECTIONS, 10_000):
            new = [f"r{number}" for number in range(len(names), size)]
            await _make_rooms(bench, new)
            await asyncio.gather(*(follow_all(line, new[place::CONNECTIONS]) for place, line in enumerate(lines)))
            names += new
            await tend(stage.database_url)
            yield await _flowing(bench, ask, Flow(lines, names, each=1), size)


async def messages(stage: Stage, ask: Ask) -> AsyncIterator[Point]:
    """Rooms of many messages, opened by one client after the other, up to the last 50 in hand."""
    async with stage.bench(ask.seconds) as bench:
        await bench.app.room("first", ("ann",))
        await fill(stage.database_url, bench.app.id, ["first"], 100)
        await workloads.w4_cold(bench, ["first"], once=True)  # what a first opening makes a process load is no room's
        for size in ask.sizes(100, 1_000_000):
            names = [f"m{size}-{number}" for number in range(LARGE_ROOMS)]
            await _make_rooms(bench, names)
            await fill(stage.database_url, bench.app.id, names, size)
            await asyncio.sleep(SETTLE_S)
            nobodys = await workloads.w4_cold(bench, names, once=True)
            holder = await open_lasting(bench.port, await bench.app.token("ann"), names[0])
            cold = functools.partial(workloads.w4_cold, bench, names[:1])
            live = await _median(ask, cold, lambda each: each.percentile_ms(0.5))
            holder.close()
            yield Point(size, {NOBODYS: nobodys.percentile_ms(0.5), LIVE: live.percentile_ms(0.5)})


async def rows(stage: Stage, ask: Ask) -> AsyncIterator[Point]:
    """W1 over sockets, beside more and more rows of other rooms in the table that it writes to."""
    async with stage.bench(ask.seconds) as bench:
        await workloads.w1_rooms(bench)
        others = [f"other-{number}" for number in range(FILLED_ROOMS)]
        await _make_rooms(bench, others)
        for size in ask.sizes(10_000, ask.rows):
            missing = size - await count_rows(stage.database_url)
            await fill(stage.database_url, bench.app.id, others, max(0, missing // FILLED_ROOMS))
            await asyncio.sleep(SETTLE_S)
            found = await _median(ask, lambda: workloads.w1_socket(bench), _cpu_us)
            yield Point(size, _shares(found) | {"messages/s": found.per_s, "ack p99 ms": found.percentile_ms(0.99)})


async def processes(stage: Stage, ask: Ask) -> AsyncIterator[Point]:
    """One room whose subscribers are spread over the processes that there are."""
    async with stage.bench(ask.seconds) as bench:
        await bench.app.room("r", ("ann",))
        token = await bench.app.token("ann")
        count, ports = min(SPREAD_SUBSCRIBERS, ask.largest), [service.port for service in stage.services]
        lines = [await open_lasting(ports[number % len(ports)], token, "r") for number in range(count)]
        yield await _flowing(bench, ask, Flow(lines, ["r"], each=count), len(ports))


DELIVERY = "CPU µs per delivery"
SERIES: dict[str, tuple[Measure, Series]] = {
    series.name: (measuring, series)
    for measuring, series in (
        (
            subscribers,
            Series("subscribers", "Subscribers in one room", "subscribers in the room", DELIVERY, (ALL, SERVICE)),
        ),
        (rooms, Series("rooms", "Live rooms", "live rooms", DELIVERY, (ALL, SERVICE))),
        (messages, Series("messages", "Messages in a room", "messages in the room", "ms to open", (NOBODYS, LIVE))),
        (
            rows,
            Series("rows", "Rows in the log", "rows in the events table", "CPU µs per message", (ALL, POSTGRES)),
        ),
        (processes, Series("processes", "Processes", "processes of the service", DELIVERY, (ALL, SERVICE))),
    )
}
PROCESSES = {"processes": (1, 2)}
"""For each series the processes of the service on the stages that it is measured on; one where nothing stands here."""
