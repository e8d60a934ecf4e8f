"""`roomlog-server check`: each fault has its sentence, and the exit status."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api import embedded
from api.embedded import Servers
from api.migrate import migrate
from tenants.checks import Verdict, judge_skew
from tests.conftest import MASTER_KEYS, PEPPER, ROOT
from tests.support.databases import new_database

Faults = dict[str, tuple[str, str]]


def check(database_url: str, redis_url: str, *, status: int | None = None, **more: str) -> Faults:
    """Run it and give what it found by name, `ok` left out."""
    secrets = {"ROOMLOG_PEPPER": PEPPER, "ROOMLOG_MASTER_KEYS": MASTER_KEYS}
    environment = {**os.environ, **secrets, "DATABASE_URL": database_url, "REDIS_URL": redis_url, **more}
    command = [sys.executable, "-m", "api", "check", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert done.returncode == int(any(each["verdict"] == "fail" for each in found))
    if status is not None:
        assert done.returncode == status, found
    return {each["name"]: (each["verdict"], each["text"]) for each in found if each["verdict"] != "ok"}


@contextlib.contextmanager
def other_redis(folder: Path, *options: str) -> Iterator[str]:
    socket, log = folder / "r.sock", folder / "redis.log"
    command: list[Path | str] = [embedded._find_redis(os.environ), *options, "--port", "0", "--unixsocket", socket]
    with embedded.child_process([*command, "--save", "", "--dir", folder], log):
        embedded._await(socket, b"PING\r\n", b"+", log)
        yield f"unix://{socket}"


def test_a_server_without_durability_fails(stores: Servers) -> None:
    """The tests' own server flushes nothing, and is told apart by just that."""
    found = check(stores.database_url, stores.redis_url, status=1)
    assert set(found) - {"postgres checksums"} == {"postgres durability"}
    assert "fsync and full_page_writes must be on" in found["postgres durability"][1]


def test_what_is_out_of_reach_is_told_without_its_password(stores: Servers) -> None:
    """Both stores at once, and neither secret is shown."""
    found = check("postgresql://u:hidden@127.0.0.1:1/d", "redis://:hidden@127.0.0.1:1", status=1)
    assert found["postgres"][0] == found["redis"][0] == "fail"
    assert "DATABASE_URL" in found["postgres"][1]
    assert "REDIS_URL" in found["redis"][1]
    assert "hidden" not in str(found)


async def test_a_database_without_a_schema_fails(stores: Servers) -> None:
    """It says what to run."""
    url = await new_database(stores, "bare")
    assert "roomlog-server migrate" in check(url, stores.redis_url, status=1)["schema"][1]


async def test_a_schema_of_another_version_a_new_life_and_lax_commits_are_told(stores: Servers) -> None:
    """A restored or promoted database begins an epoch, which whoever starts the service knows before."""
    url = await new_database(stores, "lived", "ALTER DATABASE lived SET synchronous_commit = off")
    await asyncio.to_thread(migrate, url, ROOT / "migrations")
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO epochs VALUES (4, 1, 1, '00000009')")
    found = check(url, stores.redis_url)
    assert found["epoch"] == ("warn", found["epoch"][1])
    assert "begins epoch 5" in found["epoch"][1]
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.execute("ALTER DATABASE lived SET default_transaction_read_only = on")
    await connection.close()
    found = check(url, stores.redis_url, status=1)
    assert "It is 9999" in found["schema"][1]
    assert "read-only" in found["postgres primary"][1]


def test_too_few_connections_for_the_workers_are_told(stores: Servers) -> None:
    """The database's limit is compared with what this machine's workers take."""
    found = check(stores.database_url, stores.redis_url, ROOMLOG_WORKERS="60")
    assert found["postgres connections"][0] == "warn"


def test_a_redis_that_forgets_and_cuts_off_is_told(stores: Servers, tmp_path: Path) -> None:
    """Its memory policy and its output buffers are looked at; one finding each would hide nothing."""
    with other_redis(tmp_path, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "50mb") as url:
        assert "allkeys-lru" in check(stores.database_url, url)["redis limits"][1]


def test_a_redis_that_lets_nobody_publish_fails(stores: Servers, tmp_path: Path) -> None:
    """A user without the channels is known before the first message is late."""
    with other_redis(tmp_path, *["--user", "default", "on", "nopass", "~*", "resetchannels", "+@all"]) as url:
        assert check(stores.database_url, url, status=1)["redis publications"][0] == "fail"


def test_a_file_limit_too_low_is_told(stores: Servers) -> None:
    """Each client is a descriptor."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        assert check(stores.database_url, stores.redis_url)["file descriptors"][0] == "warn"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_settings_are_the_first_thing(stores: Servers) -> None:
    """Without good settings nothing else can be looked at, and each fault has its line."""
    found = check("nonsense", stores.redis_url, status=1, ROOMLOG_PORT="x")
    assert set(found) == {"settings"}


@pytest.mark.parametrize(
    ("skew_s", "verdict"), [(0.2, Verdict.OK), (-3.0, Verdict.WARN), (11.0, Verdict.FAIL), (-11.0, Verdict.FAIL)]
)
def test_clocks_that_differ_are_told(skew_s: float, verdict: Verdict) -> None:
    """More than a second warns, more than ten fail."""
    assert judge_skew("clock", skew_s).verdict is verdict
