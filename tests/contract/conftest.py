"""The suite's own: a follower of each kind, a service that may be killed, and the table of three columns."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.embedded import redis_server
from tests.contract.by_sdk import ByBlockingSdk, BySdk
from tests.contract.followers import TRANSPORTS as RAW
from tests.contract.followers import Follower
from tests.support.document import public_client
from tests.support.processes import Service, running_service
from tests.support.world import App, new_app

Follow = Callable[..., Follower]
TRANSPORTS: dict[str, type[Follower]] = {**RAW, "sdk": BySdk, "blocking sdk": ByBlockingSdk}
"""The three, and the SDK's two clients, which are promised the same."""


@pytest.fixture(params=TRANSPORTS)
def kind(request: pytest.FixtureRequest) -> type[Follower]:
    """Each transport in turn."""
    return TRANSPORTS[request.param]


@pytest.fixture
async def follow(kind: type[Follower]) -> AsyncIterator[Follow]:
    """Makes followers, and lets go of them all."""
    async with contextlib.AsyncExitStack() as stack:

        def make(service: Service, credential: str) -> Follower:
            follower = kind(service, credential)
            stack.push_async_callback(follower.close)
            return follower

        yield make


@pytest.fixture
def own_service(environment: dict[str, str], tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, which it may kill and start anew."""
    with running_service(environment, tmp_path / "log") as running:
        yield running


@pytest.fixture
async def own_app(own_service: Service) -> AsyncIterator[App]:
    """An app on it."""
    async with public_client(own_service.url) as http:
        yield await new_app(own_service, http)


@pytest.fixture
async def without_redis(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """An app on a service that had a Redis and has lost it."""
    folder = tmp_path_factory.mktemp("r")
    path = folder / "redis"
    with redis_server(path, folder / "redis.log", os.environ) as redis:
        with running_service(environment | {"REDIS_URL": f"unix://{path}"}, folder / "log") as running:
            async with public_client(running.url) as http:
                app = await new_app(running, http)
                redis.send_signal(signal.SIGKILL)
                await asyncio.to_thread(redis.wait, 10)
                yield app


# ---- the table


_SEEN: dict[str, dict[str, str]] = {}


def pytest_runtest_logreport(report: Any) -> None:
    name, _, parameter = report.nodeid.partition("[")
    path, _, promise = name.partition("::")
    if "tests/contract" not in path or not parameter:
        return
    transport = next((part for part in parameter.rstrip("]").split("-") if part in TRANSPORTS), None)
    if transport is not None and (report.when == "call" or report.outcome != "passed"):
        column = _SEEN.setdefault(promise.removeprefix("test_").replace("_", " "), {})
        if column.get(transport) != "FAILED":
            column[transport] = "kept" if report.outcome == "passed" else "FAILED"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _SEEN:
        return
    width = max(len(promise) for promise in _SEEN)
    terminalreporter.write_line("")
    terminalreporter.write_line(f"{'promise':{width}}  " + "  ".join(f"{name:12}" for name in TRANSPORTS))
    for promise, columns in sorted(_SEEN.items()):
        row = "  ".join(f"{columns.get(name, '–'):12}" for name in TRANSPORTS)
        terminalreporter.write_line(f"{promise:{width}}  {row}".rstrip())
