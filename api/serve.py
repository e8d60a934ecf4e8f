"""Serving: one process with one event loop and two listeners, or three, or a parent with several such processes."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import cast

import structlog
import uvicorn
import uvloop
from litestar.types import ASGIApp

from api.asgi import build_internal, build_people, build_service
from api.edge.http_guard import GuardedHttp, Newcomers, sweep_for_ever
from api.edge.socket_guard import GuardedSocket
from api.settings import Settings
from api.shipped import own_command
from api.subscriptions.frames import MAX_FRAME_BYTES
from api.wiring import Wiring

BACKLOG = 2_048
SEND_BUFFER_BYTES = 256 * 1024
"""Of the kernel, for each socket: left to itself it grows to 4 MB, of which 10,000 slow clients would fill 40 GB."""
MAX_NEWCOMERS = 2_000
"""Connections without a request yet, at each listener."""
PING_EVERY_S = 20.0
PING_TIMEOUT_S = 40.0
"""Longer than a client may go without reading (30 s): one that is only slow has its pings behind all that it has to read."""
STARTED_EVERY_S = 0.01
STOP_S = 3.0
"""What remains for requests under way once the drain is over."""
RESTART_AFTER_S = 0.5
MAX_RESTART_AFTER_S = 10.0
STEADY_S = 30.0
PR_SET_PDEATHSIG = 1
WORKER_VARIABLE = "ROOMLOG_IS_WORKER"

log = structlog.get_logger()


class PortTaken(Exception):
    """Somebody else listens there; the message says where."""


class _Server(uvicorn.Server):
    """Uvicorn without its signals: it would close every socket within 40 ms, and all clients would return at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to us."""
        yield


def check_port(host: str, port: int) -> None:
    """Raise `PortTaken` if the port cannot be listened on."""
    if port == 0:
        return
    with socket.socket() as probe:
        # Without this a port stays taken for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            raise PortTaken(f"Port {port} of {host} is taken ({error.strerror}).") from error


def serve(settings: Settings, environ: dict[str, str]) -> int:
    """Serve until told to stop; gives the exit status. Raises `PortTaken`, and what `Wiring.open` raises."""
    if WORKER_VARIABLE not in environ:
        check_port(settings.host, settings.port)
        check_port(settings.internal_host, settings.internal_port)
        check_port(settings.dashboard_host, settings.dashboard_port)
    if settings.workers > 1:
        return _Parent(settings, environ).run()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, environ))
    return 0


YOUNG_OBJECTS = 20_000
"""The collector looks at what is new when it has grown by so many; Python's own 700 are ten messages' worth."""


async def _serve(settings: Settings, environ: Mapping[str, str]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with Wiring.open(settings) as wiring:
        public = _Server(_config(build_service(wiring)))
        internal = _Server(_config(build_internal(wiring)))
        servers = [(public, settings.host, settings.port), (internal, settings.internal_host, settings.internal_port)]
        if settings.dashboard_port:
            dashboard = _Server(_config(build_people(wiring)))
            servers.append((dashboard, settings.dashboard_host, settings.dashboard_port))
        with contextlib.ExitStack() as stack:
            doors = [stack.enter_context(_listen(host, port)) for _, host, port in servers]
            log.info(
                "serving",
                port=doors[0].getsockname()[1],
                internal_port=doors[1].getsockname()[1],
                dashboard_port=settings.dashboard_port or None,
                epoch=wiring.epochs.newest.ordinal,
            )
            async with asyncio.TaskGroup() as listeners:
                for (server, _, _), door in zip(servers, doors, strict=True):
                    listeners.create_task(server.serve(sockets=[door]))
                sweeps = [listeners.create_task(sweep_for_ever(server.server_state)) for server, _, _ in servers]
                while not all(server.started for server, _, _ in servers):  # noqa: ASYNC110 - a flag, and no event
                    await asyncio.sleep(STARTED_EVERY_S)
                _spare_the_collector()
                _tell_systemd(environ, "READY=1")
                await stop.wait()
                log.info("draining", connections=len(wiring.connections))
                if WORKER_VARIABLE not in environ:
                    _tell_systemd(environ, "STOPPING=1")
                draining = listeners.create_task(wiring.drain())
                hurrying = listeners.create_task(hurry.wait())
                await asyncio.wait((draining, hurrying), return_when=asyncio.FIRST_COMPLETED)
                if not draining.done():
                    # Told twice: who waits for an answer gets none, and asks again under the same key.
                    log.warning("drain_cut_short", connections=len(wiring.connections))
                    for server, _, _ in servers:
                        server.force_exit = True
                draining.cancel()
                hurrying.cancel()
                for server, _, _ in servers:
                    server.should_exit = True
                for sweep in sweeps:
                    sweep.cancel()
    log.info("stopped")


def _spare_the_collector() -> None:
    """Take what stays for the process's life out of the collector's sight, and have it look for cycles less often.

    What requests leave behind is freed without it; a cycle waits for a few thousand more objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _tell_systemd(environ: Mapping[str, str], state: str) -> None:
    """Tell systemd, where it has started us with Type=notify, how far we are."""
    address = environ.get("NOTIFY_SOCKET")
    if address is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        telling.settimeout(1)
        # An @ stands for the zero byte of a socket without a file.
        telling.connect("\0" + address[1:] if address.startswith("@") else address)
        telling.send(state.encode())


