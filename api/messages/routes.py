"""Messages by REST."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.edge.body import read_body
from api.edge.given import Given
from api.edge.json import json_text, nothing
from api.edge.told import Told
from api.errors import ROOM_WRITE, BadRequest, MessageNotFound, RoomNotFound, SeqConflict, UserRequired
from api.ids import MAX_NUMBER, read_message_id
from api.log.answers import Written
from api.log.event import state_json
from api.log.lane import Lanes
from api.log.pages import Page, Pages
from api.messages import edit as editing
from api.messages.schemas import EditedMessage, MessagePage, MessageView, NewMessage
from api.messages.send import send
from api.names import room_id as checked
from api.rooms.directory import Directory
from tenants.budgets import Budget
from tenants.errors import QuotaExceeded
from tenants.grants import Grant
from tenants.hashing import Pepper
from tenants.scope import Caller

MAX_LIMIT = 200
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at most.")]
Before = Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER, description="Those before this seq.")]
After = Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER, description="Those after this seq.")]
Around = Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER, description="Those on both sides of this seq.")]


@post(
    "/v1/rooms/{room_id:str}/messages",
    operation_id="sendMessage",
    grant=Grant.MESSAGES_WRITE,
    budget=Budget.SENDS,
    told=Told(
        takes=NewMessage, gives={201: MessageView, 200: MessageView}, refuses=(*ROOM_WRITE, UserRequired, QuotaExceeded)
    ),
)
async def send_message(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Send a message to a room."""
    message = await read_body(request, NewMessage)
    sent = await send(given[Directory], given[Pepper], caller, checked(room_id), message, key)
    return _written(sent, status=201)


@get(
    "/v1/rooms/{room_id:str}/messages",
    operation_id="listMessages",
    grant=Grant.MESSAGES_READ,
    told=Told(gives={200: MessagePage}, refuses=(RoomNotFound,)),
)
async def list_messages(
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    before: Before = None,
    after: After = None,
    around: Around = None,
    limit: Limit = 50,
) -> Response[bytes]:
    """Give a page of a room's messages: the last ones, or those before, after or around a seq."""
    if sum(place is not None for place in (before, after, around)) > 1:
        raise BadRequest("Give one of before, after and around.")
    upto, back, forth = None, limit, 0
    if before is not None:
        upto = before - 1
    elif after is not None:
        upto, back, forth = after, 0, limit
    elif around is not None:
        upto, back, forth = around, (limit + 1) // 2, limit // 2
    page = await given[Pages].page(caller, checked(room_id), upto=upto, back=back, forth=forth)
    return json_text(_page_json(page))


@get(
    "/v1/rooms/{room_id:str}/messages/{message_id:str}",
    operation_id="getMessage",
    grant=Grant.MESSAGES_READ,
    told=Told(gives={200: MessageView}, refuses=(RoomNotFound, MessageNotFound)),
)
async def get_message(
    room_id: FromPath[str],
    message_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Give one message as it stands now."""
    message = await given[Pages].one(caller, checked(room_id), read_message_id(message_id))
    return json_text(state_json(message.latest))


@patch(
    "/v1/rooms/{room_id:str}/messages/{message_id:str}",
    operation_id="editMessage",
    grant=Grant.MESSAGES_WRITE,
    budget=Budget.SENDS,
    told=Told(
        takes=EditedMessage,
        gives={200: MessageView},
        refuses=(*ROOM_WRITE, MessageNotFound, SeqConflict, UserRequired, QuotaExceeded),
    ),
)
async def edit_message(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    message_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Replace what a message says."""
    change = await read_body(request, EditedMessage)
    room = checked(room_id)
    edited = await editing.edit(given[Lanes], given[Pages], given[Pepper], caller, room, message_id, change, key)
    return _written(edited)


@delete(
    "/v1/rooms/{room_id:str}/messages/{message_id:str}",
    operation_id="deleteMessage",
    grant=Grant.MESSAGES_WRITE,
    budget=Budget.SENDS,
    status_code=200,
    told=Told(gives={204: None}, refuses=(*ROOM_WRITE, MessageNotFound, UserRequired, QuotaExceeded)),
)
async def delete_message(
    room_id: FromPath[str],
    message_id: FromPath[str],
    caller: NamedDependency[Caller],
    key: NamedDependency[str],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Delete a message; its place stays, its words are blanked everywhere."""
    await editing.delete(given[Lanes], given[Pages], given[Pepper], caller, checked(room_id), message_id, key)
    return nothing()


ROUTES = [send_message, list_messages, get_message, edit_message, delete_message]


def _written(written: Written, *, status: int = 200) -> Response[bytes]:
    return json_text(
        state_json(written.event),
        status=200 if written.replayed else status,
        replayed=written.replayed,
    )


def _page_json(page: Page) -> str:
    previous = "null" if page.previous is None else page.previous
    following = "null" if page.next is None else page.next
    messages = ",".join(map(state_json, page.messages))
    return f'{{"messages":[{messages}],"previous":{previous},"next":{following},"seq":{page.head}}}'
