"""`./test memory`: what the service has in memory for what is idle, and that reconnecting leaves nothing behind.

Each number of connections has a service of its own: what earlier ones have left in a process's hands is used again, and
would hide what new ones take.
"""

import argparse
import asyncio
import itertools
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import uvloop

from api.tails.tail import RING_EVENTS
from tests.speed.growth.flow import Flow
from tests.speed.growth.lasting import follow_all, open_lasting
from tests.speed.growth.points import number
from tests.speed.growth.stage import Stage, stage
from tests.speed.lines import UPGRADE, Line
from tests.speed.loops import PATIENCE_S, ROOMS
from tests.speed.machine import resident_bytes
from tests.speed.report import machine
from tests.speed.workloads import SETTLE_S, Bench, message

PAGE = Path(__file__).parent / "MEMORY.md"
GOAL_KIB = 10.0
"""Of an idle, authenticated, subscribed connection."""
LIVE_ROOMS = 1_000
"""At most; one connection may follow so many."""
CLIENTS, RESUMED_ROOMS = 50, 4
"""That reconnect, and that they follow."""
PAUSE_S = 0.1
"""How long a client stays, so that the core is not full."""
SAY_EVERY_S = 0.02
WARM_UP_S = 10.0
"""Until what a process takes once is there: the first garbage, the rooms' joined events."""
SAMPLES = 400
MOST_SAMPLES_PER_S = 10.0
SUBSCRIBED, RESUMED, LATE = b'"type":"subscribed"', b'"resumed":true', b"HTTP/1.1 503"
_CURSOR = re.compile(rb'"cursor":"([^"]+)"')


@dataclass(frozen=True)
class Idle:
    """What so many idle connections weigh, in KiB each."""

    connections: int
    unsubscribed: float
    subscription: float
    live_room: float
    """With the one subscription that keeps it alive."""

    @property
    def subscribed(self) -> float:
        """A connection that follows one room."""
        return self.unsubscribed + self.subscription


