"""A server for tests: `roomlog-server dev` as a process, on a port and a folder of its own, behind a proxy that makes faults."""

import contextlib
import ctypes
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from roomlog.client import AsyncRoomlog, Roomlog
from roomlog.errors import RoomlogError
from roomlog.testing.convergence import WITHIN_S, Opened, assert_converged, async_assert_converged
from roomlog.testing.processes import are_gone, below, kill_all
from roomlog.testing.proxy import HOST, Proxy
from roomlog.testing.pushes import LostPushes

START_S = 120.0
"""It takes 2 s on a machine that does nothing else."""
STOP_S = 30.0
ATTEMPTS = 3
PORTS = (10_000, 20_000)
"""Below those that the kernel gives to outgoing connections."""
INTERNAL_OFFSET = 1_000
"""The service's internal listener is so far above its public one."""
TOKEN_TTL_S = 3_600
REVOKED_S = 10.0
PASSED_ON = ("ROOMLOG_PG_BIN", "ROOMLOG_REDIS_BIN")
PR_SET_PDEATHSIG = 1
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServerFailed(RoomlogError):
    """The server did not start or stop; the message has the end of its log."""


class ChatServer:
    """A real Roomlog with PostgreSQL and Valkey of its own, for tests. Users alice and bob are in the room "general".

    Every client that it gives comes through the proxy. Its methods wait: in a coroutine, say `await asyncio.to_thread(…)` of
    those that take long (`restart`, `kill`, `heal`).
    """

    def __init__(self, data: Path, command: Sequence[str] | None = None) -> None:
        """Keep everything in the folder `data`. `command` runs the server, in place of `roomlog-server`; see `start`."""
        self.data = data
        self.log = data / "server.log"
        """What the server has printed."""
        self.tokens_given: Counter[str] = Counter()
        """How often a token was asked for, by user."""
        self._command = list(command or _find_command())
        self._port = _free_port()
        self._proxy = Proxy(self._port)
        self._process: subprocess.Popen[bytes] | None = None
        self._told: dict[str, Any] = {}
        self._own: Roomlog | None = None

    # ---- its life

    def start(self) -> None:
        """Start it, on the data and the port that it had before, and wait until it answers. Raises `ServerFailed`."""
        told = self.data / "dev.json"
        told.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            # By the proxy's thread, which lives as long as this: Linux ends the child with the thread that began it.
            self._process = self._proxy.run(
                lambda: subprocess.Popen(
                    [*self._command, "dev", "--port", str(self._port), "--data", str(self.data)],
                    cwd=self.data,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=_end_with_parent,
                )
            )
        deadline = time.monotonic() + START_S
        while not told.exists():
            if self._process.poll() is not None:
                raise ServerFailed(f"The server ended with status {self._process.returncode}:\n{self._end_of_log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"The server was not ready within {START_S:.0f} s:\n{self._end_of_log()}")
            time.sleep(0.02)
        self._told = json.loads(told.read_text())
        self._proxy.open_door()

    def stop(self) -> None:
        """Stop it in good order; its data stays."""
        process = self._process
        if process is None:
            return
        running = below(process.pid)
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            running = kill_all(process.pid)
        self._ended(process, running)

    def kill(self) -> None:
        """Kill it and its databases at one stroke, as a power cut does; connections are refused until `restart`."""
        if self._process is not None:
            self._ended(self._process, kill_all(self._process.pid))

    def restart(self) -> None:
        """Stop it, if it still runs, and start it again: the same URL, the same data."""
        self.stop()
        self.start()

    def heal(self) -> None:
        """Start it if it does not run, and let the network be well again."""
        self._proxy.heal()
        if self._process is None or self._process.poll() is not None:
            self.restart()

    def close(self) -> None:
        """Stop it for good."""
        if self._own is not None:
            self._own.close()
            self._own = None
        self.stop()
        self._proxy.close()

    # ---- who asks

    @property
    def url(self) -> str:
        """Where it is, through the proxy."""
        return f"http://{HOST}:{self._proxy.port}"

    @property
    def api_key(self) -> str:
        """An API key of its app."""
        return str(self._told["api_key"])

    @property
    def internal_url(self) -> str:
        """Where its `/metrics` and `/readyz` are."""
        return str(self._told["internal_url"])

    def client(self) -> Roomlog:
        """Give a client as your server has it, with the API key."""
        return Roomlog(self.api_key, url=self.url)

    def async_client(self) -> AsyncRoomlog:
        """Give a client as your server has it, with the API key and `await`."""
        return AsyncRoomlog(self.api_key, url=self.url)

    def user(self, user_id: str) -> Roomlog:
        """Give a client as this user has it, who is made if new; it asks for tokens as it needs them."""
        return Roomlog(token=self.token_provider(user_id), url=self.url)

    def async_user(self, user_id: str) -> AsyncRoomlog:
        """Give a client as this user has it, with `await`."""
        return AsyncRoomlog(token=self.token_provider(user_id), url=self.url)

    def token_provider(self, user_id: str) -> Callable[[], str]:
        """Give what a client takes as `token=`: the function that asks your server for a token."""

        def give() -> str:
            self.tokens_given[user_id] += 1
            return self._server().tokens.create(user=user_id, ttl_s=TOKEN_TTL_S).token

        return give

    # ---- faults

    def drop_sockets(self) -> int:
        """Cut all connections through the proxy; gives how many there were."""
        return self._proxy.drop_sockets()

    def stall(self, seconds: float) -> None:
        """Have the network stand still for so long, in both directions. Returns at once."""
        self._proxy.stall(seconds)

    def truncate_next(self) -> None:
        """Have the next thing that the server says break off in the middle, and its connection with it."""
        self._proxy.truncate_next()

    def lose_publish(self) -> LostPushes:
        """Lose the pushes of what is written inside: `with chat_server.lose_publish(): room.send("…")`, or `async with`.

        The server's Redis refuses to publish. What was acknowledged is in PostgreSQL, and comes all the same, within a second.
        """
        return LostPushes(str(self._told["redis_url"]))

    def expire_token(self, user_id: str) -> None:
        """End all tokens that the user has, and the sockets with them, and return once that is so: clients ask for others."""
        server = self._server()
        old = server.tokens.create(user=user_id).token
        # A socket of our own is cut with those of the user.
        with connect(
            f"ws://{HOST}:{self._port}/v1/connect", additional_headers={"Authorization": f"Bearer {old}"}
        ) as witness:
            server.users.revoke(user_id)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    witness.recv(REVOKED_S)

    # ---- proof

    def assert_converged(self, room_id: str, *opened: Opened, within_s: float = WITHIN_S) -> None:
        """Wait until these rooms, or clients that have the room open, show what the server has; or fail and say what differs."""
        assert_converged(self._server(), room_id, *opened, within_s=within_s)

    async def async_assert_converged(self, room_id: str, *opened: Opened, within_s: float = WITHIN_S) -> None:
        """Do as `assert_converged`, for rooms that are open in this loop."""
        await async_assert_converged(self._server(), room_id, *opened, within_s=within_s)

    # ---- within

    def _server(self) -> Roomlog:
        """Give a client that no fault of the proxy touches."""
        if self._own is None:
            self._own = Roomlog(self.api_key, url=f"http://{HOST}:{self._port}")
        return self._own

    def _ended(self, process: "subprocess.Popen[bytes]", running: list[int]) -> None:
        self._proxy.shut_door()
        process.wait(STOP_S)
        if not are_gone(running, STOP_S):
            raise ServerFailed(f"The server did not end within {STOP_S:.0f} s:\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def running_chat_server(command: Sequence[str] | None = None) -> Generator[ChatServer]:
    """Run a server in a temporary folder, for a fixture of your own scope. ROOMLOG_SERVER may name another command."""
    folder = Path(tempfile.mkdtemp(prefix="roomlog-"))
    # As root, PostgreSQL runs as somebody else and must get through.
    folder.chmod(0o711)
    try:
        server = _started(folder, command)
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, command: Sequence[str] | None) -> ChatServer:
    for attempt in range(ATTEMPTS):
        server = ChatServer(folder, command)
        try:
            server.start()
        except BaseException as error:
            server.close()
            # Somebody may have taken the port between our look and its start.
            if not isinstance(error, ServerFailed) or attempt == ATTEMPTS - 1:
                raise
        else:
            return server
    raise AssertionError("unreachable")


def _find_command() -> list[str]:
    """Find the server: what ROOMLOG_SERVER says, or the command beside this Python, or on the path."""
    if "ROOMLOG_SERVER" in os.environ:
        return shlex.split(os.environ["ROOMLOG_SERVER"])
    beside = Path(sys.executable).parent / "roomlog-server"
    found = str(beside) if beside.exists() else shutil.which("roomlog-server")
    if found is None:
        raise ServerFailed('There is no roomlog-server: pip install "roomlog[testing]", or set ROOMLOG_SERVER.')
    return [found]


def _environment() -> dict[str, str]:
    """Give the environment without what would lead the server to databases or settings that are not its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or not name.startswith(("ROOMLOG_", "DATABASE_URL", "REDIS_URL"))
    }


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    while True:
        port = random.randrange(*PORTS)  # noqa: S311 - no secret
        if _is_free(port) and _is_free(port + INTERNAL_OFFSET):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of before that are over do not hold it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
