"""The stage: processes of the service and their stores on one core, a driver on the other, an app that meets no limit."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio

from api.embedded import servers
from api.migrate import migrate
from tests.endurance.gauges import raise_open_files
from tests.speed.machine import Servers, cores, pinned
from tests.speed.workloads import Bench
from tests.support.plain import plain_client
from tests.support.processes import ROOT, Service, new_settings, running_service
from tests.support.world import new_app

PLENTY = 1_000_000
DAY_S = 86_400


@dataclass(frozen=True)
class Several(Servers):
    """The server side where the service has further processes beside the first."""

    others: tuple[int, ...] = ()

    def cpu_s(self) -> dict[str, float]:
        """Give the CPU seconds that each has used so far, those of all processes of the service together."""
        used = super().cpu_s()
        for pid in self.others:
            used["service"] += Servers(pid, self.postgres, self.redis).cpu_s()["service"]
        return used


@dataclass(frozen=True)
class Stage:
    """What a measurement runs against."""

    services: list[Service]
    database_url: str
    redis_url: str
    postmaster: int

    @contextlib.asynccontextmanager
    async def bench(self, seconds: float) -> AsyncIterator[Bench]:
        """Give a bench with a new app, at the first process of the service."""
        async with redis.asyncio.Redis.from_url(self.redis_url) as client:
            redis_pid = (await client.info("server"))["process_id"]
        first, *others = (service.process.pid for service in self.services if service.process is not None)
        async with plain_client(self.services[0].url) as http:
            quotas = {"user_connections": PLENTY, "app_connections": PLENTY}
            app = await new_app(self.services[0], http, limits=quotas)
            app.tokens["ann"] = (await app.mint("ann", DAY_S))["token"]  # measuring may take longer than a token lives
            yield Bench(app, Several(first, self.postmaster, redis_pid, tuple(others)), seconds)


@contextlib.contextmanager
def stage(processes: int = 1) -> Iterator[Stage]:
    """Run new stores and so many processes of the service for the length of a context, in which this process has its own core.

    Call it from the main thread.
    """
    raise_open_files()  # those that are started here inherit it
    core, drivers = cores()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roomlog-growth-")))
        stack.enter_context(pinned(core))
        stores = stack.enter_context(servers(folder / "stores", os.environ, durable=True))
        migrate(stores.database_url, ROOT / "migrations")
        environment = new_settings(stores.database_url, stores.redis_url)
        services = [
            stack.enter_context(running_service(environment, folder / f"log-{number}")) for number in range(processes)
        ]
        pid_file = next(stores.data.glob("pg[0-9]*")) / "postmaster.pid"
        stack.enter_context(pinned(drivers))
        yield Stage(services, stores.database_url, stores.redis_url, int(pid_file.read_text().split()[0]))
