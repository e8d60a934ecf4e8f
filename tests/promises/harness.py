"""One run: a cluster, its users, its faults, and the verdict."""

import asyncio
import contextlib
import json
import os
import random
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
import msgspec

from api.ids import RoomId
from api.log.epochs import Epochs
from api.log.event import event_json
from api.log.read import Reader
from tenants.ids import parse_app_name
from tenants.postgres import Postgres
from tests.promises.checks import Evidence, Resources, Verdict, check
from tests.promises.cluster import Cluster, running_cluster
from tests.promises.faults import BESIDE, FAULTS, Scene, behind_proxies, inject
from tests.promises.history import History, as_text
from tests.promises.model import Log, RoomLog
from tests.promises.people import People
from tests.promises.workload import FICKLE, Crowd, Workload
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.world import new_app

CALM_S = (0.5, 2.5)
"""From the end of one fault to the next."""
AT_ONCE = 0.25
"""How often a second fault happens beside the first."""
LOOK_S = 0.05
SLACK = {
    "connections": 0,
    "subscriptions": 0,
    "rooms_open": 0,
    "lane_queue": 0,
    "files": 40,
    "rss_mib": 120,
    "redis channels": 0,
    "postgres connections": 30,
}
"""By how much what a cluster holds may grow in a run: pools fill, and nothing else stays."""


PLANTED = {"PROMISES_LOSE": "0.5", "PROMISES_TARDY_S": "0.3", "PROMISES_HASTE": "1"}
"""What is planted in every run, see `launch`."""


@dataclass
class Options:
    """What a run is like."""

    seconds: float = 20.0
    seed: int = 1
    processes: int = 3
    apps: int = 4
    faults: list[str] = field(default_factory=list)
    mutant: str | None = None
    deliveries: int = 0
    """The run goes on, to thrice its time, until so much was delivered: on a busy machine too it is to prove something."""
    patience_s: float = 12.0
    """What has not arrived, or has not been let go of, so long after the last fault never will."""
    crowd: Crowd = field(default_factory=Crowd)


@dataclass
class Outcome:
    """What a run has shown."""

    verdict: Verdict
    history: History


def run(options: Options, folder: Path) -> Outcome:
    """Run from the main thread: the servers' lives hang on it."""
    planted = dict(PLANTED)
    if options.mutant is not None:
        planted["PROMISES_MUTANT"] = options.mutant
    with running_cluster(folder, options.processes, planted) as cluster:
        return asyncio.run(run_on(cluster, options))


async def run_on(cluster: Cluster, options: Options) -> Outcome:
    """Run on a cluster that stands."""
    chance = random.Random(options.seed)
    async with contextlib.AsyncExitStack() as stack:
        scene = Scene(cluster, chance)
        await behind_proxies(scene, stack)
        operator = await stack.enter_async_context(public_client(cluster.services[0].url))
        http = await stack.enter_async_context(
            httpx2.AsyncClient(timeout=4, limits=httpx2.Limits(max_keepalive_connections=12))
        )
        apps = [await new_app(cluster.services[0], operator) for _ in range(options.apps)]
        history = History({app.id: app.id for app in apps}, FICKLE)
        workload = Workload(People(apps, scene, history, chance, http), options.crowd, options.patience_s)
        await workload.furnish()
        resources = Resources(before=await _held(cluster), bounds=SLACK)
        await _use(workload, scene, options)
        resources.after = await _let_go(cluster, resources, options.patience_s)
        resources.complaints = _complaints(cluster)
        log = await read_log(cluster.database.primary.url, [app.id for app in apps])
    return Outcome(check(Evidence(history, log, resources)), history)


async def _use(workload: Workload, scene: Scene, options: Options) -> None:
    people = workload.people
    async with asyncio.TaskGroup() as readers:
        readers.create_task(_watch_oneself(people))
        workload.read(readers)
        async with asyncio.TaskGroup() as writers:
            await workload.write(options.seconds, writers)
            await _break(scene, people.history, options)
            people.done_writing.set()
        await _settle(people.history, options.patience_s)
        people.reading = False


async def _break(scene: Scene, history: History, options: Options) -> None:
    """Inject fault after fault, each of the chosen ones equally often, now and then two at once; then be whole again."""
    end = time.monotonic() + options.seconds
    waiting: list[str] = []
    await asyncio.sleep(min(2.0, options.seconds / 4))
    while options.faults and _goes_on(history, options, end):
        if not waiting:
            waiting = scene.chance.sample(options.faults, len(options.faults))
        name = waiting.pop()
        beside = [
            other for other in waiting if FAULTS[other].group in BESIDE and FAULTS[other].group != FAULTS[name].group
        ]
        async with asyncio.TaskGroup() as faults:
            faults.create_task(inject(scene, history, name))
            if beside and scene.chance.random() < AT_ONCE:
                other = scene.chance.choice(beside)
                waiting.remove(other)
                faults.create_task(inject(scene, history, other))
        await asyncio.sleep(scene.chance.uniform(*CALM_S))
    while _goes_on(history, options, end):
        await asyncio.sleep(0.1)
    if scene.shifted:
        await inject(scene, history, "clock")


