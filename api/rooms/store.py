"""Rooms in PostgreSQL, as the control plane sees them; their logs are `api.log`'s."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text

from api.errors import RoomNotFound
from api.ids import RoomId, RoomNumber
from api.rooms.rules import may_read
from api.rooms.schemas import RoomView
from tenants.clock import to_rfc3339
from tenants.postgres import Postgres
from tenants.scope import Caller

COLUMNS = """
r.room, r.room_id, r.name, r.private, r.data, r.created_at, r.updated_seq, r.updated_at, r.member_count,
r.head_number, r.head_seq, m.role
"""
GET = text(f"""
SELECT {COLUMNS} FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = :user
 WHERE r.app_id = :app AND r.room_id = :room_id AND r.deleted_at IS NULL
""")
GET_NUMBERED = text(f"""
SELECT {COLUMNS} FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = :user
 WHERE r.app_id = :app AND r.room = :room AND r.deleted_at IS NULL
""")
LIST_ALL = text(f"""
SELECT {COLUMNS} FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = :user
 WHERE r.app_id = :app AND r.room < :after AND r.deleted_at IS NULL
   AND (CAST(:rooms AS text[]) IS NULL OR r.room_id = ANY (:rooms))
 ORDER BY r.room DESC LIMIT :limit
""")
LIST_JOINED = text(f"""
SELECT {COLUMNS} FROM members m JOIN rooms r ON r.app_id = m.app_id AND r.room = m.room
 WHERE m.app_id = :app AND m.user_number = :user AND m.room < :after AND r.deleted_at IS NULL
   AND (CAST(:rooms AS text[]) IS NULL OR r.room_id = ANY (:rooms))
 ORDER BY m.room DESC LIMIT :limit
""")

NUMBER = text("SELECT room FROM rooms WHERE app_id = :app AND room_id = :room_id AND deleted_at IS NULL")
RETAIN = text("""
UPDATE rooms SET retention_s = :retention_s WHERE app_id = :app AND room_id = :room_id AND deleted_at IS NULL
RETURNING room
""")
DELETED_BY_KEY = text("""
SELECT EXISTS (SELECT FROM rooms r JOIN events e ON e.app_id = r.app_id AND e.room = r.room
                WHERE r.app_id = :app AND r.room_id = :room_id AND r.deleted_at IS NOT NULL
                  AND e.sender = :sender AND e.key_hash = :key_hash AND e.seq = r.head_seq) AS found
""")


@dataclass(frozen=True, slots=True)
class FoundRoom:
    """A room that its caller may read."""

    number: RoomNumber
    view: RoomView


async def get_room(postgres: Postgres, caller: Caller, room_id: RoomId) -> FoundRoom:
    """Give a room; raises `RoomNotFound` unless it exists for this caller."""
    values = {"app": caller.scope.app, "user": caller.sender, "room_id": room_id}
    async with postgres.transaction(caller.scope) as connection:
        row = (await connection.execute(GET, values)).one_or_none()
    if row is None or not may_read(caller, private=row.private, role=row.role):
        raise RoomNotFound
    return _found(row)


async def get_room_numbered(postgres: Postgres, caller: Caller, number: RoomNumber) -> FoundRoom:
    """Give a room by its number; raises `RoomNotFound` unless it exists for this caller."""
    values = {"app": caller.scope.app, "user": caller.sender, "room": number}
    async with postgres.transaction(caller.scope) as connection:
        row = (await connection.execute(GET_NUMBERED, values)).one_or_none()
    if row is None or not may_read(caller, private=row.private, role=row.role):
        raise RoomNotFound
    return _found(row)


async def get_number(postgres: Postgres, caller: Caller, room_id: RoomId) -> RoomNumber:
    """Give the number of the room that the id names now, readable or not; raises `RoomNotFound` if it names none.

    For writes whose append decides what this caller may know.
    """
    values = {"app": caller.scope.app, "room_id": room_id}
    async with postgres.transaction(caller.scope) as connection:
        number = (await connection.execute(NUMBER, values)).scalar_one_or_none()
    if number is None:
        raise RoomNotFound
    return RoomNumber(number)


async def was_deleted(postgres: Postgres, caller: Caller, room_id: RoomId, key_hash: bytes) -> bool:
    """Tell whether this caller has deleted a room of this id under this key: then there is nothing left to do."""
    values = {"app": caller.scope.app, "room_id": room_id, "sender": caller.sender, "key_hash": key_hash}
    async with postgres.transaction(caller.scope) as connection:
        return bool((await connection.execute(DELETED_BY_KEY, values)).scalar_one())


async def set_retention(postgres: Postgres, caller: Caller, room_id: RoomId, retention_s: int | None) -> None:
    """Set for how long a room keeps its events; raises `RoomNotFound`."""
    values = {"app": caller.scope.app, "room_id": room_id, "retention_s": retention_s}
    async with postgres.transaction(caller.scope) as connection:
        if (await connection.execute(RETAIN, values)).one_or_none() is None:
            raise RoomNotFound


async def list_rooms(postgres: Postgres, caller: Caller, *, after: int, limit: int) -> list[FoundRoom]:
    """Give rooms with numbers below `after`, newest first: the user's own, or for an API key all of the app."""
    statement = LIST_ALL if caller.user is None else LIST_JOINED
    rooms = None if caller.rooms is None else sorted(caller.rooms)
    values = {"app": caller.scope.app, "user": caller.sender, "after": after, "limit": limit, "rooms": rooms}
    async with postgres.transaction(caller.scope) as connection:
        rows = (await connection.execute(statement, values)).all()
    return [_found(row) for row in rows]


def _found(row: Any) -> FoundRoom:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    view = RoomView(
        id=row.room_id,
        name=row.name,
        private=row.private,
        data=msgspec.Raw(row.data.encode()),
        created_at=to_rfc3339(row.created_at),
        updated_seq=row.updated_seq,
        updated_at=to_rfc3339(row.updated_at),
        member_count=row.member_count,
        message_count=row.head_number,
        seq=row.head_seq,
        role=row.role,
    )
    return FoundRoom(RoomNumber(row.room), view)
