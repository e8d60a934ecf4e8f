"""Rooms by REST."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.conditions import IfMatch
from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.given import Given
from api.edge.json import json_struct, nothing
from api.edge.told import Told
from api.errors import (
    ROOM_WRITE,
    BadRequest,
    DirectRoomFixed,
    KeyReused,
    PreconditionFailed,
    RoomIdTaken,
    RoomNotFound,
    SeqConflict,
    UserRequired,
)
from api.log.epochs import Epochs
from api.log.lane import Lanes
from api.names import room_id as checked
from api.names import user_id as checked_user
from api.rooms.actions import change_room, delete_room, make_room
from api.rooms.places import read_room_place, write_room_place
from api.rooms.schemas import NewRoomRequest, RoomChange, RoomPage, RoomRetention, RoomView
from api.rooms.store import Wanted, get_room, list_rooms, set_retention
from tenants.budgets import Budgets
from tenants.errors import MissingGrant, QuotaExceeded, UserNotFound
from tenants.grants import Grant
from tenants.hashing import Pepper
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.users import find_user

MAX_LIMIT = 100


@post(
    "/v1/rooms",
    operation_id="createRoom",
    grant=Grant.ROOMS_WRITE,
    told=Told(
        takes=NewRoomRequest,
        gives={201: RoomView, 200: RoomView},
        refuses=(UserNotFound, RoomNotFound, RoomIdTaken, QuotaExceeded, KeyReused, UserRequired),
        tags=True,
    ),
)
async def post_room(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make a room, or give the one that has this id already, or is the 1:1 room of these two."""
    wish = await read_body(request, NewRoomRequest)
    if caller.rooms is not None and wish.id not in caller.rooms:
        raise MissingGrant("This token is for certain rooms only, and makes none but those.", pointer="/id")
    await given[Budgets].check_room(caller, len(wish.members))
    found, is_new = await make_room(given[Postgres], given[Epochs], given[Pepper], caller, wish, key)
    return json_struct(found.view, status=201 if is_new else 200, tag=found.tag)


@get(
    "/v1/rooms",
    operation_id="listRooms",
    grant=Grant.ROOMS_READ,
    told=Told(gives={200: RoomPage}, refuses=(UserNotFound,)),
)
async def show_rooms(
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    after: Annotated[str | None, QueryParameter(description="The `next` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50,
    private: Annotated[bool | None, QueryParameter(description="Only private rooms, or only public ones.")] = None,
    direct: Annotated[bool | None, QueryParameter(description="Only 1:1 rooms, or only others.")] = None,
    member: Annotated[str | None, QueryParameter(description="The rooms of this user; for API keys.")] = None,
    prefix: Annotated[
        str | None, QueryParameter(min_length=1, max_length=255, description="What names begin with.")
    ] = None,
) -> Response[bytes]:
    """Give the rooms that the user is a member of, or for an API key all of its app, newest first.

    `prefix` is of names, and such a list comes by name; `member` is for API keys, and gives the rooms of that user.
    """
    user = None if caller.user is None else caller.user.number
    if member is not None:
        require_server(caller)
        user = (await find_user(given[Postgres], caller.scope, checked_user(member))).number
    wanted = Wanted(
        user=user,
        rooms=caller.rooms,
        private=private,
        direct=direct,
        prefix=prefix,
        after=read_room_place(after, by_name=prefix is not None),
    )
    if prefix is not None and "\0" in prefix:
        raise BadRequest("Strings may not contain NUL.")
    rooms = await list_rooms(given[Postgres], caller, wanted, limit=limit + 1)
    following = None
    if len(rooms) > limit:
        last = rooms[limit - 1]
        following = write_room_place(last.number, last.view.name, by_name=prefix is not None)
    return json_struct(RoomPage([room.view for room in rooms[:limit]], following))


@get(
    "/v1/rooms/{room_id:str}",
    operation_id="getRoom",
    grant=Grant.ROOMS_READ,
    told=Told(gives={200: RoomView}, refuses=(RoomNotFound,), tags=True),
)
async def show_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Give a room."""
    found = await get_room(given[Postgres], caller, checked(room_id))
    return json_struct(found.view, tag=found.tag)


@patch(
    "/v1/rooms/{room_id:str}",
    operation_id="updateRoom",
    grant=Grant.ROOMS_WRITE,
    told=Told(
        takes=RoomChange,
        gives={200: RoomView},
        refuses=(*ROOM_WRITE, SeqConflict, PreconditionFailed, DirectRoomFixed),
        tags=True,
    ),
)
async def patch_room(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    if_match: NamedDependency[IfMatch | None],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Change a room's name, privacy or data."""
    room = checked(room_id)
    change = await read_body(request, RoomChange)
    found = await change_room(given[Postgres], given[Lanes], given[Pepper], caller, room, change, key, if_match)
    return json_struct(found.view, tag=found.tag)


@delete(
    "/v1/rooms/{room_id:str}",
    operation_id="deleteRoom",
    grant=Grant.ROOMS_WRITE,
    status_code=200,
    told=Told(gives={204: None}, refuses=ROOM_WRITE),
)
async def remove_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Delete a room with everything in it."""
    await delete_room(given[Postgres], given[Lanes], given[Pepper], caller, checked(room_id), key)
    return nothing()


@put(
    "/v1/rooms/{room_id:str}/retention",
    operation_id="setRetention",
    grant=Grant.ROOMS_WRITE,
    keys_only=True,
    told=Told(takes=RoomRetention, gives={200: RoomRetention}, refuses=(RoomNotFound,)),
)
async def put_retention(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Say for how long a room keeps its events."""
    room = checked(room_id)
    wish = await read_body(request, RoomRetention)
    await set_retention(given[Postgres], caller, room, wish.retention_s)
    return json_struct(wish)


ROUTES = [post_room, show_rooms, show_room, patch_room, remove_room, put_retention]
