"""Connections that are shared carry nothing over: a call that is cancelled in mid-flight never gives its answer to another."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from api.embedded import Servers
from tenants.postgres import Postgres
from tenants.pubsub import PublishFailed, PubSub

CALLS = 600
AT_ONCE = 40
DELAY_S = 0.004
"""How long the proxy keeps what a server says, at most; a call is cancelled within about the same time."""


@contextlib.asynccontextmanager
async def delaying_proxy(path: Path, target: Path) -> AsyncIterator[None]:
    """Listen at `path` and hand on to `target`, each piece of an answer a little later."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(random.random() * delay_s)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(target))
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(pump(reader, back, 0))
            pumps.create_task(pump(there, writer, DELAY_S))

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield
    finally:
        server.close()


async def storm(call: Callable[[int], Awaitable[int]]) -> tuple[int, int]:
    """Call many times at once, cancel about half in mid-call; gives how many were answered and how many cancelled."""
    turns = asyncio.Semaphore(AT_ONCE)
    counts = {"answered": 0, "cancelled": 0}

    async def one(number: int) -> None:
        async with turns:
            task = asyncio.ensure_future(call(number))
            if random.random() < 0.6:
                await asyncio.sleep(random.random() * DELAY_S)
                task.cancel()
            try:
                answer = await task
            except asyncio.CancelledError:
                counts["cancelled"] += 1
                return
            assert answer == number, f"call {number} was given the answer of {answer}"
            counts["answered"] += 1

    async with asyncio.TaskGroup() as calls:
        for number in range(CALLS):
            calls.create_task(one(number))
    return counts["answered"], counts["cancelled"]


ECHO = "return {tonumber(ARGV[1])}"
ECHO_SHA = hashlib.sha1(ECHO.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
async def behind(stores: Servers, tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """The addresses of this worker's servers, behind proxies."""
    postgres = Path(stores.database_url.partition("host=")[2]) / ".s.PGSQL.5432"
    redis = Path(stores.redis_url.removeprefix("unix://"))
    async with (
        delaying_proxy(tmp_path / ".s.PGSQL.5432", postgres),
        delaying_proxy(tmp_path / "redis", redis),
    ):
        yield f"postgresql://postgres@/postgres?host={tmp_path}", f"unix://{tmp_path / 'redis'}"


async def test_a_cancelled_read_gives_its_answer_to_nobody_else(behind: tuple[str, str]) -> None:
    """Under a storm of cancellations each answer of PostgreSQL reaches its own question."""
    async with Postgres.open(behind[0]) as postgres:

        async def read(number: int) -> int:
            return int((await postgres.fetch([], "SELECT $1::int AS number", number))[0]["number"])

        answered, cancelled = await storm(read)
    assert answered > CALLS / 10
    assert cancelled > CALLS / 10


async def test_a_cancelled_command_gives_its_answer_to_nobody_else(behind: tuple[str, str]) -> None:
    """Under a storm of cancellations each answer of Redis reaches its own question, pipelined publications between them."""
    async with PubSub.open(behind[1]) as pubsub:

        async def ask(number: int) -> int:
            if number % 3 == 0:
                with contextlib.suppress(PublishFailed):
                    await pubsub.publish([(f"storm:{number}", b"x"), (f"storm:{number}", b"y")])
                return number
            (reply,) = await pubsub.evaluate(ECHO, ECHO_SHA, [([], [number])], timeout_s=10)
            assert reply is not None
            return reply[0]

        answered, cancelled = await storm(ask)
    assert answered > CALLS / 10
    assert cancelled > CALLS / 10
