"""Read cursors in PostgreSQL: a column of the membership, moved forward only and never past the head."""

from sqlalchemy import text

from api.errors import NotAMember
from api.ids import RoomNumber
from tenants.ids import UserNumber
from tenants.postgres import Postgres
from tenants.scope import Scope

MOVE = text("""
UPDATE members m SET read_seq = greatest(m.read_seq, least(:seq, r.head_seq)) FROM rooms r
 WHERE m.app_id = :app AND m.room = :room AND m.user_number = :user AND r.app_id = m.app_id AND r.room = m.room
RETURNING m.read_seq
""")
GET = text("SELECT read_seq FROM members WHERE app_id = :app AND room = :room AND user_number = :user")


async def get_read_cursor(postgres: Postgres, scope: Scope, room: RoomNumber, user: UserNumber) -> int:
    """Give where a member's read cursor stands; raises `NotAMember`."""
    values = {"app": scope.app, "room": room, "user": user}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, values)).one_or_none()
    if row is None:
        raise NotAMember
    return int(row.read_seq)


async def move_read_cursor(postgres: Postgres, scope: Scope, room: RoomNumber, user: UserNumber, seq: int) -> int:
    """Move a member's read cursor and give where it stands; raises `NotAMember`."""
    values = {"app": scope.app, "room": room, "user": user, "seq": seq}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(MOVE, values)).one_or_none()
    if row is None:
        raise NotAMember
    return int(row.read_seq)
