"""PostgreSQL as faults need it: a primary, a standby where one is wanted, and one address that leads to the primary.

Servers are started by the main thread, with whose end they end, and awaited wherever it is convenient.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from api import embedded
from api.migrate import migrate
from tests.support.processes import ROOT

SOCKET = ".s.PGSQL.5432"
PATIENCE_S = 20.0


@dataclass
class Server:
    """One PostgreSQL server: where its cluster lies and where its socket does."""

    data: Path
    sockets: Path
    log: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.sockets}"

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def await_ready(self) -> None:
        embedded._await(self.sockets / SOCKET, embedded.HELLO, b"R", self.log)

    def backends(self) -> dict[int, str]:
        """Give the server's processes by pid, each with what it says that it is."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.pid)], capture_output=True, text=True, check=True
        )
        lines = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
        return {int(pid): title for pid, title in lines}

    def end(self, number: signal.Signals) -> None:
        """End it and wait: SIGINT sends all it has to a standby first, SIGQUIT and SIGKILL nothing."""
        pid, children = self.pid, self.backends()
        os.kill(pid, number)
        if number == signal.SIGKILL:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)
        deadline = time.monotonic() + PATIENCE_S
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        if number == signal.SIGKILL:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.sockets / SOCKET).unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@dataclass
class Database:
    """A primary and perhaps a standby; clients connect to `url`, whichever server is the primary."""

    folder: Path
    primary: Server
    address: Path
    binaries: Path
    stack: contextlib.ExitStack
    standby: Server | None = None
    _made: int = 0

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.address}"

    def lead_to(self, socket: Path) -> None:
        """Lead the address to a socket, at once; connections that stand stay where they are."""
        draft = self.address / "new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(socket)
        draft.rename(self.address / SOCKET)

    def lead_to_primary(self) -> None:
        self.lead_to(self.primary.sockets / SOCKET)

    def spawn(self, server: Server) -> None:
        """Start a server on what it has; from the main thread."""
        command: list[Path | str] = [self.binaries / "postgres", "-D", server.data, "-k", server.sockets]
        command += ["-c", "listen_addresses=", "-c", "max_connections=200", "-c", "fsync=off"]
        process = embedded.child_process(command, server.log, account=embedded._account(), stop=signal.SIGINT)
        self.stack.enter_context(process)

    def make_standby(self) -> Server:
        """Copy the primary; the copy has to be spawned and then follows it."""
        account = embedded._account()
        self._made += 1
        place = self.folder / f"server{self._made}"
        place.mkdir()
        embedded._give(place, account)
        server = Server(place / "data", place, self.folder / f"server{self._made}.log")
        command: list[Path | str] = [self.binaries / "pg_basebackup", "-h", self.primary.sockets, "-U", "postgres"]
        command += ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D", server.data]
        subprocess.run(command, preexec_fn=embedded._becoming(account), check=True, cwd="/", capture_output=True)
        self.standby = server
        return server

    async def caught_up(self) -> None:
        """Wait until the standby has replayed what the primary has written by now."""
        assert self.standby is not None
        primary = await asyncpg.connect(self.primary.url)
        standby = await asyncpg.connect(self.standby.url)
        try:
            written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
            async with asyncio.timeout(PATIENCE_S):
                while not await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                    await asyncio.sleep(0.02)
        finally:
            await primary.close()
            await standby.close()

    async def promote(self) -> None:
        """Make the standby the primary, lead the address to it, and forget the old primary, which must be down."""
        assert self.standby is not None
        connection = await asyncpg.connect(self.standby.url)
        assert await connection.fetchval("SELECT pg_promote(true, 30)")
        await connection.close()
        shutil.rmtree(self.primary.data, ignore_errors=True)
        self.primary, self.standby = self.standby, None
        self.lead_to_primary()


@contextlib.contextmanager
def running_database(folder: Path) -> Iterator[Database]:
    """Run a primary at the newest schema; call it from the main thread."""
    with contextlib.ExitStack() as stack:
        # Pytest's own folders are closed to all but their owner, and as root PostgreSQL runs under another account.
        reachable = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roomlog-db-")))
        reachable.chmod(0o755)
        stores = stack.enter_context(
            embedded.servers(reachable / "server0", os.environ, durable=False, start_redis=False)
        )
        migrate(stores.database_url, ROOT / "migrations")
        sockets = Path(stores.database_url.partition("host=")[2])
        address = reachable / "address"
        address.mkdir()
        primary = Server(next(stores.data.glob("pg[0-9]*")), sockets, folder / "postgres.log")
        binaries = embedded._runnable(embedded.find_postgres(os.environ), embedded._account())
        database = Database(reachable, primary, address, binaries, stack)
        database.lead_to_primary()
        yield database