def _goes_on(history: History, options: Options, end: float) -> bool:
    now = time.monotonic()
    return now < end or (history.delivered < options.deliveries and now < end + 2 * options.seconds)


async def _watch_oneself(people: People) -> None:
    """Note for how long this process stands still: on a busy machine it notes things late that were in time."""
    while people.reading:
        due = time.monotonic() + LOOK_S
        await asyncio.sleep(LOOK_S)
        now = time.monotonic()
        people.history.lags.note(now, now - due)


async def _settle(history: History, patience_s: float) -> None:
    """Wait until everybody has what was acknowledged, or for as long as may be."""
    deadline = time.monotonic() + patience_s
    await asyncio.sleep(1.0)
    while time.monotonic() < deadline:
        standing = [run for run in history.runs if run.end is None]
        if all(run.last >= history.newest_ack.get(run.room, 0) for run in standing):
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)


async def _held(cluster: Cluster) -> dict[str, float]:
    """Ask what the cluster holds: of the processes' figures the highest."""
    held: dict[str, float] = {}
    for service in cluster.services:
        for name, figure in (await asyncio.to_thread(_of_process, service)).items():
            held[name] = max(held.get(name, 0.0), figure)
    async with Scene(cluster, random.Random()).redis() as client:
        held["redis channels"] = len(await client.execute_command("PUBSUB", "CHANNELS", "rl1:{*"))
    connection = await asyncpg.connect(cluster.database.primary.url)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'roomlog%'"
    held["postgres connections"] = await connection.fetchval(count)
    await connection.close()
    return held


def _of_process(service: Service) -> dict[str, float]:
    assert service.process is not None
    with urllib.request.urlopen(service.internal_url + "/statusz", timeout=5) as answer:
        status = json.load(answer)
    process = Path(f"/proc/{service.process.pid}")
    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        **{name: float(status[name]) for name in ("connections", "subscriptions", "rooms_open", "lane_queue")},
        "invariant_violations": float(status["invariant_violations"]),
        "files": float(len(list((process / "fd").iterdir()))),
        "rss_mib": resident / 2**20,
    }


async def _let_go(cluster: Cluster, resources: Resources, patience_s: float) -> dict[str, float]:
    """Wait until the cluster holds no more than it may, or for as long as may be."""
    deadline = time.monotonic() + patience_s
    while True:
        held = await _held(cluster)
        if time.monotonic() > deadline or all(
            held[name] <= resources.before[name] + bound for name, bound in resources.bounds.items()
        ):
            return held
        await asyncio.sleep(0.5)


def _complaints(cluster: Cluster) -> list[str]:
    """Find what no process may say in its log."""
    found: list[str] = []
    for path in sorted(cluster.log_folder.glob("service-*.log")):
        lines = path.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if '"level": "error"' in line or line.startswith(("Traceback", "ERROR:")):
                found.append(f"{path.name}: " + " | ".join(lines[max(0, number - 2) : number + 30])[:3_000])
    return found


async def read_log(database_url: str, app_names: list[str]) -> Log:
    """Read the logs of all rooms of these apps straight from PostgreSQL."""
    log: Log = {}
    epochs = Epochs()
    connection = await asyncpg.connect(database_url)
    async with Postgres.open(database_url) as postgres:
        await epochs.check(connection)
        reader = Reader(postgres, epochs)
        for name in app_names:
            app = parse_app_name(name)
            rooms = await connection.fetch("SELECT * FROM rooms WHERE app_id = $1 AND deleted_at IS NULL", app)
            for room in rooms:
                of_room = RoomLog(room["room_id"], room["head_seq"], room["floor_seq"], room["private"])
                rows = await connection.fetch(
                    "SELECT * FROM events WHERE app_id = $1 AND room = $2 ORDER BY seq", app, room["room"]
                )
                for row in rows:
                    text = event_json(reader.event(row), RoomId(room["room_id"]))
                    of_room.texts[row["seq"]] = as_text(msgspec.json.decode(text))
                    of_room.epochs[row["seq"]] = row["epoch"]
                    of_room.keys.append(f"{row['sender']}:{row['key_hash'].hex()}")
                log[name, room["room"]] = of_room
    await connection.close()
    return log
