"""Tallies: what an app does, by the hour; counted in memory beside the work, and added up in PostgreSQL every few seconds.

- *messages*: messages committed, each once, whoever sent them and by whatever way; no edits, deletions or repetitions.
- *deliveries*: events handed to the transports of subscribers, each for each of them, by socket, stream and long poll; no
  snapshots, and no events that are hidden from their reader.
- *connections*: sockets and streams opened, and long polls begun, once their credential held.
- *active users*: users who had a connection open, or sent a message, at any moment of the hour or day; each once.

All hours and days are UTC. Counting never waits and never asks anybody. What a process has not added up yet is lost with it:
5 s at most, and nothing when it drains. A message whose commit was confirmed only by asking again, for its connection broke,
is not counted; what was being added up when a connection broke may be counted twice. While the database is away the counts are
kept, for up to 10,000 hours of apps and 200,000 users; what is beyond is lost, and the log says how much.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Literal, TypeVar, cast

import structlog
from sqlalchemy import text

from tenants.clock import now
from tenants.errors import Unavailable
from tenants.ids import AppId, UserNumber
from tenants.postgres import Postgres

FLUSH_EVERY_S = 5.0
SWEEP_EVERY_S = 600.0
DRAIN_S = 3.0
BATCH = 1_000
"""Rows in one statement."""
MAX_HOURS = 10_000
"""Hours of apps that wait for the database."""
MAX_USERS = 200_000
"""Users whose activity waits for it; and those of the hour under way that are known to have been told."""
HOURS_KEPT_DAYS = 400
USERS_KEPT_DAYS = 62
"""Two times 30 days, and a little."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WHOLE_DAY = 2**24 - 1
"""All hours of a day, a bit each."""

By = Literal["hour", "day"]
Active = tuple[AppId, UserNumber]
Place = tuple[AppId, datetime]
UserPlace = tuple[AppId, date, UserNumber]
Counts = tuple[int, int, int]
"""Messages, deliveries, connections."""
K = TypeVar("K")
V = TypeVar("V")

# Nothing is added to an app that is being erased: whoever deletes it waits for these few rows, and takes them too. Both in one
# order, so that two processes never wait for each other.
THERE = """
WITH there AS (
    SELECT app_id FROM apps WHERE app_id = ANY (CAST(:apps AS bigint[])) AND deleted_at IS NULL ORDER BY app_id FOR SHARE)
"""
ADD = text(f"""{THERE}
INSERT INTO tallies AS t (app_id, hour, messages, deliveries, connections)
SELECT app_id, hour, messages, deliveries, connections
  FROM unnest(CAST(:apps AS bigint[]), CAST(:hours AS timestamptz[]), CAST(:messages AS bigint[]),
              CAST(:deliveries AS bigint[]), CAST(:connections AS bigint[]))
       AS u (app_id, hour, messages, deliveries, connections)
  JOIN there USING (app_id) ORDER BY app_id, hour
    ON CONFLICT (app_id, hour) DO UPDATE SET messages = t.messages + excluded.messages,
       deliveries = t.deliveries + excluded.deliveries, connections = t.connections + excluded.connections
""")
ADD_USERS = text(f"""{THERE}
INSERT INTO active_users AS a (app_id, day, user_number, hours)
SELECT app_id, day, user_number, hours
  FROM unnest(CAST(:apps AS bigint[]), CAST(:days AS date[]), CAST(:users AS bigint[]), CAST(:hours AS integer[]))
       AS u (app_id, day, user_number, hours)
  JOIN there USING (app_id) ORDER BY app_id, day, user_number
    ON CONFLICT (app_id, day, user_number) DO UPDATE SET hours = a.hours | excluded.hours
 WHERE a.hours & excluded.hours <> excluded.hours
""")
SUMS = text("""
SELECT date_trunc(CAST(:by AS text), hour, 'UTC') AS begins, CAST(sum(messages) AS bigint) AS messages,
       CAST(sum(deliveries) AS bigint) AS deliveries, CAST(sum(connections) AS bigint) AS connections
  FROM tallies WHERE app_id = :app AND hour >= :first AND hour < :until GROUP BY 1
""")
WHOLE = text("""
SELECT CAST(coalesce(sum(messages), 0) AS bigint) AS messages, CAST(coalesce(sum(deliveries), 0) AS bigint) AS deliveries,
       CAST(coalesce(sum(connections), 0) AS bigint) AS connections
  FROM tallies WHERE app_id = :app AND hour >= :first AND hour < :until
""")
ACTIVE = text(f"""
SELECT day, count(*) AS users,
       ARRAY[{", ".join(f"count(*) FILTER (WHERE hours & {1 << hour} <> 0)" for hour in range(24))}] AS by_hour
  FROM active_users WHERE app_id = :app AND day >= :first AND day < :until GROUP BY day
""")
DISTINCT = text("""
SELECT count(DISTINCT user_number) FROM active_users
 WHERE app_id = :app AND day >= :first AND day < :until AND hours & :hours <> 0
""")
# By app, for that is how the keys are: an index by time alone would be one across apps.
SWEEP = text(f"""
DELETE FROM tallies WHERE ctid = ANY (ARRAY(
    SELECT old.row FROM apps a CROSS JOIN LATERAL (
        SELECT t.ctid AS row FROM tallies t
         WHERE t.app_id = a.app_id AND t.hour < now() - interval '{HOURS_KEPT_DAYS} days' ORDER BY t.hour LIMIT {BATCH}
    ) AS old LIMIT {BATCH}))
""")
SWEEP_USERS = text(f"""
DELETE FROM active_users WHERE ctid = ANY (ARRAY(
    SELECT old.row FROM apps a CROSS JOIN LATERAL (
        SELECT u.ctid AS row FROM active_users u
         WHERE u.app_id = a.app_id AND u.day < (now() AT TIME ZONE 'UTC')::date - {USERS_KEPT_DAYS}
         ORDER BY u.day LIMIT {BATCH}
    ) AS old LIMIT {BATCH}))
""")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tally:
    """What an app did in a time."""

    begins: datetime
    messages: int = 0
    deliveries: int = 0
    connections: int = 0
    active_users: int | None = 0
    """None where it is no longer known."""


