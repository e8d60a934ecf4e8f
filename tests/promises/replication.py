"""A PostgreSQL with a standby, and one address that leads to whichever of them is the primary."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from api import embedded
from api.migrate import migrate
from tests.support.processes import ROOT

SOCKET = ".s.PGSQL.5432"
PATIENCE_S = 20.0


@dataclass
class Pair:
    """Two servers of which one is the primary; clients connect to `address`."""

    folder: Path
    primary: Path
    binaries: Path
    redis_url: str
    data: Path
    stack: contextlib.ExitStack
    standby: Path = field(init=False)
    _standby_process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.standby = self.folder / "standby"
        self.address.mkdir()
        self.point_to(self.primary)

    @property
    def address(self) -> Path:
        return self.folder / "address"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.address}"

    def point_to(self, server: Path) -> None:
        """Lead the address to a server, at once."""
        draft = self.address / "new"
        draft.symlink_to(server / SOCKET)
        draft.rename(self.address / SOCKET)

    def make_standby(self) -> None:
        """Copy the primary, and have the copy follow it."""
        self.standby.mkdir()
        account = embedded._account()
        embedded._give(self.standby, account)
        command: list[Path | str] = [self.binaries / "pg_basebackup", "-h", self.primary, "-U", "postgres"]
        command += ["-R", "-X", "stream", "-c", "fast", "-D", self.standby / "data"]
        subprocess.run(
            command,
            preexec_fn=embedded._becoming(account),
            check=True,
            cwd="/",
            capture_output=True,
        )
        self.start_standby()

    def start_standby(self) -> None:
        command: list[Path | str] = [self.binaries / "postgres", "-D", self.standby / "data", "-k", self.standby]
        command += ["-c", "listen_addresses=", "-c", "max_connections=200"]
        log = self.folder / "standby.log"
        process = embedded._process(command, log, embedded._account(), signal.SIGINT)
        self._standby_process = self.stack.enter_context(process)
        embedded._await(self.standby / SOCKET, embedded.HELLO, b"R", log)

    def stop_standby(self) -> None:
        """Stop following: what the primary commits from here on is known to it alone."""
        assert self._standby_process is not None
        self._standby_process.send_signal(signal.SIGINT)
        self._standby_process.wait(PATIENCE_S)

    def stop_primary(self, number: signal.Signals) -> None:
        """End the primary: SIGINT sends all it has to its standby first, SIGKILL nothing."""
        data = next(self.data.glob("pg[0-9]*"))
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
        os.kill(pid, number)
        if number == signal.SIGKILL:
            for child in children.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), number)

    async def caught_up(self) -> None:
        """Wait until the standby has replayed what the primary has written."""
        primary = await asyncpg.connect(f"postgresql://postgres@/postgres?host={self.primary}")
        standby = await asyncpg.connect(f"postgresql://postgres@/postgres?host={self.standby}")
        written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
        async with asyncio.timeout(PATIENCE_S):
            while not await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                await asyncio.sleep(0.05)
        await primary.close()
        await standby.close()

    async def promote(self) -> None:
        """Make the standby the primary, and lead the address to it."""
        connection = await asyncpg.connect(f"postgresql://postgres@/postgres?host={self.standby}")
        assert await connection.fetchval("SELECT pg_promote(true, 30)")
        await connection.close()
        self.point_to(self.standby)


@contextlib.contextmanager
def running_pair(folder: Path) -> Iterator[Pair]:
    """Run a pair in a folder that PostgreSQL's account can get to."""
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.servers(folder / "primary", os.environ, durable=False))
        primary = Path(stores.database_url.partition("host=")[2])
        migrate(stores.database_url, ROOT / "migrations")
        binaries = embedded._runnable(embedded._find_postgres(os.environ), embedded._account())
        pair = Pair(folder, primary, binaries, stores.redis_url, stores.data, stack)
        pair.make_standby()
        yield pair
