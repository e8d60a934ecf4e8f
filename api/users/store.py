"""Users in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text

from api.conditions import IfMatch
from api.errors import PreconditionFailed
from api.prefixes import prefix_end
from api.users.schemas import UserView
from tenants.clock import to_rfc3339
from tenants.controls import UserRevoked, send_control
from tenants.errors import UserNotFound
from tenants.ids import UserId
from tenants.jobs import Job, insert_job
from tenants.postgres import Postgres
from tenants.scope import Scope

UPSERT = text("""
INSERT INTO users (app_id, user_id, name, data)
VALUES (:app, :user, coalesce(:name, :user), coalesce(:data, '{}'))
ON CONFLICT (app_id, user_id) WHERE deleted_at IS NULL DO UPDATE
   SET name = coalesce(:name, users.name), data = coalesce(:data, users.data), updated_at = now(),
       revision = users.revision + 1
RETURNING user_number, user_id, name, data, created_at, updated_at, revision, xmax = 0 AS is_new
""")
# In the order of ids, so that two batches never wait for each other in a ring. What a user does not name stays.
UPSERT_MANY = text("""
INSERT INTO users (app_id, user_id, name, data)
SELECT :app, u.id, coalesce(u.name, u.id), coalesce(u.data, '{}')
  FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:objects AS text[])) AS u(id, name, data)
 ORDER BY u.id COLLATE "C"
ON CONFLICT (app_id, user_id) WHERE deleted_at IS NULL DO UPDATE
   SET name = CASE WHEN users.user_id = ANY (CAST(:unnamed AS text[])) THEN users.name ELSE excluded.name END,
       data = CASE WHEN users.user_id = ANY (CAST(:without_data AS text[])) THEN users.data ELSE excluded.data END,
       updated_at = now(), revision = users.revision + 1
RETURNING user_number, user_id, name, data, created_at, updated_at, revision, xmax = 0 AS is_new
""")
GET = text("""
SELECT user_number, user_id, name, data, created_at, updated_at, revision FROM users
 WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL
""")
DELETE = text("""
UPDATE users SET deleted_at = now() WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL RETURNING user_number
""")
GET_LOCKED = text("""
SELECT user_number, revision FROM users
 WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL FOR NO KEY UPDATE
""")
LIST = text("""
SELECT user_number, user_id, name, data, created_at, updated_at, revision FROM users
 WHERE app_id = :app AND deleted_at IS NULL AND user_id COLLATE "C" > :after
   AND user_id COLLATE "C" >= :prefix AND user_id COLLATE "C" < :prefix_end
 ORDER BY user_id COLLATE "C" LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user, and the entity tag of its state."""

    view: UserView
    tag: str
    is_new: bool = False


async def upsert_user(
    postgres: Postgres,
    scope: Scope,
    user: UserId,
    *,
    name: str | None,
    data: str | None,
    if_match: IfMatch | None = None,
) -> FoundUser:
    """Make or change a user; raises `PreconditionFailed` unless it is in a state that `if_match` names."""
    values = {"app": scope.app, "user": user, "name": name, "data": data}
    async with postgres.transaction(scope) as connection:
        if if_match is not None:
            known = (await connection.execute(GET_LOCKED, {"app": scope.app, "user": user})).one_or_none()
            if known is None or not if_match.holds(_tag(known)):
                raise PreconditionFailed
        row = (await connection.execute(UPSERT, values)).one()
    return FoundUser(_view(row), _tag(row), row.is_new)


async def delete_user(postgres: Postgres, scope: Scope, user: UserId, *, redact: bool) -> Job:
    """Take a user out at once, and leave the rest to a job; raises `UserNotFound`.

    The row stays as a tombstone: whoever is made under the same id is somebody else.
    """
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(DELETE, {"app": scope.app, "user": user})).one_or_none()
        if row is None:
            raise UserNotFound
        await send_control(connection, UserRevoked(scope.app, row.user_number))
        return await insert_job(connection, scope.app, "delete_user", row.user_number, redact=redact)


async def upsert_users(
    postgres: Postgres, scope: Scope, users: Sequence[tuple[UserId, str | None, str | None]]
) -> list[FoundUser]:
    """Make or change users of different ids, all or none; each is an id, a name and data, None where it is to stay."""
    values = {
        "app": scope.app,
        "ids": [user for user, _, _ in users],
        "names": [name for _, name, _ in users],
        "objects": [data for _, _, data in users],
        "unnamed": [user for user, name, _ in users if name is None],
        "without_data": [user for user, _, data in users if data is None],
    }
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(UPSERT_MANY, values)).all()
    found = {row.user_id: FoundUser(_view(row), _tag(row), row.is_new) for row in rows}
    return [found[user] for user, _, _ in users]


async def list_users(postgres: Postgres, scope: Scope, *, prefix: str, after: str, limit: int) -> list[UserView]:
    """Give users whose ids begin with a prefix and come after an id, in the order of ids."""
    values = {
        "app": scope.app,
        "prefix": prefix,
        "prefix_end": prefix_end(prefix),
        "after": after,
        "limit": limit,
    }
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(LIST, values)).all()
    return [_view(row) for row in rows]


async def get_user(postgres: Postgres, scope: Scope, user: UserId) -> FoundUser:
    """Give a user; raises `UserNotFound`."""
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, {"app": scope.app, "user": user})).one_or_none()
    if row is None:
        raise UserNotFound
    return FoundUser(_view(row), _tag(row))


def _view(row: Any) -> UserView:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return UserView(
        id=row.user_id,
        name=row.name,
        data=msgspec.Raw(row.data.encode()),
        created_at=to_rfc3339(row.created_at),
        updated_at=to_rfc3339(row.updated_at),
    )


def _tag(row: Any) -> str:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return f'"u{row.user_number:x}-{row.revision}"'
