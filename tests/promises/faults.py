"""The faults: each is injected, lasts, and is healed; what it may do meanwhile is written down beside it.

None blocks the event loop, on which the clients live: servers are spawned by the main thread and awaited in another.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import redis.asyncio

from tests.promises.cluster import Cluster
from tests.promises.history import History, Window
from tests.promises.proxy import FAIR, Proxy, Weather, before_port, before_socket
from tests.support.processes import Service

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
BAD_WEATHER_S = 3.0
AWAY_S = 4.0
STOPPED_S = 3.0
LOST_TAIL_S = 0.7
START_S = 60.0


@dataclass
class Scene:
    """What a fault can reach."""

    cluster: Cluster
    chance: random.Random
    proxies: dict[int, Proxy] = field(default_factory=dict)
    """By a process's port, before it: the way of those clients that go through a network of their own."""
    ports: dict[int, int] = field(default_factory=dict)
    shifted: set[int] = field(default_factory=set)
    """Ports of processes whose clock is wrong."""
    loses_since: float | None = None
    """Told by a failover that loses commits: since when."""
    _taken: set[int] = field(default_factory=set)

    @contextlib.contextmanager
    def victim(self, *, last: bool = False) -> Iterator[Service]:
        """Have a process for oneself: no other fault meets it meanwhile."""
        services = [each for each in self.cluster.services if each.port not in self._taken]
        service = self.cluster.services[-1] if last else self.chance.choice(services)
        self._taken.add(service.port)
        try:
            yield service
        finally:
            self._taken.discard(service.port)

    def redis(self) -> "redis.asyncio.Redis":
        return redis.asyncio.Redis(unix_socket_path=str(self.cluster.redis_path), socket_timeout=2)

    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect to the primary past all proxies."""
        return await asyncpg.connect(self.cluster.database.primary.url, timeout=10)


Inject = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One fault."""

    group: str
    inject: Inject
    halts: bool = False
    """Whether delivery may stand still for as long as it lasts."""


# ---- processes of the service


async def _again(service: Service) -> None:
    """Start a process as a supervisor does: one that ends at once, for want of a database, is started anew."""
    deadline = time.monotonic() + START_S
    while True:
        service.spawn()
        try:
            await asyncio.to_thread(service.await_ready)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def kill(scene: Scene) -> None:
    """`kill -9`, and another in its place."""
    with scene.victim() as victim:
        await asyncio.to_thread(victim.end, signal.SIGKILL)
        await asyncio.sleep(0.3)
        await _again(victim)


async def stop(scene: Scene) -> None:
    """A process stands still for some seconds, and then goes on as if nothing had been."""
    with scene.victim() as victim:
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(scene.chance.uniform(0.3, STOPPED_S))
        victim.send(signal.SIGCONT)


async def drain(scene: Scene) -> None:
    """SIGTERM: it moves its clients and answers what it took."""
    with scene.victim() as victim:
        await asyncio.to_thread(victim.end, signal.SIGTERM)
        await _again(victim)


async def _die(scene: Scene, number: signal.Signals) -> None:
    with scene.victim() as victim:
        assert victim.process is not None
        victim.send(number)
        # It dies at its next commit, which another's traffic brings; if none does, by our hand.
        deadline = time.monotonic() + 5
        while victim.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(victim.end, signal.SIGKILL)
        await _again(victim)


async def die_unpublished(scene: Scene) -> None:
    """A process ends between a commit and its publication."""
    await _die(scene, signal.SIGUSR1)


async def die_unacked(scene: Scene) -> None:
    """A process ends between a publication and its acknowledgement."""
    await _die(scene, signal.SIGUSR2)


async def clock(scene: Scene) -> None:
    """A process comes back with a clock that is an hour wrong; the next time it is right again."""
    with scene.victim(last=True) as victim:
        await asyncio.to_thread(victim.end, signal.SIGTERM)
        if victim.port in scene.shifted:
            scene.shifted.discard(victim.port)
            for name in ("LD_PRELOAD", "FAKETIME", "DONT_FAKE_MONOTONIC"):
                victim.environment.pop(name, None)
        else:
            scene.shifted.add(victim.port)
            shift = scene.chance.choice(("+1h", "-1h"))
            victim.environment |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME": shift, "DONT_FAKE_MONOTONIC": "1"}
        await _again(victim)


# ---- Redis


async def redis_away(scene: Scene) -> None:
    """Killed, away for some seconds, back empty."""
    await asyncio.to_thread(scene.cluster.kill_redis)
    await asyncio.sleep(AWAY_S)
    scene.cluster.spawn_redis()


