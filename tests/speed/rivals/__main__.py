"""`./test rivals`: W1–W5 on Roomlog and on two rivals in one run, with one driver.

The rivals are ejabberd, with its rooms' archive in PostgreSQL, and a chat as a team writes it by hand: Socket.IO and
PostgreSQL. One core carries the whole server side of one system at a time, its database included; the driver has another.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from api.embedded import NoServer
from tests.speed.loops import Figures
from tests.speed.machine import cores, pinned
from tests.speed.rivals import ejabberd, roomlog, socket_io
from tests.speed.rivals.rival import System
from tests.speed.rivals.servers import Missing, new_folder, postgres_version
from tests.speed.rivals.table import CPU, KIB, LOAD, P50, P99, PER_S, Table

RESULTS = Path(__file__).parent / "RESULTS.md"
ALL = ("w5", "w1", "w2", "w3", "w4")
"""W5 first: what earlier connections have left in a process's hands is used again, and would hide what new ones take."""

Start = Callable[[Path, int, float], AbstractAsyncContextManager[System]]
SYSTEMS: dict[str, tuple[Callable[[], object] | None, Start]] = {
    "roomlog": (None, roomlog.roomlog),
    "ejabberd": (ejabberd.find, ejabberd.ejabberd),
    "socketio": (socket_io.install, socket_io.socket_io),
}
"""How each is got ready, once and before anything is measured, and how it is started."""


@dataclass(frozen=True)
class Sizes:
    """How large the workloads are."""

    subscribers: list[int]
    large: int
    """Messages in the room of W4."""
    idle: int
    """Connections of W5."""


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="./test rivals", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of all that is measured; the medians count")
    parser.add_argument("--only", type=_some_of(ALL), default=ALL, help=f"some of {', '.join(ALL)}")
    parser.add_argument("--systems", type=_some_of(list(SYSTEMS)), default=list(SYSTEMS), help=", ".join(SYSTEMS))
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--subscribers", type=_numbers, default=[100, 1_000], help="of w2")
    parser.add_argument("--large", type=int, default=10_000, help="messages in the room of w4")
    parser.add_argument("--idle", type=int, default=1_000, help="connections of w5")
    given = parser.parse_args()
    table = Table(given.seconds, given.runs, shlex.join(["./test", "rivals", *sys.argv[1:]]))
    sizes = Sizes(given.subscribers, given.large, given.idle)
    core, drivers = cores()
    try:
        for name in given.systems:
            get_ready, _ = SYSTEMS[name]
            if get_ready is not None:
                get_ready()
        table.versions["PostgreSQL"] = postgres_version()
        # The systems take turns, so that a moment when the machine is slow is nobody's alone.
        for name in given.systems * given.runs:
            _, start = SYSTEMS[name]
            with new_folder() as folder, pinned(drivers):
                uvloop.run(_measure(table, start(folder, core, table.seconds), given.only, sizes))
    except (Missing, NoServer) as missing:
        print(missing, file=sys.stderr)
        return 1
    print(f"\n{table.markdown()}")
    if given.json:
        table.write_json(given.json)
    if given.save:
        RESULTS.write_text(table.page())
    return 0


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Make what reads names; they are wanted in the order of `known`."""

    def parse(text: str) -> list[str]:
        wanted = set(text.split(","))
        if unknown := wanted.difference(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(known)}")
        return [name for name in known if name in wanted]

    return parse


async def _measure(table: Table, starting: AbstractAsyncContextManager[System], only: list[str], sizes: Sizes) -> None:
    async with starting as system:
        table.versions[system.name] = system.version
        await Turn(table, system, sizes).all(only)


class Turn:
    """One system's turn in one run."""

    def __init__(self, table: Table, system: System, sizes: Sizes) -> None:
        """Measure a system into a table."""
        self._table, self._system, self._sizes = table, system, sizes

    async def all(self, only: list[str]) -> None:
        """Measure everything that is in `only`."""
        parts = {"w1": self._w1, "w2": self._w2, "w3": self._w3, "w4": self._w4, "w5": self._w5}
        for name in only:
            await parts[name]()

    def _add(self, workload: str, what: str, value: float) -> None:
        self._table.add(workload, what, self._system.name, value)

    def _add_rate(self, workload: str, found: Figures) -> None:
        self._add(workload, PER_S, found.per_s)
        self._add_cpu(workload, found)
        self._add(workload, LOAD, found.span.driver_load)

    def _add_cpu(self, workload: str, found: Figures) -> None:
        self._add(workload, CPU, found.cpu_ms_per_1000)

    def _add_delay(self, workload: str, found: Figures) -> None:
        self._add(workload, P50, found.percentile_ms(0.5))
        self._add(workload, P99, found.percentile_ms(0.99))

    async def _w1(self) -> None:
        found = await self._system.w1()
        self._add_rate("W1", found)
        self._add_delay("W1", found)

    async def _w2(self) -> None:
        for subscribers in self._sizes.subscribers:
            name = f"W2 N={subscribers}"
            self._add_rate(name, await self._system.w2(subscribers))
            self._add_delay(f"{name}, one in flight", await self._system.w2_latency(subscribers))

    async def _w3(self) -> None:
        found = await self._system.w3()
        self._add_delay("W3", found)
        self._add_cpu("W3", found)

    async def _w4(self) -> None:
        await self._system.w4_room(self._sizes.large)
        found = await self._system.w4_cold()
        self._add_delay("W4 cold", found)
        self._add_cpu("W4 cold", found)
        self._add_delay("W4 warm", await self._system.w4_warm())

    async def _w5(self) -> None:
        self._add("W5", KIB, await self._system.w5(self._sizes.idle) / 1024)


if __name__ == "__main__":
    sys.exit(main())
