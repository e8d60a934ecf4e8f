"""Rooms in PostgreSQL, as the control plane sees them; their logs are `api.log`'s."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text

from api.errors import RoomNotFound
from api.ids import MAX_NUMBER, RoomId, RoomNumber
from api.prefixes import prefix_end
from api.rooms.rules import may_read
from api.rooms.schemas import RoomView
from tenants.clock import to_rfc3339
from tenants.ids import UserNumber
from tenants.postgres import Postgres
from tenants.scope import Caller

COLUMNS = """
r.room, r.room_id, r.name, r.private, r.data, r.created_at, r.updated_seq, r.updated_at, r.member_count,
r.head_number, r.head_seq, m.role,
CASE WHEN r.direct_low IS NOT NULL THEN
  ARRAY(SELECT u.user_id FROM users u WHERE u.app_id = r.app_id AND u.user_number IN (r.direct_low, r.direct_high)
         ORDER BY u.user_id COLLATE "C", u.user_number) END AS direct
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
ALL = f"""
SELECT {COLUMNS} FROM rooms r
  LEFT JOIN members m ON m.app_id = r.app_id AND m.room = r.room AND m.user_number = :user
 WHERE r.app_id = :app AND r.deleted_at IS NULL
"""
JOINED = f"""
SELECT {COLUMNS} FROM members m JOIN rooms r ON r.app_id = m.app_id AND r.room = m.room
 WHERE m.app_id = :app AND m.user_number = :user AND r.deleted_at IS NULL
"""
# Each filter has an index that leads to what it leaves, so each is in the statement only where it is asked for.
REACHED = " AND r.room_id = ANY (CAST(:rooms AS text[]))"
NUMBERED = " AND r.room = ANY (CAST(:numbers AS bigint[]))"
PRIVATE = " AND r.private = :private"
DIRECT = " AND r.direct_low IS NOT NULL"
NOT_DIRECT = " AND r.direct_low IS NULL"
NEWEST = " AND r.room < :after ORDER BY r.room DESC LIMIT :limit"
BY_NAME = """
 AND r.name COLLATE "C" >= :prefix AND r.name COLLATE "C" < :prefix_end
 AND (r.name COLLATE "C", r.room) > (:after_name COLLATE "C", CAST(:after AS bigint))
 ORDER BY r.name COLLATE "C", r.room LIMIT :limit
"""

NUMBER = text("""
SELECT room, coalesce(:user IN (direct_low, direct_high), false) AS is_of_pair FROM rooms
 WHERE app_id = :app AND room_id = :room_id AND deleted_at IS NULL
""")
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

    @property
    def tag(self) -> str:
        """The entity tag of what a change changes: name, privacy, data."""
        return f'"r{self.number:x}-{self.view.updated_seq}"'


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rooms a list is to have."""

    user: UserNumber | None = None
    """Only rooms of this member."""
    rooms: frozenset[str] | None = None
    """Only rooms of these ids."""
    numbers: frozenset[RoomNumber] | None = None
    """Only rooms of these numbers."""
    private: bool | None = None
    direct: bool | None = None
    prefix: str | None = None
    """Only rooms whose name begins so; they come by name then."""
    after: tuple[str, int] = ("", MAX_NUMBER)
    """Name and number of the room before the first one; the name is for lists by name."""


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


async def get_number(postgres: Postgres, caller: Caller, room_id: RoomId) -> tuple[RoomNumber, bool]:
    """Give the number of the room that the id names now, readable or not, and whether it is a 1:1 room of the caller's.

    For writes whose append decides what this caller may know; raises `RoomNotFound` if the id names none.
    """
    values = {"app": caller.scope.app, "room_id": room_id, "user": caller.sender}
    async with postgres.transaction(caller.scope) as connection:
        row = (await connection.execute(NUMBER, values)).one_or_none()
    if row is None:
        raise RoomNotFound
    return RoomNumber(row.room), bool(row.is_of_pair)


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


async def list_rooms(postgres: Postgres, caller: Caller, wanted: Wanted, *, limit: int) -> list[FoundRoom]:
    """Give rooms of the app, newest first, or by name where a prefix of it is wanted."""
    name, number = wanted.after
    statement = ALL if wanted.user is None else JOINED
    values: dict[str, object] = {
        "app": caller.scope.app,
        "user": caller.sender if wanted.user is None else wanted.user,
        "after": number,
        "limit": limit,
    }
    if wanted.rooms is not None:
        statement += REACHED
        values["rooms"] = sorted(wanted.rooms)
    if wanted.numbers is not None:
        statement += NUMBERED
        values["numbers"] = sorted(wanted.numbers)
    if wanted.private is not None:
        statement += PRIVATE
        values["private"] = wanted.private
    if wanted.direct is not None:
        statement += DIRECT if wanted.direct else NOT_DIRECT
    if wanted.prefix is None:
        statement += NEWEST
    else:
        statement += BY_NAME
        values |= {"prefix": wanted.prefix, "prefix_end": prefix_end(wanted.prefix), "after_name": name}
    async with postgres.transaction(caller.scope) as connection:
        rows = (await connection.execute(text(statement), values)).all()
    return [_found(row) for row in rows]


def _found(row: Any) -> FoundRoom:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    view = RoomView(
        id=row.room_id,
        name=row.name,
        private=row.private,
        direct=None if row.direct is None else list(row.direct),
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