class Tallies:
    """Counts what this process does for all apps."""

    def __init__(self, postgres: Postgres, clock: Callable[[], datetime] = now) -> None:
        """Add up in `postgres`, by the hours of `clock`."""
        self._postgres = postgres
        self._clock = clock
        self._hour = hour_of(clock())
        self._messages: defaultdict[AppId, int] = defaultdict(int)
        self.deliveries: defaultdict[AppId, int] = defaultdict(int)
        """Those of the hour under way; whoever hands events over adds to it himself, for that is the hottest path there is."""
        self._connections: defaultdict[AppId, int] = defaultdict(int)
        self._seen: set[Active] = set()
        """Who is known to be active in the hour under way."""
        self._new: list[Active] = []
        """Those of them who have not been put under their hour yet."""
        self._waiting: dict[Place, Counts] = {}
        self._waiting_users: dict[UserPlace, int] = {}
        self._flushing = asyncio.Lock()
        self._lost = 0

    # ---- counting

    def count_message(self, app: AppId, sender: UserNumber) -> None:
        """Count a message that was committed, and its sender as active."""
        self._messages[app] += 1
        self._see(app, sender)

    def count_connection(self, app: AppId, user: UserNumber | None) -> None:
        """Count a connection that was opened, and its user, if it is one's, as active."""
        self._connections[app] += 1
        if user is not None:
            self._see(app, user)

    def _see(self, app: AppId, user: UserNumber) -> None:
        who = (app, user)
        if who not in self._seen:
            if len(self._seen) >= MAX_USERS:
                # To tell of somebody twice does no harm.
                self._seen.clear()
            self._seen.add(who)
            self._new.append(who)

    # ---- adding up

    async def run(self, connected: Callable[[], Iterable[Active]]) -> None:
        """Add up every 5 s and sweep now and then, until cancelled; `connected` gives whose connections are open."""
        loop = asyncio.get_running_loop()
        swept_at = loop.time()
        while True:
            # Not past the end of an hour: what is counted from then on belongs to the next one.
            await asyncio.sleep(min(FLUSH_EVERY_S, (self._hour + HOUR - self._clock()).total_seconds()))
            self.close_hour(connected)
            try:
                await self.flush()
                if loop.time() - swept_at > SWEEP_EVERY_S and not await sweep(self._postgres):
                    swept_at = loop.time()
            except Exception as error:  # noqa: BLE001
                # No database, or a fault of ours: what is counted waits, and nobody's process ends.
                log.warning("tallies_wait", hours=len(self._waiting), users=len(self._waiting_users), error=repr(error))

    async def drain(self) -> None:
        """Add up what has been counted, for 3 s at most; what is not done by then is lost."""
        self.close_hour(tuple)
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.flush()

    def close_hour(self, connected: Callable[[], Iterable[Active]]) -> None:
        """Put what was counted under its hour; as another one has begun, who is connected then is active in it, too."""
        for app in {*self._messages, *self.deliveries, *self._connections}:
            counted = (self._messages.get(app, 0), self.deliveries.get(app, 0), self._connections.get(app, 0))
            self._keep((app, self._hour), counted)
        for counts in (self._messages, self.deliveries, self._connections):
            counts.clear()
        for app, user in self._new:
            self._keep_user((app, self._hour.date(), user), 1 << self._hour.hour)
        self._new.clear()
        hour = hour_of(self._clock())
        if hour != self._hour:
            self._hour = hour
            self._seen.clear()
            for app, user in connected():
                self._see(app, user)
        if self._lost:
            log.warning("tallies_lost", rows=self._lost)
            self._lost = 0

    async def flush(self) -> None:
        """Add up all that waits; raises `Unavailable`, and then what was not added waits on."""
        async with self._flushing:
            while taken := _taken(self._waiting):
                try:
                    await self._add(taken)
                except Exception:
                    for place, counts in taken:
                        self._keep(place, counts)
                    raise
            while users := _taken(self._waiting_users):
                try:
                    await self._add_users(users)
                except Exception:
                    for whose, hours in users:
                        self._keep_user(whose, hours)
                    raise

    def _keep(self, place: Place, counts: Counts) -> None:
        before = self._waiting.get(place)
        if before is not None:
            counts = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
        elif len(self._waiting) >= MAX_HOURS:
            self._lost += 1
            return
        self._waiting[place] = counts

    def _keep_user(self, place: UserPlace, hours: int) -> None:
        before = self._waiting_users.get(place, 0)
        if not before and len(self._waiting_users) >= MAX_USERS:
            self._lost += 1
            return
        self._waiting_users[place] = before | hours

    async def _add(self, taken: list[tuple[Place, Counts]]) -> None:
        apps = [app for (app, _), _ in taken]
        values = {
            "apps": apps,
            "hours": [hour for (_, hour), _ in taken],
            "messages": [counts[0] for _, counts in taken],
            "deliveries": [counts[1] for _, counts in taken],
            "connections": [counts[2] for _, counts in taken],
        }
        async with self._postgres.across(apps) as connection:
            await connection.execute(ADD, values)

    async def _add_users(self, taken: list[tuple[UserPlace, int]]) -> None:
        apps = [app for (app, _, _), _ in taken]
        values = {
            "apps": apps,
            "days": [day for (_, day, _), _ in taken],
            "users": [user for (_, _, user), _ in taken],
            "hours": [hours for _, hours in taken],
        }
        async with self._postgres.across(apps) as connection:
            await connection.execute(ADD_USERS, values)


