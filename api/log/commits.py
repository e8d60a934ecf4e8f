"""The audit's read: exactly the commits that became visible since the last time, whatever order they committed in.

Each append leaves one row in `commits`, marked with its transaction's number. PostgreSQL's own snapshots tell which
transactions an earlier look could not see: those at or after its `xmax`, and those that were in progress (`xip`). So no
clock is asked, nothing is acknowledged, and a row is given exactly once, on the first look after it became visible.
"""

from collections import deque
from dataclasses import dataclass

import asyncpg

from api.ids import RoomNumber, Seq
from tenants.ids import AppId
from tenants.postgres import Postgres
from tenants.roles import Role

KEEP_S = 120.0
"""How long commits are kept; a process that has not looked for longer starts from a new baseline."""
MAX_PAUSE_S = 30.0
"""After a longer pause between two looks, a reader must take a new baseline and verify all heads."""
TRIM_EVERY_S = 10.0

NOW = "SELECT pg_current_snapshot()::text"
VISIBLE_SINCE = """
WITH look AS MATERIALIZED (SELECT pg_current_snapshot()::text AS snapshot)
SELECT look.snapshot, c.apps, c.rooms, c.heads, c.control
  FROM look LEFT JOIN commits c
    ON c.xid >= pg_snapshot_xmax($1::text::pg_snapshot)
    OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
"""
# What a reader that begins anew may have missed: all that still stands here, for a control may be taken twice.
CONTROLS = "SELECT control FROM commits WHERE control IS NOT NULL ORDER BY xid"
# The rooms of one app that were written to last, the latest first, as far as the newest commits tell.
LATEST_ROOMS = """
SELECT written.room FROM (SELECT xid, apps, rooms FROM commits ORDER BY xid DESC LIMIT $2) AS c
 CROSS JOIN LATERAL unnest(c.apps, c.rooms) AS written(app, room)
 WHERE written.app = $1 GROUP BY written.room ORDER BY max(c.xid) DESC LIMIT $3
"""
MAX_LOOKED_AT = 10_000
# Nothing older than the xmin of a look taken long enough ago can still be new to anybody.
TRIM = "SELECT trim_commits_v1($1::text::xid8)"


@dataclass(frozen=True, slots=True)
class Visible:
    """What became visible between two looks."""

    heads: list[tuple[AppId, RoomNumber, Seq]]
    controls: list[str]


class CommitReader:
    """Looks at `commits` through one connection of its own."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Take a `baseline` before the first look."""
        self._connection = connection
        self._snapshot = ""
        self._old: deque[tuple[float, str]] = deque()

    async def baseline(self) -> None:
        """Start from now. Heads must be verified *after* this: what commits in between is then seen twice, not never."""
        self._snapshot = await self._connection.fetchval(NOW)

    async def controls(self) -> list[str]:
        """Give the control rows of at least the last 120 s, oldest first."""
        return [row["control"] for row in await self._connection.fetch(CONTROLS)]

    async def look(self) -> Visible:
        """Give what became visible since the last look or the baseline."""
        rows = await self._connection.fetch(VISIBLE_SINCE, self._snapshot)
        visible = Visible(heads=[], controls=[])
        for row in rows:
            if row["apps"] is None:
                continue
            visible.heads.extend(zip(row["apps"], row["rooms"], row["heads"], strict=True))
            if row["control"] is not None:
                visible.controls.append(row["control"])
        self._snapshot = rows[0]["snapshot"]
        return visible

    async def trim(self, now: float) -> None:
        """Remove what every process has had 120 s to see; `now` is monotonic seconds. Cheap: works every 10 s."""
        if self._old and now - self._old[-1][0] < TRIM_EVERY_S:
            return
        self._old.append((now, self._snapshot.partition(":")[0]))
        if now - self._old[0][0] > KEEP_S:
            _, xmin = self._old.popleft()
            await self._connection.execute(TRIM, xmin)


async def latest_rooms(postgres: Postgres, app: AppId, limit: int) -> list[RoomNumber]:
    """Give the rooms of an app that were written to in the last 120 s, or in the last 10,000 commits, the latest first."""
    rows = await postgres.survey(Role.AUDIT, LATEST_ROOMS, app, MAX_LOOKED_AT, limit)
    return [RoomNumber(row["room"]) for row in rows]
