"""`./test neighbour`: what an app notices of another at ten times its limit, and of a flood of wrong keys.

App B sends at a steady pace, each message timed from the moment at which it was due. First alone, then beside app A, then
beside the keys. A's messages and the keys come from a process of their own, so that only the service is shared.
Absolute figures move with the machine and the day: quote the ratios.
"""

import argparse
import asyncio
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx2

from api.embedded import servers
from api.migrate import migrate
from tests.support.plain import plain_client
from tests.support.processes import ROOT, Service, new_settings, running_service
from tests.support.sockets import Socket, connect
from tests.support.world import App, new_app

PER_S = 20.0
"""What B sends."""
LIMIT = 100
"""What A may send in a second; it sends ten times as much."""
EXCESS = 10
FLOODERS = 20
GUESSERS = 16
ANSWER_S = 10.0
TEXT = {"parts": [{"type": "text", "text": "x" * 100}]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test neighbour", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each of the three measurements")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="roomlog-neighbour-") as name:
        folder = Path(name)
        with servers(folder / "stores", os.environ, durable=True) as stores:
            migrate(stores.database_url, ROOT / "migrations")
            environment = new_settings(stores.database_url, stores.redis_url)
            with running_service(environment, folder / "log") as service:
                return asyncio.run(measure(service, seconds))


async def measure(service: Service, seconds: float) -> int:
    """Print the figures; gives 0 if B lost nothing and A was held to its limit, however fast they were."""
    async with plain_client(service.url) as http:
        steady = await new_app(service, http)
        await steady.room("r", ("ann",))
        alone = await send_steadily(steady, seconds)
        tell("B alone", alone, alone)
        faults = await beside_flood(service, http, steady, seconds, alone)
        faults += await beside_keys(steady, seconds, alone)
        wanted = 3 * len(alone)
        if (stored := await count_messages(steady)) != wanted:
            faults.append(f"B has {stored} messages of {wanted}")
    for fault in faults:
        print("FAULT:", fault)
    return int(bool(faults))


async def beside_flood(
    service: Service, http: httpx2.AsyncClient, steady: App, seconds: float, alone: list[float]
) -> list[str]:
    """Measure B beside A; gives what was wrong."""
    flooding = await new_app(service, http, limits={"app_sends": {"per_s": LIMIT, "burst": LIMIT}})
    await flooding.room("r", ("ann",))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        noise = asyncio.get_running_loop().run_in_executor(
            other, flood, service.socket_url, await flooding.token("ann"), seconds
        )
        beside = await send_steadily(steady, seconds)
        answers, took_s = await noise
    tell(f"B beside A at {EXCESS} times its limit", beside, alone)
    print(f"    A: {answers['ack']} taken, {answers['rate_limited']} refused by its limit, of {answers.total()}")
    faults: list[str] = []
    if set(answers) != {"ack", "rate_limited"}:
        faults.append(f"A was answered otherwise: {dict(answers)}")
    if not LIMIT <= answers["ack"] <= LIMIT * (1 + took_s) + 1:
        faults.append(f"A had {answers['ack']} messages taken in {took_s:.1f} s")
    if (stored := await count_messages(flooding)) != answers["ack"]:
        faults.append(f"A has {stored} messages, and {answers['ack']} acks")
    return faults


async def beside_keys(steady: App, seconds: float, alone: list[float]) -> list[str]:
    """Measure B beside wrong keys; gives what was wrong."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        noise = asyncio.get_running_loop().run_in_executor(other, guess, steady.service.port, seconds)
        beside = await send_steadily(steady, seconds)
        answers = await noise
    tell("B beside wrong keys", beside, alone)
    print(f"    {answers.total() / seconds:,.0f} keys/s, by status: {dict(answers)}")
    return [] if set(answers) <= {401, 429} else [f"wrong keys were answered otherwise: {dict(answers)}"]


def tell(name: str, acks: list[float], alone: list[float]) -> None:
    p99 = percentile(acks, 0.99)
    ratio = p99 / percentile(alone, 0.99)
    print(f"{name:34} p50 {statistics.median(acks) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms = {ratio:.2f} of alone")


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


async def send_steadily(app: App, seconds: float) -> list[float]:
    """Send at a steady pace, whatever the answers do; gives how long after it was due each message was acked."""
    loop = asyncio.get_running_loop()
    count = max(1, int(seconds * PER_S))
    late: list[float] = []
    async with app.socket("ann") as socket:
        began = loop.time()

        async def say() -> None:
            for number in range(count):
                await asyncio.sleep(began + number / PER_S - loop.time())
                await socket.say(op="send", id=number, room="r", **TEXT)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(say())
            for _ in range(count):
                answer = await socket.hear(ANSWER_S)
                if answer["type"] != "ack":
                    raise RuntimeError(f"B was refused: {answer}")
                late.append(loop.time() - began - answer["id"] / PER_S)
    return late


async def count_messages(app: App) -> int:
    """Count what a room has, by the number of its last message."""
    page = (await app.ask("GET", "/v1/rooms/r/messages?limit=1", user="ann")).json()
    return int(page["messages"][-1]["number"])


# ---- in a process of their own


def flood(url: str, token: str, seconds: float) -> tuple[Counter[str], float]:
    """Send at ten times the limit; gives the answers by kind, and how many seconds it took."""
    return asyncio.run(_flood(url, token, seconds))


async def _flood(url: str, token: str, seconds: float) -> tuple[Counter[str], float]:
    answers: Counter[str] = Counter()
    per_s = LIMIT * EXCESS / FLOODERS
    count = max(1, int(seconds * per_s))

    async def say(socket: Socket) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(count):
            await asyncio.sleep(began + number / per_s - loop.time())
            await socket.say(op="send", id=number, room="r", **TEXT)

    async def one() -> None:
        async with connect(url, token) as socket, asyncio.TaskGroup() as tasks:
            tasks.create_task(say(socket))
            for _ in range(count):
                answer = await socket.hear(ANSWER_S)
                answers[answer["type"] if answer["type"] == "ack" else answer["problem"]["code"]] += 1

    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(one() for _ in range(FLOODERS)))
    return answers, asyncio.get_running_loop().time() - began


def guess(port: int, seconds: float) -> Counter[int]:
    """Ask with wrong keys, as fast as they are answered; gives the answers by status."""
    return asyncio.run(_guess(port, seconds))


async def _guess(port: int, seconds: float) -> Counter[int]:
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def one() -> None:
        # By hand: a client library would be busier with itself than the service with it.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while loop.time() < end:
            key = f"rl_test_{secrets.token_hex(24)}"
            writer.write(f"GET /v1/rooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_S)).decode("latin-1").lower()
            size = head.partition("content-length:")[2].partition("\r\n")[0]
            await asyncio.wait_for(reader.readexactly(int(size)), ANSWER_S)
            answers[int(head.split(" ", 2)[1])] += 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(GUESSERS)))
    return answers


if __name__ == "__main__":
    sys.exit(main())