async def tallies_of(postgres: Postgres, app: AppId, by: By, first: datetime, until: datetime) -> list[Tally]:
    """Give a tally for each hour or day from `first` up to `until`, both at the beginning of one; raises `Unavailable`.

    What is older than 400 days is nothing, and active users older than 62 days are None.
    """
    values = {"app": app, "by": by, "first": first, "until": until}
    days = {"app": app, "first": first.date(), "until": (until - HOUR).date() + DAY}
    async with postgres.transaction(app) as connection:
        sums = {row.begins: row for row in (await connection.execute(SUMS, values)).all()}
        active = {row.day: row for row in (await connection.execute(ACTIVE, days)).all()}
    oldest = now().date() - USERS_KEPT_DAYS * DAY
    tallies: list[Tally] = []
    begins = first
    while begins < until:
        found, users = sums.get(begins), active.get(begins.date())
        seen: int | None = None if begins.date() < oldest else 0
        if users is not None:
            seen = users.users if by == "day" else users.by_hour[begins.hour]
        tallies.append(
            Tally(begins, active_users=seen)
            if found is None
            else Tally(begins, found.messages, found.deliveries, found.connections, seen)
        )
        begins += DAY if by == "day" else HOUR
    return tallies


async def tally_over(postgres: Postgres, app: AppId, first: datetime, until: datetime) -> Tally:
    """Give one tally over whole days, or over hours of one day, with each user counted once; raises `Unavailable`."""
    last = until - HOUR
    hours = WHOLE_DAY
    if first.date() == last.date():
        hours = sum(1 << hour for hour in range(first.hour, last.hour + 1))
    values = {"app": app, "first": first, "until": until}
    days = {"app": app, "first": first.date(), "until": last.date() + DAY, "hours": hours}
    async with postgres.transaction(app) as connection:
        sums = (await connection.execute(WHOLE, values)).one()
        users = int((await connection.execute(DISTINCT, days)).scalar_one())
    return Tally(first, sums.messages, sums.deliveries, sums.connections, users)


async def sweep(postgres: Postgres) -> bool:
    """Delete a batch of what is older than it is kept, and tell whether it was full; raises `Unavailable`."""
    async with postgres.ground() as connection:
        swept = [await connection.execute(statement) for statement in (SWEEP, SWEEP_USERS)]
        return any(each.rowcount == BATCH for each in swept)


def hour_of(moment: datetime) -> datetime:
    """Give the beginning of a moment's hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _taken(waiting: dict[K, V]) -> list[tuple[K, V]]:
    """Take the next batch out, in the order in which every process adds."""
    places = list(islice(waiting, BATCH))
    return sorted(((place, waiting.pop(place)) for place in places), key=lambda each: cast("Any", each[0]))
