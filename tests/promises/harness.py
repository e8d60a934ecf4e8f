"""One run: a cluster, its users, its faults, and the verdict."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2

from api.ids import RoomId
from api.log.epochs import Epochs
from api.log.event import event_json
from api.log.read import Reader
from tenants.ids import parse_app_name
from tenants.postgres import Postgres
from tests.promises.checks import Log, Verdict, check
from tests.promises.cluster import Cluster, running_cluster
from tests.promises.history import History, Room
from tests.promises.workload import PRIVATE_ROOM, Workload
from tests.support.world import App, new_app

QUIESCENCE_S = 5.0
"""What has not arrived so long after the last fault is lost."""
REDIS_AWAY_S = 10.0
STOPPED_S = 3.0
BUSY_ROOMS = 12
QUIET_ROOMS = 8


@dataclass
class Options:
    """What a run is like."""

    seconds: float = 20.0
    seed: int = 1
    writers: int = 30
    subscribers: int = 100
    processes: int = 3
    faults: list[str] = field(default_factory=lambda: ["redis", "kill", "stop"])
    without_audit: bool = False
    lose: float = 0.5
    pause_s: float = 0.1


@dataclass
class Outcome:
    """What a run has shown."""

    verdict: Verdict
    history: History


def run(options: Options, folder: Path) -> Outcome:
    """Run from the main thread: the servers' lives hang on it."""
    planted = {"PROMISES_LOSE": str(options.lose)}
    if options.without_audit:
        planted["PROMISES_WITHOUT_AUDIT"] = "1"
    with running_cluster(folder, options.processes, planted) as cluster:
        return asyncio.run(_run(cluster, options))


async def _run(cluster: Cluster, options: Options) -> Outcome:
    history = History()
    chance = random.Random(options.seed)
    async with httpx2.AsyncClient(base_url=cluster.services[0].url, timeout=30) as http:
        apps = [await new_app(cluster.services[0], http) for _ in range(2)]
        await furnish(apps, options)
        workload = Workload(apps, cluster.services, history, chance)
        await use(workload, cluster, options)
        await workload.http.aclose()
    log, keys = await read_log(cluster.database_url, [app.id for app in apps])
    return Outcome(check(history, log, keys), history)


async def furnish(apps: list[App], options: Options) -> None:
    """Give every app the same users and rooms."""
    users = [f"w{number}" for number in range(options.writers)]
    for app in apps:
        for start in range(0, len(users), 10):
            await asyncio.gather(*(app.token(user) for user in users[start : start + 10]))
        for user in ("reader", "guest"):
            await app.token(user)
        names = [f"busy{n}" for n in range(BUSY_ROOMS)] + [f"quiet{n}" for n in range(QUIET_ROOMS)]
        for name in names:
            await app.room(name, tuple(users))
        await app.room(PRIVATE_ROOM, (*users, "guest"), private=True)


async def use(workload: Workload, cluster: Cluster, options: Options) -> None:
    busy = [f"busy{n}" for n in range(BUSY_ROOMS)]
    quiet = [f"quiet{n}" for n in range(QUIET_ROOMS)]
    chance = workload.chance
    async with asyncio.TaskGroup() as readers:
        for number in range(options.subscribers):
            rooms = [*chance.sample(busy, 2), *chance.sample(quiet, 2)]
            user = "guest" if number % 10 == 9 else "reader"
            if user == "guest":
                rooms.append(PRIVATE_ROOM)
            readers.create_task(workload.subscribe(number, rooms, user))
        async with asyncio.TaskGroup() as writers:
            for number in range(options.writers):
                writers.create_task(workload.write(number, [*busy, PRIVATE_ROOM], options.pause_s))
            for app in workload.apps:
                for room in quiet:
                    writers.create_task(workload.write_quietly(app, room, options.seconds))
            writers.create_task(workload.edit(busy))
            writers.create_task(workload.remove_and_add(PRIVATE_ROOM))
            await inject(cluster, workload.history, options)
            workload.writing = False
        await settle(workload.history)
        workload.reading = False


async def inject(cluster: Cluster, history: History, options: Options) -> None:
    """Inject the faults one after the other, spread over the run."""
    end = time.monotonic() + options.seconds
    pause_s = options.seconds / (len(options.faults) + 1) / 2
    for name in options.faults:
        await asyncio.sleep(pause_s)
        began = time.monotonic()
        await FAULTS[name](cluster, options)
        history.faults.append((name, began, time.monotonic()))
    await asyncio.sleep(max(0.0, end - time.monotonic()))


async def settle(history: History) -> None:
    """Wait until everybody has what was acknowledged, or for as long as may be."""
    deadline = time.monotonic() + QUIESCENCE_S
    await asyncio.sleep(1.0)
    while time.monotonic() < deadline:
        newest: dict[int, int] = {}
        for run in history.runs:
            newest[id(run)] = run.last
        if all(run.ended or run.last >= history.newest_ack[run.room] for run in history.runs):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)


async def redis_away(cluster: Cluster, options: Options) -> None:
    cluster.kill_redis()
    await asyncio.sleep(min(REDIS_AWAY_S, options.seconds / 2))
    cluster.start_redis()


async def kill_process(cluster: Cluster, _: Options) -> None:
    victim = cluster.services[1 % len(cluster.services)]
    await asyncio.to_thread(victim.end, signal.SIGKILL)
    await asyncio.sleep(0.5)
    victim.spawn()
    await asyncio.to_thread(victim.await_ready)


async def stop_process(cluster: Cluster, _: Options) -> None:
    victim = cluster.services[-1]
    victim.send(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    victim.send(signal.SIGCONT)


FAULTS: dict[str, Callable[[Cluster, Options], Awaitable[None]]] = {
    "redis": redis_away,
    "kill": kill_process,
    "stop": stop_process,
}


async def read_log(database_url: str, app_names: list[str]) -> tuple[Log, dict[Room, list[str]]]:
    """Read the logs of all rooms of these apps straight from PostgreSQL."""
    log: Log = {}
    keys: dict[Room, list[str]] = {}
    epochs = Epochs()
    connection = await asyncpg.connect(database_url)
    async with Postgres.open(database_url) as postgres:
        await epochs.check(connection)
        reader = Reader(postgres, epochs)
        for name in app_names:
            app = parse_app_name(name)
            rows = await connection.fetch("SELECT * FROM rooms WHERE app_id = $1", app)
            for row in rows:
                events = await connection.fetch(
                    "SELECT * FROM events WHERE app_id = $1 AND room = $2 ORDER BY seq", app, row["room"]
                )
                room = (name, row["room_id"])
                log[room] = [_frame(event_json(reader.event(event), RoomId(row["room_id"]))) for event in events]
                keys[room] = [f"{event['sender']}:{event['key_hash'].hex()}" for event in events]
                assert len(events) == row["head_seq"], "the head is not the newest event's"
    await connection.close()
    return log, keys


def _frame(text: str) -> dict[str, object]:
    import json

    return dict(json.loads(text))
