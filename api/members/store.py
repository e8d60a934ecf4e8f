"""Members in PostgreSQL."""

from typing import Any

from sqlalchemy import text

from api.ids import RoomNumber
from api.members.schemas import MemberView
from tenants.clock import to_rfc3339
from tenants.ids import UserNumber
from tenants.postgres import Postgres
from tenants.scope import Scope

LIST = text("""
SELECT user_id, role, joined_seq, joined_at FROM members
 WHERE app_id = :app AND room = :room AND joined_seq > :after ORDER BY joined_seq LIMIT :limit
""")
GET = text("""
SELECT user_id, role, joined_seq, joined_at FROM members
 WHERE app_id = :app AND room = :room AND user_number = :user
""")


async def list_members(
    postgres: Postgres, scope: Scope, room: RoomNumber, *, after: int, limit: int
) -> list[MemberView]:
    """Give members who joined after a seq, in the order of their joining."""
    values = {"app": scope.app, "room": room, "after": after, "limit": limit}
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(LIST, values)).all()
    return [_view(row) for row in rows]


async def get_member(postgres: Postgres, scope: Scope, room: RoomNumber, user: UserNumber) -> MemberView | None:
    """Give a member; None if the user is none."""
    values = {"app": scope.app, "room": room, "user": user}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, values)).one_or_none()
    return None if row is None else _view(row)


def _view(row: Any) -> MemberView:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return MemberView(row.user_id, row.role, row.joined_seq, to_rfc3339(row.joined_at))
