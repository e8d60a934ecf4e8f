"""The examples for PostgreSQL, Valkey and Prometheus, read by these programs themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api import embedded
from api.embedded import Servers
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"


def test_postgres_reads_its_example(stores: Servers, tmp_path: Path) -> None:
    """Each line is one that this PostgreSQL knows, with a value that it takes."""
    account = embedded._account()
    binaries = embedded._runnable(embedded.find_postgres(os.environ), account)
    (data,) = stores.data.glob("pg[0-9]*")
    example = data / "example.conf"
    example.write_text((DEPLOY / "postgresql.conf").read_text())
    example.chmod(0o644)
    names = ["synchronous_commit", "max_connections", "max_slot_wal_keep_size", "autovacuum_naptime"]
    told = []
    for name in names:
        done = subprocess.run(
            [binaries / "postgres", "-D", data, "-c", f"config_file={example}", "-C", name],
            preexec_fn=embedded._becoming(account),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.strip())
    assert told == ["on", "200", "20480", "15"]


def test_valkey_starts_with_its_example_and_check_is_content(stores: Servers, tmp_path: Path) -> None:
    """A server started with it passes what `check` looks at in a Redis."""
    socket, log = tmp_path / "r.sock", tmp_path / "log"
    command: list[Path | str] = [embedded._find_redis(os.environ), DEPLOY / "valkey.conf", "--port", "0"]
    command += ["--unixsocket", socket, "--dir", tmp_path]
    with embedded.child_process(command, log):
        embedded._await(socket, b"PING\r\n", b"+", log)
        example = dict(
            line.split("=", 1)
            for line in (DEPLOY / "env.example").read_text().splitlines()
            if line and not line.startswith("#")
        )
        environment = {**os.environ, **example, "DATABASE_URL": stores.database_url, "REDIS_URL": f"unix://{socket}"}
        done = subprocess.run(
            [sys.executable, "-m", "api", "check"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    about_redis = [line for line in done.stdout.splitlines() if "redis" in line]
    assert about_redis
    assert all(line.lstrip().startswith("ok") for line in about_redis), done.stdout


@pytest.mark.parametrize(("kind", "name"), [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_prometheus_reads_its_example(kind: str, name: str) -> None:
    """Alerts and targets, by Debian's promtool."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "apt-get install prometheus"
    done = subprocess.run([promtool, "check", kind, name], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
