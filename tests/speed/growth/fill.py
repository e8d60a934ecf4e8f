"""Rows by the million: messages written into rooms past the service, by one statement."""

from collections.abc import Sequence

import asyncpg

from api.log.event import Kind, created_facts
from tenants.ids import UserId, parse_app_name
from tests.speed.limits import BODY

SENDER = 1
FILL = """
WITH raised AS (
    UPDATE rooms SET head_seq = head_seq + $3, head_number = head_number + $3
     WHERE app_id = $1 AND room_id = ANY($2)
    RETURNING app_id, room, head_seq - $3 AS seq, head_number - $3 AS number, head_epoch AS epoch
)
INSERT INTO events (app_id, room, seq, number, epoch, kind, sender, facts, body, key_hash, request_hash, at)
SELECT app_id, room, seq + n, number + n, epoch, $4, $5, $6, $7, uuid_send(gen_random_uuid()), $8,
       date_trunc('milliseconds', now())
  FROM raised, generate_series(1, $3::bigint) n
"""


async def fill(database_url: str, app_name: str, rooms: Sequence[str], messages: int) -> None:
    """Write so many messages into each of an app's rooms, which nobody may have open, and tend the tables."""
    app = parse_app_name(app_name)
    assert app is not None
    connection = await asyncpg.connect(database_url)
    facts = created_facts(UserId("ann"))
    await connection.execute(FILL, app, list(rooms), messages, Kind.MESSAGE_CREATED, SENDER, facts, BODY, bytes(16))
    await connection.close()
    await tend(database_url)


async def tend(database_url: str) -> None:
    """Do at once what PostgreSQL does within minutes of itself, so that no measurement pays for it or lacks it.

    That is statistics, without which rooms are looked for among all of their app, visibility, and a checkpoint.
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def count_rows(database_url: str) -> int:
    """Count the events of all apps."""
    connection = await asyncpg.connect(database_url)
    found = await connection.fetchval("SELECT count(*) FROM events")
    await connection.close()
    return int(found)
