"""The request log: the last requests of each app, for those who look for what their own code does.

A *line* is one request by REST, or one opening of a socket or stream, from the moment that its credential held: what comes
without one, or with one that does not hold, is no app's. It has neither body nor header; of a query the names, and numbers that
say which page; nothing that looks like a credential. Whence it came is kept of API keys alone: those are servers.

Lines are taken down in memory and written once a second. Of one app a process keeps at most 20 a second, failures before
others; how many it left out stands in the last of those it kept. A line is kept for 7 days, and of an app about 10,000 are.
While the database is away 5,000 lines wait, and what is beyond is left out. A process that dies loses a second's lines.
"""

import asyncio
import contextlib
import re
import secrets
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from sqlalchemy import text

from tenants.clock import now
from tenants.errors import Unavailable
from tenants.ids import AppId, KeyNumber, UserId, UserNumber
from tenants.postgres import Postgres

WRITE_EVERY_S = 1.0
SWEEP_EVERY_S = 600.0
DRAIN_S = 3.0
MAX_A_SECOND = 20
"""Of one app and process."""
MAX_WAITING = 5_000
"""Lines that wait for the database."""
BATCH = 1_000
KEPT_DAYS = 7
KEPT_LINES = 10_000
"""Of one app; a few hundred more until they are counted."""
TRIM_AFTER = 500
"""Lines of an app that a process writes before it counts them again."""
MAX_TRIMMED = 10_000
"""Apps of which a process knows when it has last counted."""
MAX_LINES = 200
"""Lines in one answer."""
FAILED = 400
"""From this status on a request has failed."""
MAX_PATH = 500
MAX_METHOD = 16
MAX_FIELDS = 16
RANDOM_BITS = 10
MICROSECONDS = 1_000_000
HIDDEN = "…"

