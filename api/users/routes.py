"""Users by REST."""

from typing import Any, Literal

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api.custom_data import changed_text
from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.json import json_struct, nothing
from api.jobs.schemas import JobView
from api.names import user_id as checked
from api.users.schemas import UserChange
from api.users.store import delete_user, get_user, upsert_user
from tenants.errors import Forbidden
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.revocations import revoke_user
from tenants.scope import Caller


@put("/v1/users/{user_id:str}", operation_id="putUser", grant=Grant.USERS_WRITE)
async def put_user(
    request: Request[Any, Any, Any],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Make a user, or change one; users may change themselves."""
    user = checked(user_id)
    if not caller.is_server and (caller.user is None or caller.user.id != user):
        raise Forbidden("A user may change itself only; others take an API key.")
    change = await read_body(request, UserChange)
    data = changed_text(change.data, "/data")
    view, is_new = await upsert_user(postgres, caller.scope, user, name=change.name, data=data)
    return json_struct(view, status=201 if is_new else 200)


@get("/v1/users/{user_id:str}", operation_id="getUser", grant=Grant.USERS_READ)
async def show_user(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Give a user."""
    return json_struct(await get_user(postgres, caller.scope, checked(user_id)))


@delete("/v1/users/{user_id:str}", operation_id="deleteUser", grant=Grant.USERS_WRITE, status_code=202)
async def remove_user(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
    messages: FromQuery[Literal["keep", "redact"]] = "keep",
) -> Response[bytes]:
    """Delete a user: its tokens end at once; a job takes it out of its rooms, and blanks its messages if wished."""
    require_server(caller)
    job = await delete_user(postgres, caller.scope, checked(user_id), redact=messages == "redact")
    return json_struct(JobView.of(job), status=202)


@post("/v1/users/{user_id:str}/revoke", operation_id="revokeUser", grant=Grant.USERS_WRITE, status_code=200)
async def end_tokens(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Revoke all tokens that a user has been issued so far: within a second they hold nowhere."""
    require_server(caller)
    await revoke_user(postgres, caller.scope, checked(user_id))
    return nothing()


ROUTES = [put_user, show_user, remove_user, end_tokens]
