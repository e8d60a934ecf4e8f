"""Roomlog itself, measured by `tests.speed.workloads` as `./test speed` does it."""

import asyncio
import contextlib
import os
import subprocess
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio

from api.embedded import servers
from api.migrate import migrate
from tests.speed import limits, workloads
from tests.speed.loops import Figures
from tests.speed.machine import Servers, pinned
from tests.speed.workloads import Bench
from tests.support.plain import plain_client
from tests.support.processes import ROOT, new_settings, running_service
from tests.support.world import new_app

LARGE = "w4"
FILLED = 20
PLENTY = 1_000_000


@dataclass
class Roomlog:
    """The real service, with everything on that its users have: tokens, rules, idempotency keys and the audit."""

    bench: Bench
    database_url: str
    version: str
    name: str = "Roomlog"

    async def w1(self) -> Figures:
        """Over WebSocket, in rooms that have a few messages already, as in `./test speed`."""
        names = await workloads.w1_rooms(self.bench)
        await limits.fill(self.database_url, self.bench.app.id, names, FILLED)
        return await workloads.w1_socket(self.bench)

    async def w2(self, subscribers: int) -> Figures:
        """Everything through one process."""
        return await workloads.w2_throughput(self.bench, subscribers)

    async def w2_latency(self, subscribers: int) -> Figures:
        """The same with one message in flight."""
        return await workloads.w2_latency(self.bench, subscribers)

    async def w3(self) -> Figures:
        """Each member on a connection of their own."""
        return await workloads.w3_steady(self.bench)

    async def w4_room(self, messages: int) -> None:
        """Write the messages past the service, and have somebody follow the room."""
        await self.bench.app.room(LARGE, ("ann",))
        await limits.fill(self.database_url, self.bench.app.id, [LARGE], messages)
        await self.bench.lines(1, lambda _: LARGE)

    async def w4_cold(self) -> Figures:
        """With the room named in the upgrade."""
        return await workloads.w4_cold(self.bench, [LARGE])

    async def w4_warm(self) -> Figures:
        """By a frame."""
        return await workloads.w4_warm(self.bench, [LARGE])

    async def w5(self, connections: int) -> float:
        """Of the service's process."""
        return await workloads.w5_memory(self.bench, connections)


@contextlib.asynccontextmanager
async def roomlog(folder: Path, core: int, seconds: float) -> AsyncIterator[Roomlog]:
    """Run the service and its stores on one core."""
    async with contextlib.AsyncExitStack() as stack:
        with pinned(core):
            stores = stack.enter_context(servers(folder / "stores", os.environ, durable=True))
            # It runs a loop of its own.
            await asyncio.to_thread(migrate, stores.database_url, ROOT / "migrations")
            settings = new_settings(stores.database_url, stores.redis_url)
            service = stack.enter_context(running_service(settings, folder / "log"))
        async with redis.asyncio.Redis.from_url(stores.redis_url) as client:
            redis_pid = (await client.info("server"))["process_id"]
        postmaster = next(stores.data.glob("pg[0-9]*")) / "postmaster.pid"
        assert service.process is not None
        pids = Servers(service.process.pid, int(postmaster.read_text().split()[0]), redis_pid)
        http = await stack.enter_async_context(plain_client(service.url))
        app = await new_app(service, http, limits={"user_connections": PLENTY, "app_connections": PLENTY})
        yield Roomlog(Bench(app, pids, seconds), stores.database_url, version())


def version() -> str:
    """Give the version and, in a checkout, the commit."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with contextlib.suppress(FileNotFoundError):
        command = ["git", "describe", "--always", "--dirty"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return f"{project['version']} ({said.stdout.strip()})"
    return str(project["version"])
