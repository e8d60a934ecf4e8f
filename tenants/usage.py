"""Usage: how much an app has, measured now and then; nothing is counted on the way of a message."""

import asyncio
from collections import OrderedDict

import structlog
from sqlalchemy import text

from tenants.postgres import Postgres
from tenants.scope import Scope

MEASURE_EVERY_S = 300.0
"""How old the measure of an app's bytes may be, as long as it sends; one that has just begun to is measured at once."""
REMEMBER_S = 60.0
MARGIN = 10_000
"""How far from its quota an app must be for an old count of its rooms to serve."""
MAX_MEASURED = 10_000
SAMPLED_ROOMS = 100
SAMPLED_EVENTS = 20
"""So many of the newest of each sampled room tell how large events are."""

# Counts no further than the quota, by the index of rooms that are there.
ROOMS = text("""
SELECT count(*) FROM (SELECT FROM rooms WHERE app_id = :app AND deleted_at IS NULL LIMIT :most) AS counted
""")
# An estimate, whose work does not grow with the logs. How many events there are is known, for seqs have no gaps; how large they
# are is seen by the newest of the largest rooms, each room's mean weighing as much as the room has events. The order and its
# limit lead PostgreSQL to the primary key whatever it knows of the table; a range of seqs did not. Only an app that is being
# erased has rooms without events.
BYTES = text(f"""
WITH sizes AS (SELECT room, head_seq - floor_seq + 1 AS events FROM rooms WHERE app_id = :app)
SELECT coalesce(round((SELECT sum(events) FROM sizes) * sum(largest.events * sample.mean_bytes) / sum(largest.events)), 0)
  FROM (SELECT room, events FROM sizes ORDER BY events DESC LIMIT {SAMPLED_ROOMS}) AS largest
 CROSS JOIN LATERAL
       (SELECT avg(octet_length(newest.facts) + coalesce(octet_length(newest.body), 0)) AS mean_bytes
          FROM (SELECT e.facts, e.body FROM events e WHERE e.app_id = :app AND e.room = largest.room
                 ORDER BY e.seq DESC LIMIT {SAMPLED_EVENTS}) AS newest
        HAVING count(*) > 0) AS sample
""")

log = structlog.get_logger()


class Usage:
    """Measures the apps that this process serves, one after the other."""

    def __init__(self, postgres: Postgres) -> None:
        """Measure in `postgres`."""
        self._postgres = postgres
        self._measured: OrderedDict[Scope, tuple[int, float]] = OrderedDict()
        self._rooms: OrderedDict[Scope, tuple[int, float]] = OrderedDict()
        self._wanted: dict[Scope, None] = {}
        self._arrived = asyncio.Event()

    def stored_bytes(self, scope: Scope) -> int:
        """Tell how many bytes an app's events had when they were last measured; 0 if they never were.

        Exact for up to 100 rooms of up to 20 events each, and an estimate by the newest events of the largest rooms beyond.
        """
        size_bytes, until = self._measured.get(scope, (0, 0.0))
        if until < asyncio.get_running_loop().time() and len(self._wanted) < MAX_MEASURED:
            self._wanted[scope] = None
            self._arrived.set()
        return size_bytes

    async def rooms(self, scope: Scope, most: int) -> int:
        """Count an app's rooms, up to `most`; raises `Unavailable`. Far from it, the last count serves for a minute."""
        loop = asyncio.get_running_loop()
        count, until = self._rooms.get(scope, (most, 0.0))
        if until > loop.time() and count < most - MARGIN:
            return count
        async with self._postgres.transaction(scope) as connection:
            count = int((await connection.execute(ROOMS, {"app": scope.app, "most": most})).scalar_one())
        self._rooms[scope] = (count, loop.time() + REMEMBER_S)
        self._rooms.move_to_end(scope)
        if len(self._rooms) > MAX_MEASURED:
            self._rooms.popitem(last=False)
        return count

    async def run(self) -> None:
        """Measure what is wanted until cancelled."""
        while True:
            await self._arrived.wait()
            scope = next(iter(self._wanted))
            try:
                await self._measure(scope)
            except Exception as error:  # noqa: BLE001
                # A measure that takes too long, or a fault of ours: the last one serves, and nobody's process ends.
                log.warning("not_measured", app=scope.app, error=repr(error))
            del self._wanted[scope]
            if not self._wanted:
                self._arrived.clear()

    async def _measure(self, scope: Scope) -> None:
        loop = asyncio.get_running_loop()
        size_bytes, _ = self._measured.get(scope, (0, 0.0))
        # Whatever comes of it, not again at once.
        self._measured[scope] = (size_bytes, loop.time() + MEASURE_EVERY_S)
        self._measured.move_to_end(scope)
        if len(self._measured) > MAX_MEASURED:
            self._measured.popitem(last=False)
        async with self._postgres.transaction(scope) as connection:
            size_bytes = int((await connection.execute(BYTES, {"app": scope.app})).scalar_one())
        self._measured[scope] = (size_bytes, loop.time() + MEASURE_EVERY_S)
