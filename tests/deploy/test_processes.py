"""A process under a manager of services: it says when it is ready, and goes when it is told twice."""

import signal
import socket
import time
from pathlib import Path

from tests.support.processes import Service


def test_systemd_is_told_ready_and_stopping(environment: dict[str, str], tmp_path: Path) -> None:
    """With Type=notify nothing is sent here before the listeners are open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)
        settings = {**environment, "ROOMLOG_DRAIN_DELAY_S": "0", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        service = Service(settings, tmp_path / "log")
        service.spawn()
        try:
            assert heard.recv(100) == b"READY=1"
            service.await_ready()
            service.send(signal.SIGTERM)
            assert heard.recv(100) == b"STOPPING=1"
            assert service.end() == 0
        finally:
            service.end(signal.SIGKILL)


def test_told_twice_it_goes_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    """A long drain is cut short by a second signal."""
    settings = {**environment, "ROOMLOG_DRAIN_DELAY_S": "60", "ROOMLOG_DRAIN_S": "60"}
    service = Service(settings, tmp_path / "log")
    service.spawn()
    try:
        service.await_ready()
        began = time.monotonic()
        service.send(signal.SIGTERM)
        while b"drain" not in service.log.read_bytes() and time.monotonic() - began < 1:
            time.sleep(0.05)
        assert service.process is not None
        assert service.process.poll() is None
        assert service.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 10
    finally:
        service.end(signal.SIGKILL)
