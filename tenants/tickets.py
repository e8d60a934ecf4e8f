"""Tickets: read-only credentials for one user and one room, which may stand in a URL.

A browser's own EventSource sends no headers of ours, and comes back by itself with the URL that it was made with. So what
stands there must be worth little, and hold across reconnects: a ticket reads one room, holds while it is in use and for a
minute after, dies with the credential that made it, and is kept hashed in PostgreSQL, so that any process takes it.
"""

import asyncio
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import text

from tenants.errors import Unavailable
from tenants.hashing import Pepper
from tenants.ids import APP_WIDTH, AppId, KeyNumber, TenantId, UserId, UserNumber, from_base62, to_base62
from tenants.postgres import Postgres
from tenants.scope import Scope, User

PREFIX = "tk_"
SECRET_WIDTH = 43
"""Base 62 digits of 256 bits."""
SHAPE = re.compile(r"tk_([0-9A-Za-z]{8})[0-9A-Za-z]{43}", re.ASCII)
IDLE_S = 60
"""How long a ticket outlives its last use."""
MAX_AGE_S = 86_400
"""How long one lives that an API key made, which has no end of its own."""
TOUCH_EVERY_S = 20.0
SWEEP_EVERY_S = 60.0
BATCH = 1_000

INSERT = text("""
INSERT INTO tickets (app_id, ticket_hash, user_number, room, room_id, key_number, signing_key, token_id, issued_at, ends_at)
VALUES (:app, :hash, :user, :room, :room_id, :key, :signing_key, :token, :issued_at, :ends_at)
""")
# Looking at a ticket is using it. All that could have ended it is asked for each time: reconnects are rare.
USE = text(f"""
UPDATE tickets t SET used_at = now() FROM apps a, users u
 WHERE t.app_id = :app AND t.ticket_hash = :hash AND t.ends_at > now()
   AND t.used_at > now() - interval '{IDLE_S} seconds'
   AND a.app_id = t.app_id AND a.deleted_at IS NULL AND a.suspended_at IS NULL
   AND u.app_id = t.app_id AND u.user_number = t.user_number AND u.deleted_at IS NULL
   AND (t.key_number IS NULL OR EXISTS (
        SELECT FROM api_keys k WHERE k.app_id = t.app_id AND k.key_number = t.key_number AND k.revoked_at IS NULL))
   AND (t.signing_key IS NULL OR EXISTS (
        SELECT FROM signing_keys s WHERE s.app_id = t.app_id AND s.key_id = t.signing_key AND s.retired_at IS NULL))
   AND NOT EXISTS (SELECT FROM revoked_tokens r WHERE r.app_id = t.app_id AND r.token = t.token_id)
   AND (t.issued_at IS NULL OR t.issued_at >= greatest(u.tokens_valid_from, a.tokens_valid_from, '-infinity'))
RETURNING a.tenant_id, t.user_number, u.user_id, t.room, t.room_id, t.key_number, t.signing_key, t.token_id, t.issued_at,
          t.ends_at
""")
# A ticket that another process is touching at this moment needs no touch of ours.
TOUCH = text("""
WITH held AS (
    SELECT t.app_id, t.ticket_hash, u.age_s
      FROM unnest(CAST(:apps AS bigint[]), CAST(:hashes AS bytea[]), CAST(:ages AS float8[])) AS u(app, hash, age_s)
      JOIN tickets t ON t.app_id = u.app AND t.ticket_hash = u.hash
       FOR NO KEY UPDATE OF t SKIP LOCKED)
UPDATE tickets t SET used_at = greatest(t.used_at, now() - make_interval(secs => held.age_s)) FROM held
 WHERE t.app_id = held.app_id AND t.ticket_hash = held.ticket_hash
""")
# Long after their death: a process that could not reach the database for minutes may hold their streams still.
SWEEP = text(f"""
DELETE FROM tickets WHERE (app_id, ticket_hash) IN (
    SELECT app_id, ticket_hash FROM tickets WHERE ends_at < now() OR used_at < now() - interval '10 minutes'
     LIMIT {BATCH} FOR UPDATE SKIP LOCKED)
""")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a ticket, and so ends it: an API key, or a user's token with all that ends one."""

    key: KeyNumber | None
    signing_key: str | None = None
    token: str | None = None
    """The name by which the token is revoked."""
    issued_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that holds: who reads which room with it, and until when at the latest (Unix time)."""

    digest: bytes
    scope: Scope
    user: User
    room: int
    room_id: str
    origin: Origin
    ends_at: float


def app_of_ticket(ticket: str) -> AppId | None:
    """Find which app a ticket claims to be of; None for what is no ticket."""
    match = SHAPE.fullmatch(ticket)
    return None if match is None else AppId(from_base62(match[1]))


class Tickets:
    """The tickets of all apps, and those whose streams this process has open."""

    def __init__(self, postgres: Postgres, pepper: Pepper) -> None:
        """Keep them in `postgres`, hashed with `pepper`."""
        self._postgres = postgres
        self._pepper = pepper
        self._open: dict[tuple[AppId, bytes], int] = {}
        self._ended: dict[tuple[AppId, bytes], float] = {}
        self._revocations = 0

    async def issue(self, scope: Scope, user: User, room: tuple[int, str], *, origin: Origin, ends_at: float) -> str:
        """Make a ticket for a user and a room (number and id), and give its text, which nobody can give again."""
        ticket = PREFIX + to_base62(scope.app, APP_WIDTH) + to_base62(secrets.randbits(256), SECRET_WIDTH)
        number, room_id = room
        values = {
            "app": scope.app,
            "hash": self._pepper.secret_hash(ticket),
            "user": user.number,
            "room": number,
            "room_id": room_id,
            "key": origin.key,
            "signing_key": origin.signing_key,
            "token": origin.token,
            "issued_at": None if origin.issued_at is None else datetime.fromtimestamp(origin.issued_at, UTC),
            "ends_at": datetime.fromtimestamp(ends_at, UTC),
        }
        async with self._postgres.transaction(scope) as connection:
            await connection.execute(INSERT, values)
        return ticket

    async def use(self, ticket: str) -> Ticket | None:
        """Give what a ticket is good for, and renew it; None for one that does not hold, whatever the reason.

        Who registers the stream at once misses no revocation.
        """
        app = app_of_ticket(ticket)
        if app is None:
            return None
        digest = self._pepper.secret_hash(ticket)
        while True:
            revocations = self._revocations
            async with self._postgres.transaction(app) as connection:
                row = (await connection.execute(USE, {"app": app, "hash": digest})).one_or_none()
            if revocations == self._revocations:
                break
            # Something was revoked while we looked, perhaps what made this.
        if row is None:
            return None
        return Ticket(
            digest=digest,
            scope=Scope(TenantId(row.tenant_id), app),
            user=User(UserNumber(row.user_number), UserId(row.user_id)),
            room=row.room,
            room_id=row.room_id,
            origin=Origin(
                key=None if row.key_number is None else KeyNumber(row.key_number),
                signing_key=row.signing_key,
                token=row.token_id,
                issued_at=None if row.issued_at is None else row.issued_at.timestamp(),
            ),
            ends_at=row.ends_at.timestamp(),
        )

    def note_revocation(self) -> None:
        """Have what is being looked at right now looked at once more."""
        self._revocations += 1

    def hold(self, ticket: Ticket) -> None:
        """Count a stream that was opened with a ticket: until `release`, the ticket is in use."""
        place = (ticket.scope.app, ticket.digest)
        self._open[place] = self._open.get(place, 0) + 1
        self._ended.pop(place, None)

    def release(self, ticket: Ticket) -> None:
        """Count a stream that has ended."""
        place = (ticket.scope.app, ticket.digest)
        self._open[place] -= 1
        if not self._open[place]:
            del self._open[place]
            self._ended[place] = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Write down which tickets are in use, and sweep dead ones away, until cancelled."""
        swept_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TOUCH_EVERY_S)
            try:
                await self.touch()
                if loop.time() - swept_at > SWEEP_EVERY_S:
                    swept_at = loop.time()
                    await self.sweep()
            except Unavailable:
                log.warning("tickets_not_touched", open=len(self._open))

    async def touch(self) -> None:
        """Write down the last use of every ticket in use, and of those whose streams have ended since; in batches."""
        now = asyncio.get_running_loop().time()
        ended = {place: at for place, at in self._ended.items() if now - at < IDLE_S}
        self._ended = dict(ended)
        uses = [(*place, 0.0) for place in self._open] + [(*place, now - at) for place, at in ended.items()]
        for start in range(0, len(uses), BATCH):
            apps, hashes, ages = zip(*uses[start : start + BATCH], strict=True)
            async with self._postgres.across(apps) as connection:
                await connection.execute(TOUCH, {"apps": list(apps), "hashes": list(hashes), "ages": list(ages)})
        self._ended = {place: at for place, at in self._ended.items() if ended.get(place) != at}

    async def sweep(self) -> None:
        """Delete a batch of tickets that have been dead for a while."""
        async with self._postgres.ground() as connection:
            await connection.execute(SWEEP)
