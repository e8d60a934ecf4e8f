"""Users in PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import text

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
   SET name = coalesce(:name, users.name), data = coalesce(:data, users.data), updated_at = now()
RETURNING user_id, name, data, created_at, updated_at, xmax = 0 AS is_new
""")
GET = text("""
SELECT user_id, name, data, created_at, updated_at FROM users
 WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL
""")
DELETE = text("""
UPDATE users SET deleted_at = now() WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL RETURNING user_number
""")


async def upsert_user(
    postgres: Postgres, scope: Scope, user: UserId, *, name: str | None, data: str | None
) -> tuple[UserView, bool]:
    """Make or change a user; tells whether it is new."""
    values = {"app": scope.app, "user": user, "name": name, "data": data}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(UPSERT, values)).one()
    return _view(row), row.is_new


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


async def get_user(postgres: Postgres, scope: Scope, user: UserId) -> UserView:
    """Give a user; raises `UserNotFound`."""
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, {"app": scope.app, "user": user})).one_or_none()
    if row is None:
        raise UserNotFound
    return _view(row)


def _view(row: Any) -> UserView:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return UserView(
        id=row.user_id,
        name=row.name,
        data=msgspec.Raw(row.data.encode()),
        created_at=to_rfc3339(row.created_at),
        updated_at=to_rfc3339(row.updated_at),
    )
