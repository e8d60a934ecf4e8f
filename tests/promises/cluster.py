"""Several processes of the service on one PostgreSQL and one Valkey, each of which can be broken."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api import embedded
from api.embedded import redis_server
from tests.promises.databases import Database, running_database
from tests.support.processes import FENCE, Service, new_settings

LAUNCH = [sys.executable, "-m", "tests.promises.launch"]


@dataclass
class Cluster:
    """What the faults work on."""

    database: Database
    redis_path: Path
    """Where the server listens."""
    log_folder: Path
    services: list[Service] = field(default_factory=list)
    redis: "subprocess.Popen[bytes] | None" = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def database_url(self) -> str:
        return self.database.url

    @property
    def redis_address(self) -> Path:
        """Where clients of Redis connect: it leads to the server, or to a proxy before it."""
        return self.database.address / "redis.sock"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.redis_address}"

    def lead_redis_to(self, socket: Path) -> None:
        """Lead the address to a socket, at once; connections that stand stay where they are."""
        draft = self.redis_address.with_name("new-redis")
        draft.unlink(missing_ok=True)
        draft.symlink_to(socket)
        draft.rename(self.redis_address)

    def spawn_redis(self) -> None:
        """Start an empty Redis; from the main thread. It listens within some milliseconds."""
        self.redis_path.unlink(missing_ok=True)
        command: list[Path | str] = [embedded._find_redis(os.environ), "--port", "0", "--unixsocket", self.redis_path]
        command += ["--save", "", "--appendonly", "no", "--dir", self.log_folder]
        process = embedded.child_process(command, self.log_folder / "redis.log")
        self.redis = self._stack.enter_context(process)

    def start_redis(self) -> None:
        """Start an empty Redis and wait for it."""
        self.redis_path.unlink(missing_ok=True)
        context = redis_server(self.redis_path, self.log_folder / "redis.log", os.environ)
        self.redis = self._stack.enter_context(context)

    def kill_redis(self) -> None:
        assert self.redis is not None
        self.redis.send_signal(signal.SIGKILL)
        self.redis.wait(10)

    def stop_postgres(self) -> None:
        """End the server in order; it takes no connections until `start_postgres`."""
        self.database.primary.end(signal.SIGINT)

    def start_postgres(self) -> None:
        self.database.spawn(self.database.primary)
        self.database.primary.await_ready()

    def renew(self, **planted: str) -> None:
        """Put fresh processes in place of all, with other faults planted."""
        for service in self.services:
            service.end(signal.SIGKILL)
            service.environment |= planted
            service.log.unlink(missing_ok=True)
            service.spawn()
        for service in self.services:
            service.await_ready()

    def close(self) -> None:
        for service in self.services:
            if service.process is not None:
                service.end(signal.SIGKILL)
        self._stack.close()


@contextlib.contextmanager
def running_cluster(folder: Path, processes: int, planted: dict[str, str]) -> Iterator[Cluster]:
    """Run a cluster whose services have the faults of `launch` planted that `planted` names."""
    with running_database(folder) as database:
        cluster = Cluster(database, database.folder / "redis.sock", folder)
        try:
            cluster.start_redis()
            cluster.lead_redis_to(cluster.redis_path)
            more = {"ROOMLOG_DRAIN_S": "1", "ROOMLOG_DB_FENCE": FENCE, **planted}
            environment = new_settings(cluster.database_url, cluster.redis_url, **more)
            for number in range(processes):
                log = folder / f"service-{number}.log"
                service = Service(dict(environment), log, command=LAUNCH)
                service.spawn()
                cluster.services.append(service)
            for service in cluster.services:
                service.await_ready()
            yield cluster
        finally:
            cluster.close()
