"""Service processes of a test's own."""

import base64
import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 35.0
PORTS = (21_000, 31_000)
"""Below what Linux gives to connections (32768 on), above what `roomlog.testing` takes."""
PORT_STRIPES = 8
ROOT = Path(__file__).parent.parent.parent
FENCE = os.environ.get("ROOMLOG_DB_FENCE", "control")
"""`all` runs everything here through row-level security."""


def _own_ports() -> Iterator[int]:
    """Give ports that neither the kernel gives to connections, as a restart needs its own again, nor another worker has."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PORT_STRIPES
    width = (PORTS[1] - PORTS[0]) // PORT_STRIPES
    mine = range(PORTS[0] + worker * width, PORTS[0] + (worker + 1) * width)
    while True:
        yield from random.sample(mine, len(mine))


_ports = _own_ports()


def free_port() -> int:
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            # Connections of before that are over do not hold it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports have no end")


def new_settings(database_url: str, redis_url: str, **more: str) -> dict[str, str]:
    """Give a service's settings with secrets of its own; it drains at once, unless `more` says otherwise."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ROOMLOG_PEPPER": secrets.token_hex(32),
        "ROOMLOG_MASTER_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "ROOMLOG_OPERATOR_TOKEN": secrets.token_hex(32),
        "ROOMLOG_DRAIN_S": "0",
        "ROOMLOG_DRAIN_DELAY_S": "0",
        **more,
    }


@dataclass
class Service:
    """One process of the real service; it can be killed, stopped and started anew on the same ports."""

    environment: dict[str, str]
    log: Path
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "api", "serve"])
    port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal_port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/connect"

    @property
    def operator_token(self) -> str:
        return self.environment["ROOMLOG_OPERATOR_TOKEN"]

    def spawn(self) -> None:
        ports = {"ROOMLOG_PORT": str(self.port), "ROOMLOG_INTERNAL_PORT": str(self.internal_port)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment, **ports},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"the service has ended: {self.log.read_text()[-2000:]}"
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(self.internal_url + "/readyz", timeout=1).close()
                return
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text()[-2000:])

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


@contextlib.contextmanager
def running_service(environment: dict[str, str], log: Path) -> Iterator[Service]:
    service = Service(environment, log)
    service.spawn()
    try:
        service.await_ready()
        yield service
    finally:
        service.end(signal.SIGKILL)