def _config(service: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        service,
        loop="none",
        # Anything that makes a protocol will do, whatever the type says.
        http=cast("type[asyncio.Protocol]", partial(GuardedHttp, Newcomers(MAX_NEWCOMERS))),
        ws=GuardedSocket,
        # Beyond our own limit, so that a frame over it gets our answer; uvicorn's is close code 1009.
        ws_max_size=2 * MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        lifespan="off",
        access_log=False,
        # What uvicorn warns of is what strangers send, and they could send it without end.
        log_level="error",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(STOP_S),
        backlog=BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Listen, together with the other workers.

    The kernel spreads connections evenly over those who share a port; of one inherited socket, the first worker to wake
    would take most.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # each connection inherits it
    listener.bind((host, port))
    listener.setblocking(False)  # noqa: FBT003 - its one argument
    return listener


class _Parent:
    """Keeps workers running: a dead one is started anew, all stop with the parent."""

    def __init__(self, settings: Settings, environ: dict[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._stopping = False
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._back_off_s: dict[int, float] = {}

    def run(self) -> int:
        for stopping in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stopping, self._stop)
        started = {number: self._start(number) for number in range(self._settings.workers)}
        while self._workers:
            for number, worker in list(self._workers.items()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(0.1)
                if worker.returncode is None:
                    continue
                del self._workers[number]
                if not self._stopping:
                    self._wait(number, time.monotonic() - started[number])
                    started[number] = self._start(number)
        return 0

    def _start(self, number: int) -> float:
        worker = replace(self._settings, workers=1, internal_port=self._settings.internal_port + number)
        self._workers[number] = subprocess.Popen(
            own_command("serve"),
            env=self._environ
            | {
                "ROOMLOG_WORKERS": "1",
                "ROOMLOG_PORT": str(worker.port),
                "ROOMLOG_INTERNAL_PORT": str(worker.internal_port),
                WORKER_VARIABLE: "1",
            },
            preexec_fn=die_with_parent,
        )
        return time.monotonic()

    def _wait(self, number: int, lived_s: float) -> None:
        back_off_s = 0.0 if lived_s > STEADY_S else self._back_off_s.get(number, 0.0)
        self._back_off_s[number] = min(MAX_RESTART_AFTER_S, 2 * back_off_s + RESTART_AFTER_S)
        log.error("worker_died", worker=number, lived_s=round(lived_s, 1))
        time.sleep(back_off_s)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.send_signal(signal.SIGTERM)


def die_with_parent() -> None:
    """Have the kernel stop this child when its parent ends, however that happens."""
    os.setpgrp()  # a terminal's Ctrl-C is for the parent, which tells its children in order
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
