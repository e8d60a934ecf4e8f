"""`./test speed`: W1–W5 on the real service, beside their goals and beside what this machine can do at best today.

One core carries the whole server side, its database included; the driver has another. Absolute figures move with the
machine and the day: quote the ratios.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio
import uvloop

from api.embedded import servers
from api.migrate import migrate
from tests.speed import limits, workloads
from tests.speed.loops import IN_FLIGHT, Figures
from tests.speed.machine import Servers, cores, pinned
from tests.speed.report import Goal, Report, Row
from tests.speed.workloads import Bench
from tests.support.plain import plain_client
from tests.support.processes import ROOT, Service, new_settings, running_service
from tests.support.world import App, new_app

RESULTS = Path(__file__).parent / "RESULTS.md"
ALL = ("w5", "w1", "rest", "w2", "w3", "w4")
"""W5 first: what earlier connections have left in the process's hands is used again, and would hide what new ones take."""
LARGE_ROOMS = 20
FILLED = 20
"""Messages in each room of W1 before it begins."""
PLENTY = 1_000_000
PER_S, CPU, P50, P99 = "per s", "CPU ms per 1,000", "p50 ms", "p99 ms"
GOALS = {
    ("W1 socket", PER_S): Goal(16_000, at_least=True),
    ("W1 socket", CPU): Goal(60, at_least=False),
    ("W1 socket", P99): Goal(6, at_least=False),
    ("W1 REST", PER_S): Goal(5_000, at_least=True),
    ("W2 N=100", PER_S): Goal(400_000, at_least=True),
    ("W2 N=100", CPU): Goal(2.2, at_least=False),
    ("W2 N=1000", PER_S): Goal(700_000, at_least=True),
    ("W2 N=1000", CPU): Goal(1.4, at_least=False),
    ("W3", P50): Goal(1.0, at_least=False),
    ("W3", P99): Goal(2.5, at_least=False),
    ("W3", CPU): Goal(100, at_least=False),
    ("W4 cold, nobody's", P50): Goal(1.5, at_least=False),
    ("W4 cold, live", P50): Goal(0.6, at_least=False),
    ("W4 warm, live", P50): Goal(0.35, at_least=False),
    ("W5", "KiB per connection"): Goal(10, at_least=False),
}
"""Of one core, database included, with auth, rules, idempotency and the audit on."""


@dataclass(frozen=True)
class Sizes:
    """How large the workloads are."""

    subscribers: list[int]
    large: int
    """Messages in each room of W4."""
    idle: int
    """Connections of W5."""


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="./test speed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; the median counts")
    parser.add_argument("--only", type=lambda text: text.split(","), default=ALL, help=f"some of {', '.join(ALL)}")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--subscribers", type=_numbers, default=[100, 1_000], help="of w2")
    parser.add_argument("--large", type=int, default=10_000, help="messages in each of the rooms of w4")
    parser.add_argument("--idle", type=int, default=1_000, help="connections of w5")
    given = parser.parse_args()
    core, drivers = cores()
    report = Report(given.seconds, given.runs)
    with tempfile.TemporaryDirectory(prefix="roomlog-speed-") as name, pinned(core):
        folder = Path(name)
        with servers(folder / "stores", os.environ, durable=True) as stores:
            migrate(stores.database_url, ROOT / "migrations")
            environment = new_settings(stores.database_url, stores.redis_url)
            with running_service(environment, folder / "log") as service, pinned(drivers):
                postmaster = next(stores.data.glob("pg[0-9]*")) / "postmaster.pid"
                run = Run(report, core, Sizes(given.subscribers, given.large, given.idle))
                pid = int(postmaster.read_text().split()[0])
                uvloop.run(run.all(given.only, service, stores.database_url, stores.redis_url, pid))
    if given.json:
        report.write_json(given.json)
    if given.save:
        RESULTS.write_text(report.page("./test speed --save"))
    return 0


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


