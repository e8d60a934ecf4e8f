"""`./test speed`: what the real service does in a second, beside what its store alone can do in the same run.

Absolute figures move with the machine and the day: quote the ratios.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from api.embedded import servers
from api.ids import RoomNumber
from api.log.append import append
from api.log.epochs import Epochs
from api.log.event import Kind, created_facts
from api.log.item import Item, Needs
from api.migrate import migrate
from tenants.ids import AppId, UserId, UserNumber, parse_app_name
from tests.support.processes import ROOT, running_service
from tests.support.sockets import Socket, connect
from tests.support.world import App, new_app

SENDERS = 50
BATCH = 16
SUBSCRIBERS = 100
IN_FLIGHT = 8
BODY: dict[str, Any] = {"parts": [{"type": "text", "text": "x" * 100}]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test speed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each of the three measurements")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="roomlog-speed-") as name:
        folder = Path(name)
        with servers(folder / "stores", os.environ, durable=True) as stores:
            migrate(stores.database_url, ROOT / "migrations")
            environment = {
                "DATABASE_URL": stores.database_url,
                "REDIS_URL": stores.redis_url,
                "ROOMLOG_PEPPER": secrets.token_hex(32),
                "ROOMLOG_MASTER_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
                "ROOMLOG_OPERATOR_TOKEN": secrets.token_hex(32),
                "ROOMLOG_DRAIN_S": "0",
                "ROOMLOG_DRAIN_DELAY_S": "0",
            }
            with running_service(environment, folder / "log") as service:
                asyncio.run(measure(service, stores.database_url, seconds))
    return 0


async def measure(service: Any, database_url: str, seconds: float) -> None:
    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as http:
        app = await new_app(service, http)
        for number in range(SENDERS):
            await app.room(f"r{number}", ("ann",))
        limit = await store_alone(database_url, app, seconds)
        print(f"the store alone, one lane, batches of {BATCH}:  {limit:9,.0f} messages/s")
        sent, acks = await senders(app, seconds)
        ordered = sorted(acks)
        print(
            f"{SENDERS} senders on sockets:               {sent:9,.0f} messages/s = {sent / limit:.2f} of that;"
            f" ack p50 {statistics.median(ordered) * 1000:.1f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1000:.1f} ms"
        )
        delivered = await fan_out(app, seconds)
        print(f"{SUBSCRIBERS} subscribers of one room:          {delivered:9,.0f} deliveries/s")


async def store_alone(database_url: str, app: App, seconds: float) -> float:
    """Append to the rooms directly: no HTTP, no tokens, no fan-out."""
    connection = await asyncpg.connect(database_url)
    epochs = Epochs()
    await epochs.check(connection)
    number = parse_app_name(app.id)
    assert number is not None
    rooms = [row["room"] for row in await connection.fetch("SELECT room FROM rooms WHERE app_id = $1", number)]
    body = json.dumps(BODY)[1:-1]
    done, end = 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < end:
        items = [item(number, rooms[(done + n) % len(rooms)], body) for n in range(BATCH)]
        done += len(await append(connection, epochs, items, skip_held=False, timeout_s=5))
    await connection.close()
    return done / (time.perf_counter() - began)


def item(app: AppId, room: int, body: str) -> Item:
    return Item(
        app=app,
        room=RoomNumber(room),
        kind=Kind.MESSAGE_CREATED,
        sender=UserNumber(1),
        key_hash=secrets.token_bytes(16),
        request_hash=bytes(16),
        needs=Needs.NOTHING,
        facts=created_facts(UserId("ann")),
        body=body,
    )


async def senders(app: App, seconds: float) -> tuple[float, list[float]]:
    """Send in a closed loop: the next message after the ack of the last."""
    acks: list[float] = []
    token = await app.token("ann")
    end = time.perf_counter() + seconds

    async def send(number: int) -> None:
        async with connect(app.service.socket_url, token) as socket:
            while (began := time.perf_counter()) < end:
                await socket.say(op="send", id=1, room=f"r{number}", **BODY)
                await socket.raw.recv()
                acks.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(send(number) for number in range(SENDERS)))
    return len(acks) / (time.perf_counter() - began), acks


async def fan_out(app: App, seconds: float) -> float:
    """One sender with several messages in flight, and everybody else listening."""
    token = await app.token("ann")
    received = 0
    end = time.perf_counter() + seconds

    async def listen(ready: asyncio.Event) -> None:
        nonlocal received
        async with connect(app.service.socket_url, token) as socket:
            await socket.open("r0", last=0)
            ready.set()
            while time.perf_counter() < end:
                try:
                    await asyncio.wait_for(socket.raw.recv(), 0.5)
                except TimeoutError:
                    continue
                received += 1

    async def talk(socket: Socket) -> None:
        while time.perf_counter() < end:
            for _ in range(IN_FLIGHT):
                await socket.say(op="send", id=1, room="r0", **BODY)
            for _ in range(IN_FLIGHT):
                await socket.raw.recv()

    readies = [asyncio.Event() for _ in range(SUBSCRIBERS)]
    listening = [asyncio.create_task(listen(ready)) for ready in readies]
    await asyncio.gather(*(ready.wait() for ready in readies))
    end = time.perf_counter() + seconds
    began = time.perf_counter()
    async with connect(app.service.socket_url, token) as socket:
        await talk(socket)
    await asyncio.gather(*listening)
    return received / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