async def redis_restart(scene: Scene) -> None:
    """Killed, and back at once, empty."""
    await asyncio.to_thread(scene.cluster.kill_redis)
    scene.cluster.spawn_redis()


async def redis_stop(scene: Scene) -> None:
    """It hangs: connections stand, and nothing answers."""
    assert scene.cluster.redis is not None
    scene.cluster.redis.send_signal(signal.SIGSTOP)
    await asyncio.sleep(scene.chance.uniform(0.5, STOPPED_S))
    scene.cluster.redis.send_signal(signal.SIGCONT)


async def redis_flush(scene: Scene) -> None:
    """FLUSHALL."""
    async with scene.redis() as client:
        await client.flushall()


async def redis_clients(scene: Scene) -> None:
    """Its subscribers' connections are killed."""
    async with scene.redis() as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def redis_pause(scene: Scene) -> None:
    """CLIENT PAUSE: commands wait."""
    async with scene.redis() as client:
        await client.execute_command("CLIENT", "PAUSE", "1500")
    await asyncio.sleep(1.6)


async def redis_buffer(scene: Scene) -> None:
    """A tiny output buffer: Redis cuts the subscribers that it would have to remember anything for."""
    async with scene.redis() as client:
        await client.config_set("client-output-buffer-limit", "pubsub 1024 1024 1")
        await asyncio.sleep(BAD_WEATHER_S)
        await client.config_set("client-output-buffer-limit", "pubsub 33554432 8388608 60")


# ---- PostgreSQL


async def backends(scene: Scene) -> None:
    """The service's connections are terminated, three times in a row."""
    connection = await scene.database()
    try:
        for _ in range(3):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'roomlog%'"
            )
            await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def crash(scene: Scene) -> None:
    """`kill -9` of one backend: PostgreSQL ends all others and recovers."""
    server = scene.cluster.database.primary
    pids = [pid for pid, title in server.backends().items() if "[local]" in title]
    if pids:
        os.kill(scene.chance.choice(pids), signal.SIGKILL)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.await_ready)


async def restart(scene: Scene) -> None:
    """The postmaster is stopped at once, without a word to anyone, and started anew."""
    database = scene.cluster.database
    await asyncio.to_thread(database.primary.end, signal.SIGQUIT)
    await asyncio.sleep(scene.chance.random())
    database.spawn(database.primary)
    await asyncio.to_thread(database.primary.await_ready)


async def locks(scene: Scene) -> None:
    """Somebody holds the rows of a third of the rooms for a second."""
    connection = await scene.database()
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM rooms WHERE room % 3 = $1 FOR UPDATE", scene.chance.randrange(3))
            await asyncio.sleep(1.0)
    finally:
        await connection.close()


async def old_snapshot(scene: Scene) -> None:
    """Somebody holds a snapshot and a transaction's number open, as a forgotten session does."""
    connection = await scene.database()
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT pg_current_xact_id()::text")
            await connection.fetchval("SELECT count(*) FROM rooms")
            await asyncio.sleep(BAD_WEATHER_S)
    finally:
        await connection.close()


async def switchover(scene: Scene) -> None:
    """The primary hands over to a standby that has everything."""
    database = scene.cluster.database
    await asyncio.to_thread(database.make_standby)
    assert database.standby is not None
    database.spawn(database.standby)
    await asyncio.to_thread(database.standby.await_ready)
    await database.caught_up()
    await asyncio.to_thread(database.primary.end, signal.SIGINT)
    await database.promote()


async def lost_tail(scene: Scene) -> None:
    """The primary dies, and its standby takes over without the newest commits."""
    database = scene.cluster.database
    await asyncio.to_thread(database.make_standby)
    standby = database.standby
    assert standby is not None
    database.spawn(standby)
    await asyncio.to_thread(standby.await_ready)
    await database.caught_up()
    scene.loses_since = time.monotonic()
    await asyncio.to_thread(standby.end, signal.SIGINT)
    await asyncio.sleep(LOST_TAIL_S)
    await asyncio.to_thread(database.primary.end, signal.SIGKILL)
    database.spawn(standby)
    await asyncio.to_thread(standby.await_ready)
    await database.promote()


# ---- the network


BAD: dict[str, Weather] = {
    "delayed": Weather(delay_s=0.03, jitter_s=0.1),
    "throttled": Weather(bytes_per_s=60_000),
    "hanging": Weather(hangs=True),
    "breaking": Weather(cut_after=3_000),
}


