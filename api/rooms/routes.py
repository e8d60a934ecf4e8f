"""Rooms by REST."""

import re
from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.json import json_struct, nothing
from api.errors import BadRequest
from api.ids import MAX_NUMBER
from api.log.epochs import Epochs
from api.log.lane import Lanes
from api.names import room_id as checked
from api.rooms.actions import change_room, delete_room, make_room
from api.rooms.schemas import NewRoomRequest, RoomChange, RoomPage, RoomRetention
from api.rooms.store import get_room, list_rooms, set_retention
from tenants.errors import MissingGrant
from tenants.grants import Grant
from tenants.hashing import Pepper
from tenants.postgres import Postgres
from tenants.scope import Caller

MAX_LIMIT = 100
_PLACE = re.compile(r"r[0-9a-f]{1,16}", re.ASCII)


@post("/v1/rooms", operation_id="createRoom", grant=Grant.ROOMS_WRITE)
async def post_room(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    postgres: NamedDependency[Postgres],
    epochs: NamedDependency[Epochs],
    pepper: NamedDependency[Pepper],
) -> Response[bytes]:
    """Make a room, or give the one that has this id already."""
    wish = await read_body(request, NewRoomRequest)
    if caller.rooms is not None and wish.id not in caller.rooms:
        raise MissingGrant("This token is for certain rooms only, and makes none but those.", pointer="/id")
    found, is_new = await make_room(postgres, epochs, pepper, caller, wish, key)
    return json_struct(found.view, status=201 if is_new else 200)


@get("/v1/rooms", operation_id="listRooms", grant=Grant.ROOMS_READ)
async def show_rooms(
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
    after: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)] = 50,
) -> Response[bytes]:
    """Give the rooms that the user is a member of, or for an API key all of its app, newest first."""
    place = _read_place(after)
    rooms = await list_rooms(postgres, caller, after=place, limit=limit)
    following = f"r{rooms[-1].number:x}" if len(rooms) == limit else None
    return json_struct(RoomPage([room.view for room in rooms], following))


@get("/v1/rooms/{room_id:str}", operation_id="getRoom", grant=Grant.ROOMS_READ)
async def show_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Give a room."""
    return json_struct((await get_room(postgres, caller, checked(room_id))).view)


@patch("/v1/rooms/{room_id:str}", operation_id="updateRoom", grant=Grant.ROOMS_WRITE)
async def patch_room(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    postgres: NamedDependency[Postgres],
    lanes: NamedDependency[Lanes],
    pepper: NamedDependency[Pepper],
) -> Response[bytes]:
    """Change a room's name, privacy or data."""
    room = checked(room_id)
    change = await read_body(request, RoomChange)
    return json_struct((await change_room(postgres, lanes, pepper, caller, room, change, key)).view)


@delete("/v1/rooms/{room_id:str}", operation_id="deleteRoom", grant=Grant.ROOMS_WRITE, status_code=200)
async def remove_room(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    postgres: NamedDependency[Postgres],
    lanes: NamedDependency[Lanes],
    pepper: NamedDependency[Pepper],
) -> Response[bytes]:
    """Delete a room with everything in it."""
    await delete_room(postgres, lanes, pepper, caller, checked(room_id), key)
    return nothing()


@put("/v1/rooms/{room_id:str}/retention", operation_id="setRetention", grant=Grant.ROOMS_WRITE)
async def put_retention(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Say for how long a room keeps its events; by an API key."""
    require_server(caller)
    room = checked(room_id)
    wish = await read_body(request, RoomRetention)
    await set_retention(postgres, caller, room, wish.retention_s)
    return json_struct(wish)


ROUTES = [post_room, show_rooms, show_room, patch_room, remove_room, put_retention]


def _read_place(after: str | None) -> int:
    if after is None:
        return MAX_NUMBER
    if _PLACE.fullmatch(after) is None:
        raise BadRequest("Pass as `after` what `next` of the page before said.")
    return min(MAX_NUMBER, int(after[1:], 16))
