"""Members by REST."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.edge.body import MAX_BATCH_BYTES, read_body
from api.edge.given import Given
from api.edge.json import json_struct, nothing
from api.edge.told import Told
from api.errors import ROOM_WRITE, BadRequest, DirectRoomFixed, MethodNotAllowed, RoomNotFound, UserRequired
from api.ids import MAX_NUMBER
from api.members.actions import MemberDoors, add_members, join, leave, put_member, remove_member
from api.members.schemas import MemberBatchRequest, MemberBatchView, MemberChange, MemberPage, MemberView, Role
from api.members.store import Wanted, list_members
from api.names import MAX_ID_LENGTH
from api.names import prefix as checked_prefix
from api.names import room_id as checked_room
from api.names import user_id as checked_user
from api.rooms.store import get_room
from tenants.errors import QuotaExceeded, UserNotFound
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.scope import Caller

MAX_LIMIT = 200


@get(
    "/v1/rooms/{room_id:str}/members",
    operation_id="listMembers",
    grant=Grant.ROOMS_READ,
    told=Told(gives={200: MemberPage}, refuses=(RoomNotFound,)),
)
async def show_members(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    after: Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER, description="The `next` of a page.")] = None,
    before: Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER, description="The `previous` of a page.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at most.")] = 100,
    role: Annotated[Role | None, QueryParameter(description="Those of this role.")] = None,
    prefix: Annotated[
        str | None, QueryParameter(max_length=MAX_ID_LENGTH, description="What their ids begin with.")
    ] = None,
) -> Response[bytes]:
    """Give a room's members in the order of their joining, or those of a role or whose ids begin with `prefix`."""
    if after is not None and before is not None:
        raise BadRequest("A page begins after a place or ends before one.")
    prefix = checked_prefix(prefix) if prefix else ""
    backwards = before is not None
    wanted = Wanted(role, prefix, (after or 0) if before is None else before, backwards=backwards)
    room = await get_room(given[Postgres], caller, checked_room(room_id))
    # One more than asked for tells whether there are more.
    members = await list_members(given[Postgres], caller.scope, room.number, wanted, limit=limit + 1)
    is_more = len(members) > limit
    members = members[-limit:] if backwards else members[:limit]
    first, last = (members[0].joined_seq, members[-1].joined_seq) if members else (None, None)
    previous = first if (is_more and backwards) or after else None
    following = last if is_more or backwards else None
    return json_struct(MemberPage(members, previous, following, room.view.member_count))


# The path is not fixed to `batch`: a fixed one would hide the user of that id from the other methods.
@post(
    "/v1/rooms/{room_id:str}/members/{user_id:str}",
    operation_id="addMembers",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
    told=Told(
        path="/v1/rooms/{room_id:str}/members/batch",
        takes=MemberBatchRequest,
        gives={200: MemberBatchView},
        refuses=(*ROOM_WRITE, UserNotFound, QuotaExceeded, DirectRoomFixed),
    ),
)
async def post_members(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Add up to 1,000 users to a room, in order; under the same key a repetition goes on where it was interrupted."""
    if user_id != "batch":
        raise MethodNotAllowed
    room = checked_room(room_id)
    batch = await read_body(request, MemberBatchRequest, MAX_BATCH_BYTES)
    return json_struct(MemberBatchView(await add_members(given[MemberDoors], caller, room, batch, key)))


@put(
    "/v1/rooms/{room_id:str}/members/{user_id:str}",
    operation_id="putMember",
    grant=Grant.ROOMS_WRITE,
    told=Told(
        takes=MemberChange,
        gives={200: MemberView},
        refuses=(*ROOM_WRITE, UserNotFound, QuotaExceeded, DirectRoomFixed),
    ),
)
async def add_member(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Add a user to a room, or change a member's role."""
    room, user = checked_room(room_id), checked_user(user_id)
    change = await read_body(request, MemberChange)
    return json_struct(await put_member(given[MemberDoors], caller, room, user, change, key))


@delete(
    "/v1/rooms/{room_id:str}/members/{user_id:str}",
    operation_id="removeMember",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
    told=Told(gives={204: None}, refuses=(*ROOM_WRITE, UserNotFound, DirectRoomFixed)),
)
async def take_out_member(
    room_id: FromPath[str],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Take a user out of a room."""
    room, user = checked_room(room_id), checked_user(user_id)
    await remove_member(given[MemberDoors], caller, room, user, key)
    return nothing()


@post(
    "/v1/rooms/{room_id:str}/join",
    operation_id="joinRoom",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
    told=Told(gives={200: MemberView}, refuses=(*ROOM_WRITE, UserRequired, QuotaExceeded)),
)
async def join_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Join a public room."""
    return json_struct(await join(given[MemberDoors], caller, checked_room(room_id), key))


@post(
    "/v1/rooms/{room_id:str}/leave",
    operation_id="leaveRoom",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
    told=Told(gives={204: None}, refuses=(*ROOM_WRITE, UserRequired, DirectRoomFixed)),
)
async def leave_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Leave a room."""
    await leave(given[MemberDoors], caller, checked_room(room_id), key)
    return nothing()


ROUTES = [show_members, post_members, add_member, take_out_member, join_room, leave_room]
