"""Members by REST."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.edge.body import read_body
from api.edge.json import json_struct, nothing
from api.ids import MAX_NUMBER
from api.log.lane import Lanes
from api.members.actions import MemberDoors, join, leave, put_member, remove_member
from api.members.schemas import MemberChange, MemberPage
from api.members.store import list_members
from api.names import room_id as checked_room
from api.names import user_id as checked_user
from api.rooms.store import get_room
from tenants.grants import Grant
from tenants.hashing import Pepper
from tenants.postgres import Postgres
from tenants.scope import Caller

MAX_LIMIT = 200


async def provide_member_doors(
    postgres: NamedDependency[Postgres],
    lanes: NamedDependency[Lanes],
    pepper: NamedDependency[Pepper],
) -> MemberDoors:
    """Gather what changing members takes."""
    return MemberDoors(postgres, lanes, pepper)


@get("/v1/rooms/{room_id:str}/members", operation_id="listMembers", grant=Grant.ROOMS_READ)
async def show_members(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
    after: Annotated[int, QueryParameter(ge=0, le=MAX_NUMBER)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)] = 100,
) -> Response[bytes]:
    """Give a room's members in the order of their joining."""
    room = await get_room(postgres, caller, checked_room(room_id))
    members = await list_members(postgres, caller.scope, room.number, after=after, limit=limit)
    following = members[-1].joined_seq if len(members) == limit else None
    return json_struct(MemberPage(members, following, room.view.member_count))


@put("/v1/rooms/{room_id:str}/members/{user_id:str}", operation_id="putMember", grant=Grant.ROOMS_WRITE)
async def add_member(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    member_doors: NamedDependency[MemberDoors],
) -> Response[bytes]:
    """Add a user to a room, or change a member's role."""
    room, user = checked_room(room_id), checked_user(user_id)
    change = await read_body(request, MemberChange)
    return json_struct(await put_member(member_doors, caller, room, user, change, key))


@delete(
    "/v1/rooms/{room_id:str}/members/{user_id:str}",
    operation_id="removeMember",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
)
async def take_out_member(
    room_id: FromPath[str],
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    member_doors: NamedDependency[MemberDoors],
) -> Response[bytes]:
    """Take a user out of a room."""
    room, user = checked_room(room_id), checked_user(user_id)
    await remove_member(member_doors, caller, room, user, key)
    return nothing()


@post("/v1/rooms/{room_id:str}/join", operation_id="joinRoom", grant=Grant.ROOMS_WRITE, status_code=200)
async def join_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    member_doors: NamedDependency[MemberDoors],
) -> Response[bytes]:
    """Join a public room."""
    return json_struct(await join(member_doors, caller, checked_room(room_id), key))


@post("/v1/rooms/{room_id:str}/leave", operation_id="leaveRoom", grant=Grant.ROOMS_WRITE, status_code=200)
async def leave_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    member_doors: NamedDependency[MemberDoors],
) -> Response[bytes]:
    """Leave a room."""
    await leave(member_doors, caller, checked_room(room_id), key)
    return nothing()


ROUTES = [show_members, add_member, take_out_member, join_room, leave_room]