async def network_of_clients(scene: Scene) -> None:
    """Before each process another weather, then every connection through it is cut."""
    for proxy in scene.proxies.values():
        proxy.weather = scene.chance.choice(list(BAD.values()))
    await asyncio.sleep(BAD_WEATHER_S)
    for proxy in scene.proxies.values():
        proxy.weather = FAIR
        proxy.cut()


async def network_of_redis(scene: Scene) -> None:
    """The way to Redis is cut, bad for some seconds, cut again, and good."""
    cluster, path = scene.cluster, scene.cluster.database.address / "redis-detour"
    async with before_socket(cluster.redis_path, path) as proxy, scene.redis() as client:
        proxy.weather = scene.chance.choice(list(BAD.values()))
        cluster.lead_redis_to(path)
        for kind in ("pubsub", "normal"):
            await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await asyncio.sleep(BAD_WEATHER_S)
        cluster.lead_redis_to(cluster.redis_path)


async def network_of_postgres(scene: Scene) -> None:
    """The way to PostgreSQL is cut, bad for some seconds, cut again, and good."""
    database = scene.cluster.database
    path = database.address / "detour"
    async with before_socket(database.primary.sockets / ".s.PGSQL.5432", path) as proxy:
        proxy.weather = scene.chance.choice(list(BAD.values()))
        database.lead_to(path)
        await backends(scene)
        await asyncio.sleep(BAD_WEATHER_S)
        database.lead_to_primary()


async def cut(scene: Scene) -> None:
    """Every connection of every client that goes through the network is cut."""
    for proxy in scene.proxies.values():
        proxy.cut()


FAULTS: dict[str, Fault] = {
    "kill": Fault("node", kill),
    "stop": Fault("node", stop, halts=True),
    "drain": Fault("node", drain),
    "die-unpublished": Fault("node", die_unpublished),
    "die-unacked": Fault("node", die_unacked),
    "redis-away": Fault("redis", redis_away),
    "redis-restart": Fault("redis", redis_restart),
    "redis-stop": Fault("redis", redis_stop),
    "redis-flush": Fault("redis", redis_flush),
    "redis-clients": Fault("redis", redis_clients),
    "redis-pause": Fault("redis", redis_pause),
    "redis-buffer": Fault("redis", redis_buffer),
    "backends": Fault("postgres", backends, halts=True),
    "crash": Fault("postgres", crash, halts=True),
    "restart": Fault("postgres", restart, halts=True),
    "locks": Fault("postgres", locks),
    "old-snapshot": Fault("postgres", old_snapshot),
    "switchover": Fault("failover", switchover, halts=True),
    "lost-tail": Fault("failover", lost_tail, halts=True),
    "cut": Fault("network", cut, halts=True),
    "clients-network": Fault("network", network_of_clients, halts=True),
    "redis-network": Fault("network", network_of_redis),
    "postgres-network": Fault("network", network_of_postgres, halts=True),
    "clock": Fault("clock", clock),
}
BESIDE = ("redis", "node")
"""Groups whose faults may happen while another of another group does."""
GROUPS = tuple(dict.fromkeys(fault.group for fault in FAULTS.values()))


def chosen(names: str) -> list[str]:
    """Give the faults that a list of faults and groups stands for; raises ValueError for one that there is not here."""
    found: list[str] = []
    for name in filter(None, names.split(",")):
        if name == "all":
            found += FAULTS
        elif name in GROUPS:
            found += [each for each, fault in FAULTS.items() if fault.group == name]
        elif name in FAULTS:
            found.append(name)
        elif name != "none":
            msg = f"There is no fault {name}; there are all, none, {', '.join((*GROUPS, *FAULTS))}."
            raise ValueError(msg)
    if "clock" in found and not FAKETIME.exists():
        msg = f"{FAKETIME} is missing. On Debian: apt-get install faketime"
        raise ValueError(msg)
    return found


async def inject(scene: Scene, history: History, name: str) -> None:
    """Inject a fault, see it healed, and note when it was."""
    fault = FAULTS[name]
    scene.loses_since = None
    window = Window(name, time.monotonic(), time.monotonic() + 600, fault.halts)
    history.windows.append(window)
    await fault.inject(scene)
    window.ended_at = time.monotonic()
    window.loses_since = scene.loses_since


async def behind_proxies(scene: Scene, stack: AsyncExitStack) -> None:
    """Put a proxy before each process."""
    for service in scene.cluster.services:
        proxy, port = await stack.enter_async_context(before_port(service.port))
        scene.proxies[service.port], scene.ports[service.port] = proxy, port
