"""Read cursors by REST."""

from typing import Any

from litestar import Request, Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.author import author
from api.cursors.schemas import ReadCursor
from api.cursors.store import get_read_cursor, move_read_cursor
from api.edge.body import read_body
from api.edge.given import Given
from api.edge.json import json_struct
from api.edge.told import Told
from api.errors import NotAMember, RoomNotFound, UserRequired
from api.names import room_id as checked
from api.rooms.store import get_room
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.scope import Caller

READING = (RoomNotFound, NotAMember, UserRequired)


@put(
    "/v1/rooms/{room_id:str}/read",
    operation_id="putReadCursor",
    grant=Grant.MESSAGES_WRITE,
    told=Told(takes=ReadCursor, gives={200: ReadCursor}, refuses=READING),
)
async def put_read_cursor(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Say how far one has read; a cursor never moves back."""
    reader = author(caller)
    wish = await read_body(request, ReadCursor)
    room = await get_room(given[Postgres], caller, checked(room_id))
    seq = await move_read_cursor(given[Postgres], caller.scope, room.number, reader.number, wish.seq)
    return json_struct(ReadCursor(seq))


@get(
    "/v1/rooms/{room_id:str}/read",
    operation_id="getReadCursor",
    grant=Grant.MESSAGES_READ,
    told=Told(gives={200: ReadCursor}, refuses=READING),
)
async def show_read_cursor(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Give how far one has read; 0 before the first time."""
    reader = author(caller)
    room = await get_room(given[Postgres], caller, checked(room_id))
    return json_struct(ReadCursor(await get_read_cursor(given[Postgres], caller.scope, room.number, reader.number)))


ROUTES = [put_read_cursor, show_read_cursor]
