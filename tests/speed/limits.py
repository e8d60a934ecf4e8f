"""What this machine can do at best today, with nothing of the service in the way: what the service's figures are held against.

Each runs as a process of its own on the servers' core and prints what it did: `python -m tests.speed.limits store …`.
"""

import asyncio
import json
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import asyncpg
import hiredis
import uvloop

from api.ids import RoomNumber
from api.log.append import append
from api.log.epochs import Epochs
from api.log.event import Kind, created_facts
from api.log.item import Item, Needs
from tenants.ids import AppId, UserId, UserNumber, parse_app_name
from tests.speed.lines import Line
from tests.speed.machine import pinned

BATCH = 50
"""As many as W1 has senders."""
BODY = json.dumps({"parts": [{"type": "text", "text": "x" * 100}]})[1:-1]
FRAME_BYTES = 350
"""About what an event's frame has."""
PUBLISH_TRIP = b"*3\r\n$7\r\nPUBLISH\r\n$5\r\ntrips\r\n$%d\r\n%s\r\n" % (FRAME_BYTES, b"x" * FRAME_BYTES)
W3_PACE_S = 0.01
FULL = 256 * 1024
"""What may wait in one socket before the writer lets it be."""
PIPELINED = 16
START_S = 20.0


async def store(database_url: str, app_name: str, seconds: float) -> int:
    """Call the append function in a bare loop; gives how many messages it wrote."""
    app = parse_app_name(app_name)
    assert app is not None
    connection = await asyncpg.connect(database_url)
    epochs = Epochs()
    await epochs.check(connection)
    rooms = [row["room"] for row in await connection.fetch("SELECT room FROM rooms WHERE app_id = $1 LIMIT 50", app)]
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        items = [_item(app, rooms[number % len(rooms)]) for number in range(BATCH)]
        done += len(await append(connection, epochs, items, skip_held=False, timeout_s=5))
    await connection.close()
    return done


def _item(app: AppId, room: int) -> Item:
    return Item(
        app=app,
        room=RoomNumber(room),
        kind=Kind.MESSAGE_CREATED,
        sender=UserNumber(1),
        key_hash=secrets.token_bytes(16),
        request_hash=bytes(16),
        needs=Needs.NOTHING,
        facts=created_facts(UserId("ann")),
        body=BODY,
    )


async def fill(database_url: str, app_name: str, rooms: Sequence[str], messages: int) -> None:
    """Write so many messages into each room, past the service, and have PostgreSQL count what it holds.

    A database does so by itself within a minute; until then its plans are made for empty tables.
    """
    app = parse_app_name(app_name)
    assert app is not None
    connection = await asyncpg.connect(database_url)
    epochs = Epochs()
    await epochs.check(connection)
    found = await connection.fetch("SELECT room FROM rooms WHERE app_id = $1 AND room_id = ANY($2)", app, list(rooms))
    for row in found:
        for start in range(0, messages, 500):
            items = [_item(app, row["room"]) for _ in range(min(500, messages - start))]
            await append(connection, epochs, items, skip_held=False, timeout_s=30)
    await connection.execute("ANALYZE")
    await connection.close()


class _Written(asyncio.Protocol):
    transports: "list[asyncio.Transport]" = []  # noqa: RUF012 - of this process, which does nothing else

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transports.append(cast("asyncio.Transport", transport))