# Whatever might be a key, a ticket or a token, complete or not.
_CREDENTIAL = re.compile(
    r"rl_(live|test)_[0-9A-Za-z_]+|tk_[0-9A-Za-z]{16,}|eyJ[0-9A-Za-z_-]{8,}(\.[0-9A-Za-z_-]*)*", re.ASCII
)
_QUERY_NAME = re.compile(r"[a-z_]{1,32}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
OF_PAGES = frozenset({"before", "after", "around", "limit", "last", "wait", "days"})
"""Names of a query whose numbers are kept."""

INSERT = text("""
WITH there AS (
    SELECT app_id FROM apps WHERE app_id = ANY (CAST(:apps AS bigint[])) AND deleted_at IS NULL ORDER BY app_id FOR SHARE)
INSERT INTO request_lines (app_id, line_id, method, path, query, status, code, took_ms, request_id, key_number, user_number,
                           address, left_out)
SELECT app_id, line_id, method, path, query, status, code, took_ms, request_id, key_number, user_number, address, left_out
  FROM unnest(CAST(:apps AS bigint[]), CAST(:ids AS bigint[]), CAST(:methods AS text[]), CAST(:paths AS text[]),
              CAST(:queries AS text[]), CAST(:statuses AS smallint[]), CAST(:codes AS text[]), CAST(:durations AS integer[]),
              CAST(:requests AS text[]), CAST(:keys AS bigint[]), CAST(:users AS bigint[]), CAST(:addresses AS text[]),
              CAST(:left_outs AS integer[]))
       AS u (app_id, line_id, method, path, query, status, code, took_ms, request_id, key_number, user_number, address, left_out)
  JOIN there USING (app_id)
    ON CONFLICT DO NOTHING
""")
TRIM = text(f"""
DELETE FROM request_lines WHERE app_id = :app AND line_id = ANY (ARRAY(
    SELECT line_id FROM request_lines WHERE app_id = :app ORDER BY line_id DESC OFFSET {KEPT_LINES} LIMIT {2 * BATCH}))
""")
SWEEP = text(f"""
DELETE FROM request_lines WHERE ctid = ANY (ARRAY(
    SELECT old.row FROM apps a CROSS JOIN LATERAL (
        SELECT l.ctid AS row FROM request_lines l
         WHERE l.app_id = a.app_id
           AND l.line_id < {2**RANDOM_BITS} *
               CAST(extract(epoch FROM now() - interval '{KEPT_DAYS} days') * {MICROSECONDS} AS bigint)
         ORDER BY l.line_id LIMIT {BATCH}
    ) AS old LIMIT {BATCH}))
""")
FOUND = """
SELECT l.line_id, l.method, l.path, l.query, l.status, l.code, l.took_ms, l.request_id, l.key_number, l.user_number, u.user_id,
       l.address, l.left_out
  FROM request_lines l
  LEFT JOIN users u ON u.app_id = l.app_id AND u.user_number = l.user_number AND u.deleted_at IS NULL
 WHERE l.app_id = :app
   AND (CAST(:status AS integer) IS NULL OR l.status / 100 = :status)
   AND (CAST(:code AS text) IS NULL OR l.code = :code)
   AND (CAST(:key AS bigint) IS NULL OR l.key_number = :key)
   AND (CAST(:request AS text) IS NULL OR l.request_id = :request)
   AND (CAST(:words AS text) IS NULL OR position(lower(:words) IN lower(l.method || ' ' || l.path)) > 0)
"""
OLDER = text(f"""{FOUND} AND l.line_id < coalesce(CAST(:place AS bigint), 9223372036854775807)
 ORDER BY l.line_id DESC LIMIT :limit
""")
NEWER = text(f"{FOUND} AND l.line_id > CAST(:place AS bigint) ORDER BY l.line_id LIMIT :limit")

log = structlog.get_logger()


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request that was answered, as it is taken down on its way: nothing is worked out yet."""

    app: AppId
    method: str
    path: str
    query: bytes
    status: int
    code: str | None
    at: float
    """When it was answered (loop time)."""
    took_s: float
    request_id: str
    key: KeyNumber | None
    user: UserNumber | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an app's request log."""

    id: int
    at: datetime
    method: str
    path: str
    query: str
    """Names, each with `=` and its value, or with `=…`."""
    status: int
    """That of HTTP; 101 for a socket that was opened."""
    code: str | None
    """Of a refusal."""
    took_ms: int
    """Until the answer began."""
    request_id: str
    """Empty for a socket that was opened."""
    key: KeyNumber | None
    is_user: bool
    """Whether it was asked by a user, or in a user's name."""
    user: UserId | None
    """Its id; None for one that has been deleted since."""
    address: str | None
    left_out: int
    """Requests of the same second that were not kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted; None: whatever it is."""

    status: int | None = None
    """The first digit of the status."""
    code: str | None = None
    key: KeyNumber | None = None
    request_id: str | None = None
    words: str | None = None
    """Part of method, a space and path, in whatever case."""


@dataclass(slots=True)
class _Second:
    failed: list[Request] = field(default_factory=list[Request])
    others: list[Request] = field(default_factory=list[Request])
    left_out: int = 0


class RequestLog:
    """Takes down what this process answers."""

    def __init__(self, postgres: Postgres) -> None:
        """Write to `postgres`."""
        self._postgres = postgres
        self._seconds: dict[AppId, _Second] = {}
        self._waiting: deque[tuple[AppId, dict[str, Any]]] = deque()
        self._left_out: Counter[AppId] = Counter()
        """What no line says yet."""
        self._since_trimmed: dict[AppId, int] = {}
        self._writing = asyncio.Lock()

    def wants(self, app: AppId, *, failed: bool) -> bool:
        """Tell whether one more request of this second will be kept; counts it as left out if not."""
        second = self._seconds.get(app)
        if second is None:
            second = self._seconds[app] = _Second()
        if len(second.failed if failed else second.others) < MAX_A_SECOND:
            return True
        second.left_out += 1
        return False

    def add(self, request: Request) -> None:
        """Take down a request that is wanted."""
        second = self._seconds[request.app]
        (second.failed if request.status >= FAILED else second.others).append(request)

    async def run(self) -> None:
        """Write every second and sweep now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        swept_at = loop.time()
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.flush()
                if loop.time() - swept_at > SWEEP_EVERY_S and not await sweep(self._postgres):
                    swept_at = loop.time()
            except Exception as error:  # noqa: BLE001
                # No database, or a fault of ours: the lines wait, and nobody's process ends.
                log.warning("request_lines_wait", lines=len(self._waiting), error=repr(error))

    async def drain(self) -> None:
        """Write what has been taken down, for 3 s at most; what is not done by then is lost."""
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.flush()

    async def flush(self) -> None:
        """Write all that was taken down; raises `Unavailable`, and then it waits on."""
        self._end_second()
        async with self._writing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                try:
                    await self._write(batch)
                except Exception:
                    self._waiting.extendleft(reversed(batch))
                    raise
            await self._trim()

    def _end_second(self) -> None:
        seconds, self._seconds = self._seconds, {}
        moment, loop_moment = now().timestamp(), asyncio.get_running_loop().time()
        for app, second in seconds.items():
            room = MAX_A_SECOND - len(second.failed)
            kept = sorted([*second.failed, *second.others[:room]], key=lambda request: request.at)
            self._left_out[app] += second.left_out + len(second.others[room:])
            for request in kept:
                if len(self._waiting) >= MAX_WAITING:
                    self._left_out[app] += 1
                    continue
                is_last = request is kept[-1]
                left_out = self._left_out.pop(app, 0) if is_last else 0
                self._waiting.append((app, _row(request, moment + request.at - loop_moment, left_out)))

    async def _write(self, batch: list[tuple[AppId, dict[str, Any]]]) -> None:
        apps = [app for app, _ in batch]
        values = {name: [row[name] for _, row in batch] for name in batch[0][1]}
        async with self._postgres.across(apps) as connection:
            await connection.execute(INSERT, {"apps": apps, **values})
        for app in apps:
            # One of which nothing is known has been written to by others, perhaps.
            self._since_trimmed[app] = self._since_trimmed.get(app, TRIM_AFTER) + 1

    async def _trim(self) -> None:
        for app in [app for app, lines in self._since_trimmed.items() if lines > TRIM_AFTER]:
            async with self._postgres.transaction(app) as connection:
                await connection.execute(TRIM, {"app": app})
            self._since_trimmed[app] = 0
        if len(self._since_trimmed) > MAX_TRIMMED:
            self._since_trimmed.clear()


async def lines_of(
    postgres: Postgres,
    app: AppId,
    wanted: Wanted,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> list[Line]:
    """Give up to `limit` of an app's lines, at most 200, newest first: those before a line, or those next after one.

    Raises `Unavailable`.
    """
    values = {
        "app": app,
        "status": wanted.status,
        "code": wanted.code,
        "key": wanted.key,
        "request": wanted.request_id,
        "words": wanted.words,
        "place": before if after is None else after,
        "limit": max(1, min(limit, MAX_LINES)),
    }
    async with postgres.transaction(app) as connection:
        rows = (await connection.execute(OLDER if after is None else NEWER, values)).all()
    lines = [_line(row) for row in rows]
    return lines if after is None else lines[::-1]


async def sweep(postgres: Postgres) -> bool:
    """Delete a batch of lines that are older than they are kept, and tell whether it was full; raises `Unavailable`."""
    async with postgres.ground() as connection:
        return (await connection.execute(SWEEP)).rowcount == BATCH


def clean_path(path: str) -> str:
    """Give a path as it is kept: of bounded length, printable, and without what looks like a credential."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in path[: 2 * MAX_PATH])
    return _CREDENTIAL.sub(HIDDEN, shown)[:MAX_PATH]


def clean_query(query: bytes) -> str:
    """Give a query as it is kept: its names, and the numbers that say which page; nothing else that stood in it."""
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return HIDDEN
    return "&".join(_field(name, value) for name, value in fields)


def _field(name: str, value: str) -> str:
    if _QUERY_NAME.fullmatch(name) is None:
        return HIDDEN
    is_kept = name in OF_PAGES and _NUMBER.fullmatch(value) is not None
    return f"{name}={value if is_kept else HIDDEN}"


def _row(request: Request, at: float, left_out: int) -> dict[str, Any]:
    return {
        "ids": round(at * MICROSECONDS) * 2**RANDOM_BITS + secrets.randbits(RANDOM_BITS),
        "methods": request.method[:MAX_METHOD],
        "paths": clean_path(request.path),
        "queries": clean_query(request.query),
        "statuses": request.status,
        "codes": request.code,
        "durations": round(request.took_s * 1000),
        "requests": request.request_id,
        "keys": request.key,
        "users": request.user,
        "addresses": request.address,
        "left_outs": left_out,
    }


def _line(row: Any) -> Line:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return Line(
        id=row.line_id,
        at=datetime.fromtimestamp((row.line_id >> RANDOM_BITS) / MICROSECONDS, UTC),
        method=row.method,
        path=row.path,
        query=row.query,
        status=row.status,
        code=row.code,
        took_ms=row.took_ms,
        request_id=row.request_id,
        key=None if row.key_number is None else KeyNumber(row.key_number),
        is_user=row.user_number is not None,
        user=row.user_id,
        address=row.address,
        left_out=row.left_out,
    )
