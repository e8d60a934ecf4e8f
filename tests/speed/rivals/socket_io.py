"""Socket.IO and PostgreSQL: the server of `socketio/`, spoken to in Engine.IO's frames over WebSocket."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from tests.speed.lines import frame
from tests.speed.machine import Servers, pinned
from tests.speed.rivals.rival import Guest
from tests.speed.rivals.servers import NO_PROCESS, Missing, await_port, postgres, running
from tests.speed.rivals.workloads import Driven
from tests.speed.workloads import TEXT
from tests.support.processes import free_port

PROJECT = Path(__file__).parent / "socketio"
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PING = b"\x81\x012"
"""A frame's head and Engine.IO's ping. No text of ours has the first two bytes, so they are always a head."""
PONG = frame(b"3")


def install() -> None:
    """Install what the server needs, just as its lock file says. Raises `Missing`."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Missing("Socket.IO's server needs node and npm. On Debian: apt-get install nodejs npm")
    said = subprocess.run(
        ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        why = " ".join(said.stderr.split())[:300]
        raise Missing(f"`npm ci` could not install Socket.IO's server in {PROJECT}: {why}")


def version() -> str:
    """Give Socket.IO's version and Node's."""
    packages = json.loads((PROJECT / "package-lock.json").read_text())["packages"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{packages['node_modules/socket.io']['version']} on Node {node}"


@contextlib.asynccontextmanager
async def socket_io(folder: Path, core: int, seconds: float) -> AsyncIterator[Driven]:
    """Run the server and its PostgreSQL on one core."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        with pinned(core):
            stores = stack.enter_context(postgres(folder / "postgres"))
            log = folder / "log"
            environment = {"PORT": port, "DATABASE_URL": stores.url, "NODE_ENV": "production"}
            server = stack.enter_context(running(["node", PROJECT / "server.mjs"], log, **environment))
        await_port(port, server, log)
        servers = Servers(server.pid, stores.pid, NO_PROCESS)
        yield Driven("Socket.IO + PostgreSQL", version(), SocketIoWire(port), servers, stores, seconds)


class SocketIoGuest(Guest):
    """One that answers the server's pings."""

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        if PING in data:
            self.say(PONG)
        super().data_received(data)


class SocketIoWire:
    """Events in text frames: `42` and a JSON array out, `42` or, as the answer to a number, `43` in."""

    delivered = b'["message",'
    stored = b'431["'
    only_members_speak = False
    number = re.compile(rb'"text":"#(\d+)"')

    def __init__(self, port: int) -> None:
        """Speak to the server there."""
        self._port = port

    async def open(self) -> SocketIoGuest:
        """Upgrade, take the transport's greeting, and enter the main namespace."""
        guest = await SocketIoGuest.to(self._port)
        guest.say(UPGRADE)
        said = await guest.until(b'"pingTimeout"')
        assert said.startswith(b"HTTP/1.1 101"), said[:300]
        guest.say(frame(b"40"))
        await guest.until(b'40{"sid":')
        return guest

    async def join(self, guest: Guest, room: str) -> bytes:
        """Ask by an event; its answer is the history."""
        return await self._ask(guest, "join", room)

    async def leave(self, guest: Guest, room: str) -> None:
        """Ask by an event."""
        await self._ask(guest, "leave", room)

    def message(self, room: str, text: str = TEXT) -> bytes:
        """Make an event with a number, which makes for an answer."""
        return frame(f'421["send",{{"room":"{room}","text":"{text}"}}]'.encode())

    @staticmethod
    async def _ask(guest: Guest, event: str, room: str) -> bytes:
        guest.say(frame(f'420["{event}","{room}"]'.encode()))
        # An answer is one array in another, and nothing in it ends like that.
        return await guest.until(b"]]")
