"""Users of an app, as far as callers are concerned: who is named, and on whose behalf."""

from collections.abc import Sequence
from dataclasses import replace

from tenants.errors import Forbidden, UserNotFound
from tenants.ids import UserId, UserNumber
from tenants.postgres import Postgres
from tenants.scope import Caller, Scope, User

FIND = """
SELECT user_number, user_id FROM users
 WHERE app_id = $1 AND user_id = ANY ($2::text[]) AND deleted_at IS NULL
"""


async def find_users(postgres: Postgres, scope: Scope, ids: list[UserId], pointers: Sequence[str] = ()) -> list[User]:
    """Give the users of these ids, in their order; raises `UserNotFound` if one is missing, with its pointer."""
    rows = await postgres.fetch([scope.app], FIND, scope.app, ids)
    found = {row["user_id"]: User(UserNumber(row["user_number"]), row["user_id"]) for row in rows}
    missing = [user_id for user_id in ids if user_id not in found]
    if missing:
        pointer = pointers[ids.index(missing[0])] if pointers else None
        raise UserNotFound(f"No user {missing[0]} in this app; make it with PUT /v1/users/{{id}}.", pointer=pointer)
    return [found[user_id] for user_id in ids]


async def find_user(postgres: Postgres, scope: Scope, user_id: UserId) -> User:
    """Give the user of this id; raises `UserNotFound`."""
    return (await find_users(postgres, scope, [user_id]))[0]


async def acting_as(postgres: Postgres, caller: Caller, user_id: str | None) -> Caller:
    """Give the caller in the name of a user, if one is named; raises `Forbidden` for all but API keys, `UserNotFound`."""
    if user_id is None:
        return caller
    if not caller.is_server:
        raise Forbidden("Only an API key may name the user as whom it acts.")
    user = await find_user(postgres, caller.scope, UserId(user_id))
    return replace(caller, user=user)
