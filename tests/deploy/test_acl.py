"""The service's user of deploy/redis.acl: it can do its work, and nothing else."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from api import embedded
from tests.support.document import public_client
from tests.support.processes import ROOT, running_service
from tests.support.world import new_app

ACL = ROOT / "deploy" / "redis.acl"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with these users; gives the service's URL."""
    folder = tmp_path_factory.mktemp("acl")
    socket, log, acl = folder / "r.sock", folder / "log", folder / "acl"
    # The file may hold users alone.
    acl.write_text("".join(line for line in ACL.read_text().splitlines(keepends=True) if not line.startswith("#")))
    command: list[Path | str] = [embedded._find_redis(os.environ), "--port", "0", "--unixsocket", socket]
    command += [
        "--aclfile",
        acl,
        "--save",
        "",
        "--dir",
        folder,
        "--maxmemory",
        "256mb",
        "--maxmemory-policy",
        "noeviction",
    ]
    with embedded.child_process(command, log):
        embedded._await(socket, b"PING\r\n", b"-", log)  # NOAUTH is an answer
        yield f"unix://roomlog:change-me@{socket}"


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url) as client:
        yield client


async def test_the_service_works_as_this_user(environment: dict[str, str], url: str, tmp_path: Path) -> None:
    """Events are pushed and limits are shared; `check` finds nothing that this user lacks."""
    settings = {**environment, "REDIS_URL": url}
    with running_service(settings, tmp_path / "log") as service:
        async with public_client(service.url) as http:
            app = await new_app(service, http)
            await app.room("r", ("ann",))
            async with app.socket("ann") as socket:
                await socket.open("r")
                said = await app.say("r", "x", "ann")
                await socket.until_seq(said["seq"])
            metrics = (await http.get(service.internal_url + "/metrics")).text
    assert "roomlog_limit_alone_total 0" in metrics
    assert "roomlog_publish_failed_total 0" in metrics
    assert checked(settings) == []


def checked(settings: dict[str, str]) -> list[str]:
    """Give what `check` finds wrong with Redis."""
    command = [sys.executable, "-m", "api", "check"]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, check=False, cwd=ROOT
    )
    lines = [line for line in done.stdout.splitlines() if "redis" in line]
    assert lines
    return [line for line in lines if not line.lstrip().startswith("ok")]


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("GET", "other"),
        ("SET", "other", "x"),
        ("PUBLISH", "other", "x"),
        ("SUBSCRIBE", "other"),
        ("PSUBSCRIBE", "*"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("ACL", "LIST"),
        ("CLIENT", "KILL", "TYPE", "pubsub"),
        ("EVAL", "return 1", "0"),
        ("SHUTDOWN",),
        ("MONITOR",),
    ],
    ids=" ".join,
)
async def test_it_may_do_nothing_else(redis: Redis, command: tuple[str, ...]) -> None:
    """Neither others' keys and channels, nor anything that concerns the server."""
    with pytest.raises(NoPermissionError):
        await redis.execute_command(*command)
