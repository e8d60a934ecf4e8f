"""Retention: events older than an app or a room keeps them go, by moving the room's floor."""

import asyncio

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.rooms.schemas import MAX_RETENTION_S
from tenants.errors import Unavailable
from tenants.postgres import Postgres
from tenants.roles import Role

EVERY_S = 30.0
EVENTS = 2_000
"""Events in one step."""
ROOMS = 100
"""Rooms in one look."""

# A room is due when its first event is older than its time. Its head stays: it says in which epoch the room was written to.
# Of a longer time than there is, one room would hold up all.
DUE = f"""
SELECT r.app_id, r.room, now() - make_interval(secs => least(coalesce(r.retention_s, a.retention_s), {MAX_RETENTION_S})) AS before
  FROM apps a JOIN rooms r ON r.app_id = a.app_id
  JOIN events e ON e.app_id = r.app_id AND e.room = r.room AND e.seq = r.floor_seq
 WHERE coalesce(r.retention_s, a.retention_s) IS NOT NULL AND r.deleted_at IS NULL AND a.deleted_at IS NULL
   AND r.floor_seq < r.head_seq
   AND e.at < now() - make_interval(secs => least(coalesce(r.retention_s, a.retention_s), {MAX_RETENTION_S}))
 ORDER BY r.app_id, r.room LIMIT $1
"""
MOVE = text("SELECT move_floor_v1(:app, :room, :before, :events)")

log = structlog.get_logger()


class Retention:
    """Moves floors. Every process may; two that move the same one wait for each other and find nothing left."""

    def __init__(self, postgres: Postgres) -> None:
        """Work on `postgres`."""
        self._postgres = postgres
        self.moved = 0

    async def run(self) -> None:
        """Look every 30 s, until cancelled."""
        while True:
            try:
                while await self.look():
                    pass
            except (Unavailable, DBAPIError, asyncpg.PostgresError) as error:
                log.warning("retention_waits", error=type(error).__name__)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> int:
        """Move the floors of up to 100 rooms that are due by up to 2,000 events each; gives how many rooms were."""
        due = await self._postgres.survey(Role.READER, DUE, ROOMS)
        for row in due:
            values = {"app": row["app_id"], "room": row["room"], "before": row["before"], "events": EVENTS}
            async with self._postgres.transaction(row["app_id"]) as connection:
                floor = (await connection.execute(MOVE, values)).scalar_one()
            self.moved += floor is not None
        return len(due)
