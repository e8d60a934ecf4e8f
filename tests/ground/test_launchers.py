"""The launchers: what a newcomer types, and how it ends."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.embedded import NoServer, Servers, servers
from tests.conftest import MASTER_KEYS, OPERATOR_TOKEN, PEPPER
from tests.support.processes import ROOT, free_port

START_S = 40.0
pytestmark = pytest.mark.timeout(120)


class Dev:
    """`dev`, started as a newcomer would."""

    def __init__(self, data: Path, *more: str) -> None:
        self.data = data
        self.log = data.parent / "dev.log"
        self.port = free_port()
        command = [sys.executable, "-m", "api", "dev", "--port", str(self.port), "--data", str(data), *more]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)

    def ready(self) -> dict[str, Any]:
        deadline = time.monotonic() + START_S
        while "Ctrl-C" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return dict(json.loads((self.data / "dev.json").read_text()))

    def children(self) -> list[int]:
        """Give all processes below this one."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
        below = [self.process.pid]
        for pid in below:
            below += [child for child, parent in parents.items() if parent == pid]
        return below[1:]


@pytest.fixture
def folder() -> Iterator[Path]:
    # As root PostgreSQL runs under another account, to which pytest's own folders are closed, and what stands in for the
    # data of `dev` is kept.
    with tempfile.TemporaryDirectory(prefix="roomlog-ground-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def dev(folder: Path) -> Iterator[Dev]:
    started = Dev(folder / "data")
    yield started
    with contextlib.suppress(ProcessLookupError):
        started.process.terminate()
    started.process.wait(30)


def are_gone(pids: list[int], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def post(url: str, credential: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return dict(json.load(answer))


def enter(dashboard_url: str, entrance: str) -> str | None:
    """Follow the link into the dashboard; gives where it leads to, None for nowhere."""
    host = dashboard_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request("GET", f"/enter/{entrance}")
    answer = connection.getresponse()
    connection.close()
    assert (answer.headers["Set-Cookie"] is not None) == (answer.status == 303)
    return answer.headers["Location"]


def test_dev_seeds_prints_and_keeps_its_data(folder: Path, dev: Dev) -> None:
    """The demo can be used at once by what is printed and written; a second run finds what the first one kept."""
    demo = dev.ready()
    told = "url internal_url dashboard_url redis_url api_key app_id room_id users"
    assert set(demo) == set(told.split())
    entrance = dev.log.read_text().partition(f"{demo['dashboard_url']}/enter/")[2].split()[0]
    assert [enter(demo["dashboard_url"], entrance) for _ in range(2)] == ["/apps", None]
    alice = demo["users"][0]
    said = post(
        f"{demo['url']}/v1/rooms/{demo['room_id']}/messages",
        alice["token"],
        {"parts": [{"type": "text", "text": "kept"}]},
    )
    assert said["sender"] == alice["id"]
    assert dev.log.read_text().count("curl") == 2
    children = dev.children()
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(30) == 0
    assert are_gone(children)
    again = Dev(folder / "data")
    try:
        second = again.ready()
        assert (second["app_id"], second["api_key"]) == (demo["app_id"], demo["api_key"])
        request = urllib.request.Request(
            f"{second['url']}/v1/rooms/{demo['room_id']}/messages",
            headers={"Authorization": f"Bearer {second['users'][1]['token']}"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            messages = json.load(answer)["messages"]
        assert [message["id"] for message in messages] == [said["id"]]
    finally:
        again.process.terminate()
        again.process.wait(30)


def test_killing_the_launcher_stops_everything(dev: Dev) -> None:
    """After SIGKILL nothing of it runs on: neither the service nor the servers."""
    dev.ready()
    children = dev.children()
    assert len(children) >= 3
    dev.process.kill()
    dev.process.wait(10)
    assert are_gone(children, 10.0)


def test_several_workers_share_the_port_and_a_dead_one_is_replaced(folder: Path) -> None:
    """Each worker has its own internal port; one that is killed comes back."""
    dev = Dev(folder / "data", "--workers", "2")
    try:
        demo = dev.ready()
        internal = int(demo["internal_url"].rpartition(":")[2])
        deadline = time.monotonic() + START_S
        for number in range(2):
            wait_ready(internal + number, deadline)
        workers = [pid for pid in dev.children() if b"ROOMLOG_IS_WORKER=1" in environ(pid)]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        assert are_gone(workers[:1])
        for number in range(2):
            wait_ready(internal + number, time.monotonic() + START_S)
    finally:
        dev.process.terminate()
        assert dev.process.wait(30) == 0


def environ(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def wait_ready(port: int, deadline: float) -> None:
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ROOMLOG", "DATABASE", "REDIS"))}
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_told_in_a_line(tmp_path: Path) -> None:
    """Nothing is started, nothing is made, and one line says which port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("dev", "--port", str(port), "--data", str(tmp_path / "data"))
    assert ended.returncode != 0
    assert len(ended.stderr.strip().splitlines()) == 1
    assert str(port) in ended.stderr
    assert not (tmp_path / "data").exists()


def test_the_service_refuses_a_schema_that_it_does_not_know(stores: Servers) -> None:
    """Without a schema, or with one from the future, it says what to run, and serves nobody."""
    import asyncio

    import asyncpg

    async def prepare() -> None:
        connection = await asyncpg.connect(stores.database_url)
        for name in ("empty", "future"):
            await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        future = await asyncpg.connect(stores.database_url.replace("/postgres?", "/future?"))
        await future.execute(
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999');"
            "GRANT SELECT ON alembic_version TO roomlog_ground"
        )
        await future.close()

    asyncio.run(prepare())
    for name, words in (("empty", "roomlog-server migrate"), ("future", "9999")):
        url = stores.database_url.replace("/postgres?", f"/{name}?")
        ended = run(
            "serve",
            DATABASE_URL=url,
            REDIS_URL=stores.redis_url,
            ROOMLOG_PEPPER=PEPPER,
            ROOMLOG_MASTER_KEYS=MASTER_KEYS,
            ROOMLOG_PORT=str(free_port()),
            ROOMLOG_INTERNAL_PORT=str(free_port()),
        )
        assert ended.returncode == 1
        assert words in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


def test_missing_settings_are_told_together() -> None:
    """One run names them all."""
    ended = run("serve")
    assert ended.returncode == 1
    for name in ("DATABASE_URL", "REDIS_URL", "ROOMLOG_PEPPER", "ROOMLOG_MASTER_KEYS"):
        assert name in ended.stderr


def test_the_operator_s_verbs_make_a_usable_app(stores: Servers) -> None:
    """Tenant, app, key and token by the command line; a revoked key is listed as revoked."""
    settings = {
        "DATABASE_URL": stores.database_url,
        "REDIS_URL": stores.redis_url,
        "ROOMLOG_PEPPER": PEPPER,
        "ROOMLOG_MASTER_KEYS": MASTER_KEYS,
        "ROOMLOG_OPERATOR_TOKEN": OPERATOR_TOKEN,
    }

    def told(*arguments: str) -> list[dict[str, Any]]:
        ended = run(*arguments, "--json", **settings)
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]

    tenant = told("tenant", "create", "Acme")[0]
    app = told("app", "create", tenant["id"], "Chat", "--environment", "test")[0]
    key = told("key", "create", app["id"], "server")[0]
    token = told("token", "mint", app["id"], "ann", "--ttl", "60")[0]
    assert key["key"].startswith("rl_test_")
    assert token["user"] == "ann"
    assert app in told("app", "list", tenant["id"])
    assert told("key", "revoke", app["id"], key["id"])[0]["revoked_at"]
    plain = run("key", "list", app["id"], **settings).stdout
    assert "label=server" in plain
    assert key["key"] not in plain
    unknown = run("app", "list", "ten_00000000x", **settings)
    assert (unknown.returncode, "not_found" in unknown.stderr) == (1, True)


def test_private_servers_are_one_process_s_at_a_time(tmp_path: Path) -> None:
    """A second process on the same folder is refused, not let in."""
    with servers(tmp_path / "s", os.environ, durable=False), pytest.raises(NoServer, match="Another process"):
        with servers(tmp_path / "s", os.environ, durable=False):
            pass


@pytest.mark.parametrize("durable", [False, True])
def test_what_is_not_kept_leaves_nothing_outside_its_folder(closed: Path, *, durable: bool) -> None:
    """What stands in for a folder that PostgreSQL's account cannot get into goes with the servers."""
    with servers(closed, os.environ, durable=durable, start_redis=False) as running:
        assert running.data.exists()
    assert not outside(closed, running.data)


def test_what_is_kept_is_there_for_the_next_servers(closed: Path) -> None:
    """Whether or not another folder stands in, it is the same one each time, with what was in it."""
    with servers(closed, os.environ, durable=False, keep=True, start_redis=False) as running:
        (running.data / "kept").touch()
    try:
        with servers(closed, os.environ, durable=False, keep=True, start_redis=False) as again:
            assert again.data == running.data
            assert (again.data / "kept").exists()
    finally:
        if outside(closed, running.data):
            shutil.rmtree(running.data)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder for servers below one of ours that is closed to all others."""
    below = tmp_path / "closed"
    below.mkdir(mode=0o700)
    return below / "servers"


def outside(folder: Path, data: Path) -> bool:
    return data.exists() and not data.is_relative_to(folder.resolve())
