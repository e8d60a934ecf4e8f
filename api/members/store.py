"""Members in PostgreSQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from api.ids import RoomNumber
from api.members.schemas import MemberView
from api.prefixes import prefix_end
from tenants.clock import to_rfc3339
from tenants.ids import UserNumber
from tenants.postgres import Postgres
from tenants.scope import Scope

COLUMNS = "user_id, role, joined_seq, joined_at, visible_from"
LIST = f"SELECT {COLUMNS} FROM members WHERE app_id = :app AND room = :room"
# Each filter has an index that leads to what it leaves, so each is in the statement only where it is asked for.
ADMINS = " AND role = 'admin'"
OTHERS = " AND role <> 'admin'"
PREFIXED = ' AND user_id COLLATE "C" >= :prefix AND user_id COLLATE "C" < :prefix_end'
AFTER = " AND joined_seq > :place ORDER BY joined_seq LIMIT :limit"
BEFORE = " AND joined_seq < :place ORDER BY joined_seq DESC LIMIT :limit"
GET = text(f"""
SELECT {COLUMNS} FROM members
 WHERE app_id = :app AND room = :room AND user_number = :user
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which members a list is to have."""

    role: str | None
    prefix: str
    """What their ids begin with."""
    place: int
    """The seq of joining before the first one, or behind the last one."""
    backwards: bool


async def list_members(
    postgres: Postgres, scope: Scope, room: RoomNumber, wanted: Wanted, *, limit: int
) -> list[MemberView]:
    """Give the members next to a place, in the order of their joining."""
    statement = LIST
    values: dict[str, object] = {"app": scope.app, "room": room, "place": wanted.place, "limit": limit}
    if wanted.role is not None:
        statement += ADMINS if wanted.role == "admin" else OTHERS
    if wanted.prefix:
        statement += PREFIXED
        values |= {"prefix": wanted.prefix, "prefix_end": prefix_end(wanted.prefix)}
    statement += BEFORE if wanted.backwards else AFTER
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(text(statement), values)).all()
    members = [_view(row) for row in rows]
    return members[::-1] if wanted.backwards else members


async def get_member(postgres: Postgres, scope: Scope, room: RoomNumber, user: UserNumber) -> MemberView | None:
    """Give a member; None if the user is none."""
    values = {"app": scope.app, "room": room, "user": user}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, values)).one_or_none()
    return None if row is None else _view(row)


def _view(row: Any) -> MemberView:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return MemberView(row.user_id, row.role, row.joined_seq, to_rfc3339(row.joined_at), row.visible_from)
