"""What a rival stands on: a PostgreSQL as durable as the service's own, and processes that end when the benchmark does."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from api.embedded import child_process, find_postgres, postgres_server
from tests.support.processes import free_port

START_S = 60.0
NO_PROCESS = 0
"""Stands for a server that a rival does not have: nothing is counted for it."""


class Missing(Exception):
    """A rival's software is not here; the message says how to install it."""


@dataclass(frozen=True)
class Postgres:
    """Where a private PostgreSQL is: on a Unix socket and, for those that know no such thing, on 127.0.0.1."""

    folder: Path
    """Of the socket."""
    port: int
    pid: int

    @property
    def url(self) -> str:
        """By the socket."""
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """Give a folder for servers for the length of a context; PostgreSQL's account can get through it."""
    # On many systems /tmp is memory, where nothing waits for a disk.
    with tempfile.TemporaryDirectory(prefix="roomlog-rivals-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL for the length of a context, set as the one of `api.embedded.servers(…, durable=True)`."""
    folder.mkdir()
    port = free_port()
    with postgres_server(folder, os.environ, port=port) as process:
        yield Postgres(folder, port, process.pid)


async def analyze(database_url: str) -> None:
    """Have PostgreSQL know its tables, as it does by itself a minute later: a plan made for empty ones says little."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("ANALYZE")
    await connection.close()


def postgres_version() -> str:
    """Give the version of the PostgreSQL that all systems get."""
    program = find_postgres(os.environ) / "postgres"
    return subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stdout.split()[2]


@contextlib.contextmanager
def running(command: Sequence[Path | str], log: Path, **environment: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server for the length of a context; it ends with the benchmark, however that ends."""
    # `env` becomes the command, so that the process is the server itself.
    settings = [f"{name}={value}" for name, value in environment.items()]
    with child_process(["env", *settings, *command], log) as process:
        yield process


def await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server takes connections."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"a server has ended: {log.read_text()[-2000:]}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(log.read_text()[-2000:])
