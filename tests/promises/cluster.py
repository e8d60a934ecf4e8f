"""Several processes of the service on one PostgreSQL and one Valkey, each of which can be killed."""

import base64
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api import embedded
from api.embedded import redis_server, servers
from api.migrate import migrate
from tests.support.processes import ROOT, Service

LAUNCH = [sys.executable, "-m", "tests.promises.launch"]


@dataclass
class Cluster:
    """What the faults work on."""

    database_url: str
    redis_path: Path
    log_folder: Path
    data: Path
    services: list[Service] = field(default_factory=list)
    redis: "subprocess.Popen[bytes] | None" = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start_redis(self) -> None:
        self.redis_path.unlink(missing_ok=True)
        context = redis_server(self.redis_path, self.log_folder / "redis.log", os.environ)
        self.redis = self._stack.enter_context(context)

    def kill_redis(self) -> None:
        assert self.redis is not None
        self.redis.send_signal(signal.SIGKILL)
        self.redis.wait(10)

    def stop_postgres(self) -> None:
        """End the server in order; it takes no connections until `start_postgres`."""
        pid = int((self._cluster_folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 10
        while (self._cluster_folder / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def start_postgres(self) -> None:
        account = embedded._account()
        binaries = embedded._runnable(embedded._find_postgres(os.environ), account)
        command: list[Path | str] = [binaries / "postgres", "-D", self._cluster_folder, "-k", self.redis_path.parent]
        command += ["-c", "listen_addresses=", "-c", "max_connections=200", "-c", "fsync=off"]
        log = self.log_folder / "postgres.log"
        self._stack.enter_context(embedded._process(command, log, account, signal.SIGINT))
        embedded._await(self.redis_path.parent / ".s.PGSQL.5432", embedded.HELLO, b"R", log)

    @property
    def _cluster_folder(self) -> Path:
        return next(self.data.glob("pg[0-9]*"))

    def close(self) -> None:
        for service in self.services:
            if service.process is not None:
                service.end(signal.SIGKILL)
        self._stack.close()


@contextlib.contextmanager
def running_cluster(folder: Path, processes: int, planted: dict[str, str]) -> Iterator[Cluster]:
    """Run a cluster whose services have the faults of `launch` planted that `planted` names."""
    with servers(folder, os.environ, durable=False, start_redis=False) as stores:
        migrate(stores.database_url, ROOT / "migrations")
        path = Path(stores.redis_url.removeprefix("unix://"))
        cluster = Cluster(stores.database_url, path, folder, stores.data)
        try:
            cluster.start_redis()
            environment = {
                "DATABASE_URL": stores.database_url,
                "REDIS_URL": stores.redis_url,
                "ROOMLOG_PEPPER": secrets.token_hex(32),
                "ROOMLOG_MASTER_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
                "ROOMLOG_OPERATOR_TOKEN": secrets.token_hex(32),
                "ROOMLOG_DRAIN_S": "1",
                "ROOMLOG_DRAIN_DELAY_S": "0",
                **planted,
            }
            for number in range(processes):
                log = folder / f"service-{number}.log"
                service = Service(environment, log, command=LAUNCH)
                service.spawn()
                cluster.services.append(service)
            for service in cluster.services:
                service.await_ready()
            yield cluster
        finally:
            cluster.close()
