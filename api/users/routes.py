"""Users by REST."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.conditions import IfMatch
from api.custom_data import changed_text
from api.edge.body import MAX_BATCH_BYTES, read_body
from api.edge.given import Given
from api.edge.json import json_struct, nothing
from api.edge.told import Told
from api.errors import MethodNotAllowed, PreconditionFailed
from api.jobs.schemas import JobView
from api.names import MAX_ID_LENGTH
from api.names import prefix as checked_prefix
from api.names import user_id as checked
from api.prefixes import read_place, write_place
from api.users.rules import checked_batch
from api.users.schemas import BatchUserView, UserBatchRequest, UserBatchView, UserChange, UserPage, UserView
from api.users.store import delete_user, get_user, list_users, upsert_user, upsert_users
from tenants.errors import Forbidden, UserNotFound
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.revocations import revoke_user
from tenants.scope import Caller

MAX_LIMIT = 200


@put(
    "/v1/users/{user_id:str}",
    operation_id="putUser",
    grant=Grant.USERS_WRITE,
    told=Told(
        takes=UserChange, gives={200: UserView, 201: UserView}, refuses=(PreconditionFailed, Forbidden), tags=True
    ),
)
async def put_user(
    request: Request[Any, Any, Any],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[IfMatch | None],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make a user, or change one; users may change themselves."""
    user = checked(user_id)
    if not caller.is_server and (caller.user is None or caller.user.id != user):
        raise Forbidden("A user may change itself only; others take an API key.")
    change = await read_body(request, UserChange)
    data = changed_text(change.data, "/data")
    found = await upsert_user(given[Postgres], caller.scope, user, name=change.name, data=data, if_match=if_match)
    return json_struct(found.view, status=201 if found.is_new else 200, tag=found.tag)


# The path is not fixed to `batch`: a fixed one would hide the user of that id from the other methods.
@post(
    "/v1/users/{user_id:str}",
    operation_id="putUsers",
    grant=Grant.USERS_WRITE,
    keys_only=True,
    status_code=200,
    told=Told(path="/v1/users/batch", takes=UserBatchRequest, gives={200: UserBatchView}),
)
async def put_users(
    request: Request[Any, Any, Any],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make or change up to 1,000 users, all or none."""
    if user_id != "batch":
        raise MethodNotAllowed
    batch = await read_body(request, UserBatchRequest, MAX_BATCH_BYTES)
    users = checked_batch(batch)
    found = await upsert_users(given[Postgres], caller.scope, users)
    views = [BatchUserView(**msgspec.structs.asdict(user.view), is_new=user.is_new) for user in found]
    return json_struct(UserBatchView(views))


@get(
    "/v1/users",
    operation_id="listUsers",
    grant=Grant.USERS_READ,
    keys_only=True,
    told=Told(gives={200: UserPage}),
)
async def show_users(
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    prefix: Annotated[str, QueryParameter(max_length=MAX_ID_LENGTH, description="What ids begin with.")] = "",
    after: Annotated[str | None, QueryParameter(description="The `next` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at most.")] = 100,
) -> Response[bytes]:
    """Give the app's users in the order of their ids, or those whose ids begin with `prefix`."""
    if prefix:
        checked_prefix(prefix)
    place = "" if after is None else read_place(after)
    users = await list_users(given[Postgres], caller.scope, prefix=prefix, after=place, limit=limit + 1)
    following = write_place(users[limit - 1].id) if len(users) > limit else None
    return json_struct(UserPage(users[:limit], following))


@get(
    "/v1/users/{user_id:str}",
    operation_id="getUser",
    grant=Grant.USERS_READ,
    told=Told(gives={200: UserView}, refuses=(UserNotFound,), tags=True),
)
async def show_user(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Give a user."""
    found = await get_user(given[Postgres], caller.scope, checked(user_id))
    return json_struct(found.view, tag=found.tag)


@delete(
    "/v1/users/{user_id:str}",
    operation_id="deleteUser",
    grant=Grant.USERS_WRITE,
    keys_only=True,
    status_code=202,
    told=Told(gives={202: JobView}, refuses=(UserNotFound,)),
)
async def remove_user(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    messages: Annotated[
        Literal["keep", "redact"], QueryParameter(description="What becomes of the messages that it has sent.")
    ] = "keep",
) -> Response[bytes]:
    """Delete a user: its tokens end at once; a job takes it out of its rooms, and blanks its messages if wished."""
    job = await delete_user(given[Postgres], caller.scope, checked(user_id), redact=messages == "redact")
    return json_struct(JobView.of(job), status=202)


@post(
    "/v1/users/{user_id:str}/revoke",
    operation_id="revokeUser",
    grant=Grant.USERS_WRITE,
    keys_only=True,
    status_code=200,
    told=Told(gives={204: None}, refuses=(UserNotFound,)),
)
async def end_tokens(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Revoke all tokens that a user has been issued so far: within a second they hold nowhere."""
    await revoke_user(given[Postgres], caller.scope, checked(user_id))
    return nothing()


ROUTES = [put_user, put_users, show_users, show_user, remove_user, end_tokens]