class Run:
    """One run of the bench."""

    def __init__(self, report: Report, core: int, sizes: Sizes) -> None:
        """Measure into `report` what a service and its stores do on one core."""
        self._report, self._core, self._sizes = report, core, sizes
        self._bench: Bench
        self._app: App
        self._database_url = ""
        self._redis_url = ""

    async def all(self, only: list[str], service: Service, database_url: str, redis_url: str, postmaster: int) -> None:
        """Measure everything that is in `only`, each with its limits first."""
        self._database_url, self._redis_url = database_url, redis_url
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            redis_pid = (await client.info("server"))["process_id"]
        assert service.process is not None
        pids = Servers(service.process.pid, postmaster, redis_pid)
        quotas = {"user_connections": PLENTY, "app_connections": PLENTY}
        async with plain_client(service.url) as http:
            self._app = await new_app(service, http, limits=quotas)
            self._bench = Bench(self._app, pids, self._report.seconds)
            parts = {
                "w1": self._w1,
                "rest": self._rest,
                "w2": self._w2,
                "w3": self._w3,
                "w4": self._w4,
                "w5": self._w5,
            }
            for name in only:
                await parts[name]()

    async def _median(self, measure: Callable[[], Awaitable[Figures]], by: Callable[[Figures], float]) -> Figures:
        """Measure several times; the run whose figure is the median speaks for all."""
        runs = [await measure() for _ in range(self._report.runs)]
        middle = statistics.median_low(by(each) for each in runs)
        return next(each for each in runs if by(each) == middle)

    def _add(self, workload: str, what: str, value: float, *, limit: float | None = None, load: float = 0.0) -> None:
        self._report.add(Row(workload, what, value, GOALS.get((workload, what)), limit, load))

    def _add_rate(self, workload: str, found: Figures, limit: float | None = None) -> None:
        self._add(workload, PER_S, found.per_s, limit=limit, load=found.span.driver_load)
        self._add_cpu(workload, found)

    def _add_delay(self, workload: str, found: Figures, limit: float | None = None) -> None:
        self._add(workload, P50, found.percentile_ms(0.5), limit=limit, load=found.span.driver_load)
        self._add(workload, P99, found.percentile_ms(0.99))

    def _add_cpu(self, workload: str, found: Figures) -> None:
        self._add(workload, CPU, found.cpu_ms_per_1000)
        for name, used in found.span.cpu_s.items():
            self._add(workload, f"… of which {name}", used * 1_000_000 / found.count)

    async def _w1(self) -> None:
        names = await workloads.w1_rooms(self._bench)
        await limits.fill(self._database_url, self._app.id, names, FILLED)
        best = await limits.best_store(self._core, self._database_url, self._app.id, self._report.seconds)
        limit = best["count"] / best["wall_s"]
        self._add("limit", f"append alone, {limits.BATCH} a call, per s", limit)
        found = await self._median(lambda: workloads.w1_socket(self._bench), lambda each: each.per_s)
        self._add_rate("W1 socket", found, limit)
        self._add_delay("W1 socket", found)

    async def _rest(self) -> None:
        names = await workloads.w1_rooms(self._bench)
        await limits.fill(self._database_url, self._app.id, names, FILLED)
        found = await self._median(lambda: workloads.w1_rest(self._bench), lambda each: each.per_s)
        self._add_rate("W1 REST", found)
        self._add_delay("W1 REST", found)

    async def _w2(self) -> None:
        best = await limits.best_redis(self._core, self._redis_url.removeprefix("unix://"), self._report.seconds)
        self._add("limit", "read from Redis, messages per s", best["count"] / best["wall_s"])
        for subscribers in self._sizes.subscribers:
            await self._w2_of(subscribers)

    async def _w2_of(self, subscribers: int) -> None:
        name, limit = f"W2 N={subscribers}", 0.0
        for joined in (1, IN_FLIGHT):
            best = await limits.best_writes(self._core, subscribers, joined, self._report.seconds)
            limit = best["count"] / best["wall_s"]
            self._add("limit", f"writes, {joined} joined, N={subscribers}, per s", limit)
        found = await self._median(lambda: workloads.w2_throughput(self._bench, subscribers), lambda each: each.per_s)
        self._add_rate(name, found, limit)
        found = await self._median(
            lambda: workloads.w2_latency(self._bench, subscribers), lambda each: each.percentile_ms(0.99)
        )
        self._add_delay(f"{name}, one in flight", found)

    async def _trips(self) -> dict[str, float]:
        """Measure what one message or one opening waits for where nobody else is under way."""
        await self._app.room("trips", ("ann",))
        path = self._redis_url.removeprefix("unix://")
        trips = await limits.best_trips(self._core, self._database_url, self._app.id, path, self._report.seconds)
        told = {
            "redis": "asking Redis",
            "append": "one append",
            "echo": "there and back by Redis",
            "read": "one small read",
        }
        for name, what in told.items():
            self._add("limit", f"{what}, p50 ms", trips[name])
        return trips

    async def _w3(self) -> None:
        trips = await self._trips()
        found = await self._median(lambda: workloads.w3_steady(self._bench), lambda each: each.percentile_ms(0.99))
        self._add_delay("W3", found, trips["redis"] + trips["append"] + trips["echo"])
        self._add_cpu("W3", found)

    async def _w4(self) -> None:
        trips = await self._trips()
        names = [f"w4-{number}" for number in range(LARGE_ROOMS)]
        for name in names:
            await self._app.room(name, ("ann",))
        await limits.fill(self._database_url, self._app.id, names, self._sizes.large)
        live = names[:1]
        # A process keeps a room for a while that nobody reads any more: each of the others is opened once.
        self._add_delay("W4 cold, nobody's", await workloads.w4_cold(self._bench, names[1:], once=True))
        holder = await self._bench.line()
        await workloads.follow(holder, live[0])
        found = await self._median(lambda: workloads.w4_cold(self._bench, live), lambda each: each.percentile_ms(0.5))
        self._add_delay("W4 cold, live", found)
        self._add_cpu("W4 cold, live", found)
        found = await self._median(lambda: workloads.w4_warm(self._bench, live), lambda each: each.percentile_ms(0.5))
        self._add_delay("W4 warm, live", found, trips["redis"] + trips["read"])
        holder.close()

    async def _w5(self) -> None:
        grown = await workloads.w5_memory(self._bench, self._sizes.idle)
        self._add("W5", "KiB per connection", grown / 1024)


if __name__ == "__main__":
    sys.exit(main())
