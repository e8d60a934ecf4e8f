"""ejabberd as Debian ships it: rooms with their archive in PostgreSQL, spoken to in XMPP over TCP."""

import asyncio
import base64
import contextlib
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from tests.speed.machine import Servers, pinned
from tests.speed.rivals.rival import Guest
from tests.speed.rivals.servers import NO_PROCESS, Missing, await_port, postgres, running
from tests.speed.rivals.workloads import Driven
from tests.speed.workloads import TEXT
from tests.support.processes import free_port

CONFIG = Path(__file__).parent / "ejabberd.yml"
SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
USERS = 100_000
"""More than connect in one run: who connects again under a name that is still there is another case."""
PASSWORD = "secret"
STREAM = (
    b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
FEATURES = b"</stream:features>"
BIND = b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
ERLANG = [
    *("erl", "-noinput", "+K", "true", "+P", "250000"),
    # On a core that is shared with PostgreSQL, schedulers that spin while they wait take from it.
    *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
]


def find() -> Path:
    """Give the folder of ejabberd's program, whose name ends in its version. Raises `Missing`."""
    found = sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app"))
    driver = list(Path("/usr/lib/erlang/lib").glob("p1_pgsql-*"))
    if not (found and driver and SCHEMA.exists() and shutil.which("erl")):
        raise Missing("ejabberd is missing. On Debian: apt-get install ejabberd erlang-p1-pgsql")
    return found[-1].parent.parent


@contextlib.asynccontextmanager
async def ejabberd(folder: Path, core: int, seconds: float) -> AsyncIterator[Driven]:
    """Run a private ejabberd and its PostgreSQL on one core: no other node, no service of the system's."""
    program, port = find(), free_port()
    with contextlib.ExitStack() as stack:
        with pinned(core):
            stores = stack.enter_context(postgres(folder / "postgres"))
        await _fill(stores.url)
        config, log = folder / "ejabberd.yml", folder / "log"
        text = CONFIG.read_text().replace("XMPP_PORT", str(port)).replace("SQL_PORT", str(stores.port))
        config.write_text(text)
        environment = {
            "ERL_LIBS": program.parent,
            "ERL_CRASH_DUMP": folder / "crash",
            "ERL_MAX_PORTS": 32_000,
            "EJABBERD_CONFIG_PATH": config,
            "EJABBERD_LOG_PATH": folder / "ejabberd.log",
        }
        command = [*ERLANG, "-mnesia", "dir", f'"{folder / "mnesia"}"', "-s", "ejabberd"]
        with pinned(core):
            server = stack.enter_context(running(command, log, **environment))
        await_port(port, server, log)
        servers = Servers(server.pid, stores.pid, NO_PROCESS)
        version = program.name.removeprefix("ejabberd-")
        yield Driven("ejabberd", version, XmppWire(port), servers, stores, seconds)


async def _fill(database_url: str) -> None:
    """Lay ejabberd's own schema, and register the users."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(await asyncio.to_thread(SCHEMA.read_text))
    registered = "INSERT INTO users (username, password) SELECT 'u' || n, $1 FROM generate_series(1, $2::int) n"
    await connection.execute(registered, PASSWORD, USERS)
    await connection.close()


class XmppWire:
    """Stanzas over TCP. A sender is told that a message is stored by its coming back with its number in the archive."""

    delivered = b"</body>"
    stored = b"<stanza-id "
    only_members_speak = True
    number = re.compile(rb"<body>#(\d+)</body>")

    def __init__(self, port: int) -> None:
        """Speak to the server there."""
        self._port = port
        self._users = itertools.cycle(range(1, USERS + 1))

    async def open(self) -> Guest:
        """Open a stream, log in, open another and bind a resource: a round trip each, as clients do."""
        guest = await Guest.to(self._port)
        guest.name = f"u{next(self._users)}"
        guest.say(STREAM)
        await guest.until(FEATURES)
        plain = base64.b64encode(f"\0{guest.name}\0{PASSWORD}".encode()).decode()
        guest.say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>".encode())
        await guest.until(b"<success")
        guest.say(STREAM)
        await guest.until(FEATURES)
        guest.say(BIND)
        await guest.until(b"</bind></iq>")
        return guest

    async def join(self, guest: Guest, room: str) -> bytes:
        """Enter; the history comes, and after it the room's subject."""
        guest.say(
            f"<presence to='{_room(room)}/{guest.name}'><x xmlns='http://jabber.org/protocol/muc'>"
            "<history maxstanzas='50'/></x></presence>".encode()
        )
        return await guest.until(b"<subject")

    async def leave(self, guest: Guest, room: str) -> None:
        """Leave, and wait until that is said."""
        guest.say(f"<presence to='{_room(room)}/{guest.name}' type='unavailable'/>".encode())
        await guest.until(b"type='unavailable'")

    def message(self, room: str, text: str = TEXT) -> bytes:
        """Make a message for all who are in a room."""
        return f"<message to='{_room(room)}' type='groupchat' id='m'><body>{text}</body></message>".encode()


def _room(name: str) -> str:
    return f"{name}@conference.localhost"
