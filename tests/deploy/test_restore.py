"""The runbook's Restore, played through: an old copy is brought up, and nobody is told anything that is not so."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api.embedded import servers
from api.migrate import migrate
from tests.support.document import public_client
from tests.support.processes import ROOT, Service, running_service
from tests.support.world import new_app


@pytest.fixture
def folder() -> Iterator[Path]:
    # As root PostgreSQL runs under another account, to which pytest's own folders are closed.
    with tempfile.TemporaryDirectory(prefix="roomlog-restore-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def backed_up(folder: Path) -> tuple[Path, Path]:
    """Copy the cluster, which is stopped; gives it and its copy."""
    (data,) = folder.glob("pg[0-9]*")
    subprocess.run(["cp", "-a", data, folder / "backup"], check=True)
    return data, folder / "backup"


def checked(settings: dict[str, str]) -> str:
    """Run `check` and give what it prints."""
    command, environment = [sys.executable, "-m", "api", "check"], {**os.environ, **settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout


def restored(backup: Path, data: Path) -> None:
    """Put the copy where the cluster was, to be brought up on a new timeline: step 2."""
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", backup, data], check=True)
    (data / "recovery.signal").touch()
    shutil.copystat(data / "PG_VERSION", data / "recovery.signal")
    owner = (data / "PG_VERSION").stat()
    os.chown(data / "recovery.signal", owner.st_uid, owner.st_gid)
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'false'\n")


@pytest.mark.timeout(180)
async def test_a_restore_begins_an_epoch_and_resets_who_saw_the_lost_tail(
    environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    """Who saw no more than was restored goes on; who saw more is reset, once; numbers are not given to other messages."""
    with contextlib.ExitStack() as life:
        running = life.enter_context(servers(folder, os.environ, durable=True))
        await asyncio.to_thread(migrate, running.database_url, ROOT / "migrations")
        settings = {**environment, "DATABASE_URL": running.database_url, "REDIS_URL": running.redis_url}
        service = life.enter_context(running_service(settings, tmp_path / "log"))
        async with public_client(service.url) as http:
            app = await new_app(service, http)
            await app.room("r", ("ann",))
            await app.say("r", "kept", "ann")
            token = await app.token("ann")
            async with app.socket("ann") as socket:
                kept = (await socket.open("r"))["snapshot"]["cursor"]
    data, backup = backed_up(folder)

    with contextlib.ExitStack() as life:
        life.enter_context(servers(folder, os.environ, durable=True))
        service = life.enter_context(again(service))
        async with public_client(service.url) as http:
            app.http, app.tokens = http, {"ann": token}
            lost = await app.say("r", "lost", "ann")
            async with app.socket("ann") as socket:
                ahead = (await socket.open("r"))["snapshot"]["cursor"]
    restored(backup, data)

    with contextlib.ExitStack() as life:
        running = life.enter_context(servers(folder, os.environ, durable=True))
        connection = await asyncpg.connect(running.database_url)
        await connection.execute("TRUNCATE commits")
        await connection.close()
        assert "begins epoch 2" in checked(settings)
        service = life.enter_context(again(service))
        async with public_client(service.url) as http:
            app.http = http
            async with app.socket("ann") as socket:
                assert (await socket.open("r", cursor=kept))["resumed"]
            async with app.socket("ann") as socket:
                reset = await socket.open("r", cursor=ahead)
                assert (reset["type"], reset["reason"]) == ("reset", "epoch_lost")
                texts = [message["parts"][0]["text"] for message in reset["snapshot"]["messages"]]
                assert texts == ["kept"]
                after = await app.say("r", "after", "ann")
                assert (await socket.hear())["message"]["id"] == after["id"]
            assert after["id"] != lost["id"]


@contextlib.contextmanager
def again(service: Service) -> Iterator[Service]:
    service.spawn()
    try:
        service.await_ready()
        yield service
    finally:
        service.end(signal.SIGKILL)
