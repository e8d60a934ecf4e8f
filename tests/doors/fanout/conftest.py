"""A listener that runs, a private Redis to break, and a stand-in that answers only when it is told to."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from subprocess import Popen

import hiredis
import pytest

from api.embedded import redis_server
from api.fanout.listener import Listener
from tenants.wire import Address

WAIT_S = 15.0


class Heard:
    """A listener, and what it has heard."""

    def __init__(self, url: str) -> None:
        self.payloads: list[tuple[str, bytes]] = []
        self.gaps = 0
        self.listener = Listener(Address.parse(url), self._on_payload, self._on_gap)
        self.fails_on: bytes | None = None

    def _on_payload(self, channel: str, payload: bytes) -> None:
        if payload == self.fails_on:
            raise LookupError(payload)
        self.payloads.append((channel, payload))

    def _on_gap(self) -> None:
        self.gaps += 1

    async def until(self, holds: Callable[[], bool], wait_s: float = WAIT_S) -> None:
        async with asyncio.timeout(wait_s):
            while not holds():
                await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Heard"]:
        task = asyncio.create_task(self.listener.run())
        try:
            yield self
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Script:
    """A stand-in for Redis: takes connections, keeps what is said to it, and answers what the test says."""

    def __init__(self) -> None:
        self.said: list[list[bytes]] = []
        self.connections = 0
        self.answers_pings = True
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        parser = hiredis.Reader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    if command == [b"PING"] and self.answers_pings:
                        writer.write(b"+PONG\r\n")
                    self.said.append(command)
        writer.close()

    def confirm(self, kind: str, channel: str) -> None:
        parts = [kind.encode(), channel.encode()]
        body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._writers[-1].write(b"*3\r\n" + body + b":1\r\n")

    def close_all(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("f") / "redis.sock"


@pytest.fixture
def redis(path: Path) -> Iterator["Popen[bytes]"]:
    """A Redis of this test's own."""
    with redis_server(path, path.parent / "log", os.environ) as process:
        yield process


@pytest.fixture
async def script(path: Path) -> AsyncIterator[Script]:
    """A stand-in at the same place."""
    made = Script()
    server = await asyncio.start_unix_server(made.serve, path)
    yield made
    made.close_all()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def heard(path: Path) -> AsyncIterator[Heard]:
    """A listener that runs, whether its server does or not."""
    async with Heard(f"unix://{path}").running() as made:
        yield made