async def writes(sockets: int, joined: int, seconds: float) -> int:
    """Write one frame made beforehand to every socket, `joined` at a time; gives how many frames were written."""
    server = await asyncio.get_running_loop().create_server(_Written, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    transports = _Written.transports
    async with asyncio.timeout(START_S):
        while len(transports) < sockets:
            await asyncio.sleep(0.01)
    for transport in transports:
        transport.set_write_buffer_limits(FULL)
    data = b"x" * FRAME_BYTES * joined
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for transport in transports:
            if transport.get_write_buffer_size() < FULL:
                transport.write(data)
                done += joined
        await asyncio.sleep(0)
    return done


class _Reader(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = 0
        self._reader = hiredis.Reader()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while self._reader.gets() is not False:
            self.heard += 1


async def redis(path: str, seconds: float) -> int:
    """Read what is published, as fast as it comes; gives how many messages came."""
    transport, reader = await asyncio.get_running_loop().create_unix_connection(_Reader, path)
    transport.write(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nlimit\r\n")
    print("subscribed", flush=True)
    await asyncio.sleep(seconds)
    transport.close()
    return reader.heard


async def publish(path: str, seconds: float) -> None:
    """Publish from the driver, so many at a time."""
    payload = b"x" * FRAME_BYTES
    one = b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nlimit\r\n$%d\r\n%s\r\n" % (len(payload), payload)
    answered = asyncio.Event()
    transport, line = await asyncio.get_running_loop().create_unix_connection(Line, path)
    waiting = 0

    def heard(data: bytes) -> None:
        nonlocal waiting
        waiting -= data.count(b":")
        answered.set()

    line.heard = heard
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        transport.write(one * PIPELINED)
        waiting += PIPELINED
        while waiting > 0:
            answered.clear()
            await answered.wait()
    transport.close()


class _Trip(asyncio.Protocol):
    """One question to Redis at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._heard = asyncio.Event()

    def data_received(self, _: bytes) -> None:
        self._heard.set()

    async def ask(self, data: bytes) -> None:
        self._heard.clear()
        self._transport.write(data)
        await self._heard.wait()


async def trips(database_url: str, app_name: str, path: str, seconds: float) -> dict[str, float]:
    """Do one after the other, and nothing beside, what a message or an opening waits for; gives the medians in milliseconds.

    At W3's pace, as what has slept takes its time to wake.
    """
    app = parse_app_name(app_name)
    loop = asyncio.get_running_loop()
    connection = await asyncpg.connect(database_url)
    epochs = Epochs()
    await epochs.check(connection)
    room = await connection.fetchval("SELECT room FROM rooms WHERE app_id = $1 LIMIT 1", app)
    _, redis = await loop.create_unix_connection(_Trip, path)
    _, reader = await loop.create_unix_connection(_Trip, path)
    await reader.ask(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\ntrips\r\n")

    async def append_one() -> None:
        assert app is not None
        await append(connection, epochs, [_item(app, room)], skip_held=False, timeout_s=5)

    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "redis": lambda: redis.ask(b"*1\r\n$4\r\nPING\r\n"),
        "append": append_one,
        "echo": lambda: asyncio.gather(redis.ask(PUBLISH_TRIP), reader.ask(b"")),
        "read": lambda: connection.fetchval("SELECT head_seq FROM rooms WHERE app_id = $1 AND room = $2", app, room),
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    end = loop.time() + seconds
    while loop.time() < end:
        for name, step in steps.items():
            await asyncio.sleep(W3_PACE_S)
            began = time.perf_counter()
            await step()
            took[name].append(time.perf_counter() - began)
    await connection.close()
    return {name: 1000 * statistics.median(times) for name, times in took.items()}


class Beside:
    """One of these as a process on the servers' core."""

    def __init__(self, core: int, name: str, *arguments: object) -> None:
        """Name a function of this module and its arguments."""
        self._core, self._command = core, ["-m", "tests.speed.limits", name, *map(str, arguments)]

    async def start(self) -> str:
        """Start it, and give the line that it says when it is ready."""
        with pinned(self._core):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self._command, stdout=asyncio.subprocess.PIPE
            )
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def result(self) -> dict[str, float]:
        """Wait for the end, and give what it did."""
        assert self._process.stdout is not None
        said = await self._process.stdout.read()
        assert await self._process.wait() == 0
        return dict(json.loads(said))


async def best_store(core: int, database_url: str, app_name: str, seconds: float) -> dict[str, float]:
    """Measure the append function alone; CPU is the caller's, not PostgreSQL's."""
    beside = Beside(core, "store", database_url, app_name, seconds)
    await beside.start()
    return await beside.result()


async def best_writes(core: int, sockets: int, joined: int, seconds: float) -> dict[str, float]:
    """Measure uvloop's writes alone."""
    beside = Beside(core, "writes", sockets, joined, seconds)
    port = int(await beside.start())
    lines = [await Line.to(port) for _ in range(sockets)]
    for line in lines:
        line.heard = lambda _: None
    result = await beside.result()
    for line in lines:
        line.close()
    return result


async def best_redis(core: int, path: str, seconds: float) -> dict[str, float]:
    """Measure one reader of Redis alone."""
    beside = Beside(core, "redis", path, seconds)
    await beside.start()
    await publish(path, seconds)
    return await beside.result()


async def best_trips(core: int, database_url: str, app_name: str, path: str, seconds: float) -> dict[str, float]:
    """Measure what a message or an opening waits for, each alone, in milliseconds."""
    beside = Beside(core, "trips", database_url, app_name, path, seconds)
    await beside.start()
    return await beside.result()


def main() -> None:
    name, *arguments = sys.argv[1:]
    began, used = time.perf_counter(), time.process_time()
    match name:
        case "store":
            print("ready", flush=True)
            run = store(arguments[0], arguments[1], float(arguments[2]))
        case "writes":
            run = writes(int(arguments[0]), int(arguments[1]), float(arguments[2]))
        case "trips":
            print("ready", flush=True)
            print(json.dumps(uvloop.run(trips(arguments[0], arguments[1], arguments[2], float(arguments[3])))))
            return
        case _:
            run = redis(arguments[0], float(arguments[1]))
    count = uvloop.run(run)
    print(json.dumps({"count": count, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - used}))


if __name__ == "__main__":
    main()
