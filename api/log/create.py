"""The one call that makes a room, with its first members, or finds the one there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import asyncpg

from api.ids import RoomId, RoomNumber
from api.log.append import STALE_EPOCH
from api.log.epochs import Epochs
from api.log.event import member_facts, room_facts
from tenants.errors import Unavailable
from tenants.ids import UserNumber
from tenants.postgres import Postgres
from tenants.scope import Scope, User

# The arguments stand in the order of `create_room_v2` in migrations/sql/0007_1_rooms.sql.
CREATE = """
SELECT outcome, room FROM create_room_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                                         $12::bigint[], $13::text[], $14::text[], $15::text[], $16, $17)
"""


class Made(IntEnum):
    """What became of the wish for a room."""

    NEW = 1
    REPLAYED = 2
    KEY_REUSED = 3
    EXISTS = 4


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room as it is to begin."""

    id: RoomId
    name: str
    private: bool
    data: str
    members: Sequence[tuple[User, str]]
    """The first members with their roles, in the order of their joining."""
    pair: tuple[UserNumber, UserNumber] | None = None
    """The numbers of the two whose 1:1 room it is, the lower one first; there is one such room."""


async def create_room(
    postgres: Postgres,
    epochs: Epochs,
    scope: Scope,
    creator: int,
    room: NewRoom,
    *,
    key_hash: bytes,
    request_hash: bytes,
) -> tuple[Made, RoomNumber]:
    """Make a room, all of it or nothing; `creator` has a space of idempotency keys for rooms. Raises `Unavailable`."""
    newest = epochs.newest
    users = [user for user, _ in room.members]
    try:
        rows = await postgres.call(
            CREATE,
            newest.ordinal,
            newest.tag,
            scope.app,
            room.id,
            room.private,
            room.name,
            room.data,
            creator,
            key_hash,
            request_hash,
            room_facts(room.id, name=room.name, private=room.private, data=room.data),
            [user.number for user in users],
            [user.id for user in users],
            [role for _, role in room.members],
            [member_facts(user.id, role) for user, role in room.members],
            *(room.pair or (None, None)),
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate == STALE_EPOCH:
            raise Unavailable(retry_after_s=1.0) from error
        raise
    return Made(rows[0]["outcome"]), RoomNumber(rows[0]["room"])