@dataclass
class Reconnecting:
    """What reconnecting over and over has left behind."""

    seconds: float
    reconnects: int = 0
    refused: int = 0
    """Upgrades answered with 503: the machine was busy with other things."""
    resident: list[int] = field(default_factory=list)
    """Bytes, at even distances."""

    @property
    def grown_kib(self) -> float:
        """How much more memory there was in the last quarter of the time than in the second: in the first, all is taken once."""
        quarter = max(1, len(self.resident) // 4)
        return (
            statistics.mean(self.resident[-quarter:]) - statistics.mean(self.resident[quarter : 2 * quarter])
        ) / 1024

    @property
    def kib_per_1000(self) -> float:
        """The same for 1,000 of the reconnects between those two quarters' middles."""
        return self.grown_kib / (self.reconnects * 0.5 / 1_000)


def main() -> int:
    """Measure both."""
    parser = argparse.ArgumentParser(prog="./test memory", description=__doc__)
    parser.add_argument("--connections", type=_numbers, default=[1_000, 10_000], help="idle ones, such as 1000,10000")
    parser.add_argument(
        "--seconds", type=float, default=3_600.0, help="of reconnecting; 20 for a quick look, 0 for none"
    )
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--save", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    idle: list[Idle] = []
    for connections in given.connections:
        with stage() as on:
            idle.append(uvloop.run(_idle(on, connections)))
    again = Reconnecting(given.seconds)
    if given.seconds:
        with stage() as on:
            uvloop.run(_reconnect(on, again))
    table = _table(idle, again)
    print(table)
    if given.json:
        told = {"idle": [asdict(each) for each in idle], "reconnecting": asdict(again)}
        given.json.write_text(json.dumps({"machine": machine(), "at": time.time(), **told}, indent=1) + "\n")
    if given.save:
        command = (
            f"./test memory --connections {','.join(map(str, given.connections))} --seconds {given.seconds:g} --save"
        )
        PAGE.write_text(
            f"# Memory\n`{command}`, {time.strftime('%Y-%m-%d')}, {machine()}: resident memory of one process of the service. "
            f"The goal is {GOAL_KIB:g} KiB for an idle connection that is authenticated and follows a room.\n\n{table}\n"
        )
    return 0


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _table(idle: Sequence[Idle], again: Reconnecting) -> str:
    rows = [["figure", "value", "goal"], ["---", "---:", "---:"]]
    for each in idle:
        of = f"of {each.connections:,} idle connections"
        rows += [
            [f"KiB for each {of}, following nothing", number(each.unsubscribed), ""],
            [f"KiB for a subscription {of}", number(each.subscription), ""],
            [f"KiB for each {of}, following a room", number(each.subscribed), f"≤ {GOAL_KIB:g}"],
            ["KiB for a live room and its one subscription, beside them", number(each.live_room), ""],
        ]
    if again.reconnects:
        rows += [
            [f"reconnects, each resumed, in {again.seconds:,.0f} s", f"{again.reconnects:,}", ""],
            ["upgrades that were told to come back", f"{again.refused:,}", ""],
            ["MiB in memory at the beginning, after each quarter", _quarters(again), ""],
            ["KiB more in the last quarter than in the second", f"{again.grown_kib:,.0f}", "0"],
            ["KiB for 1,000 reconnects", f"{again.kib_per_1000:,.2f}", "0"],
        ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _quarters(again: Reconnecting) -> str:
    last = len(again.resident) - 1
    return ", ".join(f"{again.resident[quarter * last // 4] / 2**20:.1f}" for quarter in range(5))


async def _idle(on: Stage, connections: int) -> Idle:
    async with on.bench(0) as bench:
        names = await _rooms(bench, "followed", ROOMS)
        more = await _rooms(bench, "live", min(connections, LIVE_ROOMS))
        # What the first ones make the process load is not theirs; and so the rooms of the others are live already.
        token = await bench.app.token("ann")
        first = [await open_lasting(bench.port, token, name) for name in names]
        holder = await open_lasting(bench.port, token)
        resident = [await _settled(bench)]
        lines = [await open_lasting(bench.port, token) for _ in range(connections)]
        resident.append(await _settled(bench))
        for line, name in zip(lines, itertools.cycle(names)):
            await follow_all(line, [name])
        resident.append(await _settled(bench))
        await follow_all(holder, more)
        resident.append(await _settled(bench))
        assert not any(line.ended.done() for line in (*first, holder, *lines)), (
            "the service has closed idle connections"
        )
    grown = [(after - before) / 1024 for before, after in itertools.pairwise(resident)]
    return Idle(connections, grown[0] / connections, grown[1] / connections, grown[2] / len(more))


async def _rooms(bench: Bench, name: str, count: int) -> list[str]:
    names = [f"{name}-{number}" for number in range(count)]
    for each in names:
        await bench.app.room(each, ("ann",))
    return names


async def _settled(bench: Bench) -> int:
    await asyncio.sleep(SETTLE_S)
    return resident_bytes(bench.servers.service)


async def _reconnect(on: Stage, again: Reconnecting) -> None:
    async with on.bench(0) as bench:
        names = await _rooms(bench, "resumed", RESUMED_ROOMS)
        readers = [await open_lasting(bench.port, await bench.app.token("ann"), name) for name in names]
        # A room's last events stay in memory, up to so many: they are there before anything is measured.
        flow = Flow(readers, names, each=1)
        while flow.delivered < RESUMED_ROOMS * RING_EVENTS:
            await flow.run(SETTLE_S)
        async with asyncio.TaskGroup() as tasks:
            clients = [
                tasks.create_task(_come_and_go(bench, names[number % RESUMED_ROOMS], again))
                for number in range(CLIENTS)
            ]
            speaker = tasks.create_task(_speak(readers[-1], names))
            await asyncio.sleep(min(WARM_UP_S, again.seconds))
            again.reconnects = 0
            await _watch(bench, again)
            for task in (*clients, speaker):
                task.cancel()


async def _watch(bench: Bench, again: Reconnecting) -> None:
    count = max(4, round(min(SAMPLES, again.seconds * MOST_SAMPLES_PER_S)))
    for _ in range(count):
        await asyncio.sleep(again.seconds / count)
        again.resident.append(resident_bytes(bench.servers.service))


async def _speak(line: Line, names: Sequence[str]) -> None:
    for name in itertools.cycle(names):
        line.say(message(name))
        await asyncio.sleep(SAY_EVERY_S)


async def _come_and_go(bench: Bench, room: str, again: Reconnecting) -> None:
    """Open a connection, read for a moment, hang up, and resume on the next one from the last cursor."""
    token = await bench.app.token("ann")
    wish: dict[str, object] = {"room": room, "last": 0}
    while True:
        heard = bytearray()
        line = await Line.to(bench.port)
        line.heard = heard.extend
        line.say(UPGRADE.format(query=f"?rooms={quote(json.dumps([wish]))}", credential=token).encode())
        async with asyncio.timeout(PATIENCE_S):
            while SUBSCRIBED not in heard and not line.ended.done():
                await asyncio.sleep(PAUSE_S)
        line.close()
        if SUBSCRIBED not in heard:
            # A process whose loop is late takes nobody new for a while.
            assert heard.startswith(LATE), bytes(heard[:300])
            again.refused += 1
            continue
        if "cursor" in wish:
            assert RESUMED in heard, bytes(heard[:1_000])
            again.reconnects += 1
        wish = {"room": room, "cursor": _CURSOR.findall(heard)[-1].decode()}


if __name__ == "__main__":
    sys.exit(main())
