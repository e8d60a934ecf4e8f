"""One room followed over plain HTTP: as a stream of events, or by long poll; and tickets for those who send no header."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from api.edge.auth import credential_in
from api.edge.given import Given
from api.edge.json import json_struct
from api.edge.told import Told
from api.errors import RoomNotFound, UserRequired
from api.names import room_id as checked
from api.subscriptions.open_room import RoomOpener
from api.subscriptions.poll import PollShell
from api.subscriptions.schemas import PollAnswer, PollQuery, ServerFrame, SubscribeQuery, TicketView
from api.subscriptions.sse import StreamShell
from tenants.authority import Authority
from tenants.clock import now, to_rfc3339
from tenants.grants import Grant
from tenants.scope import Caller
from tenants.tickets import IDLE_S, MAX_AGE_S, Origin, Tickets


@get(
    "/v1/rooms/{room_id:str}/subscribe",
    operation_id="subscribeRoom",
    grant=Grant.MESSAGES_READ,
    told=Told(query=SubscribeQuery, gives={200: ServerFrame}, refuses=(RoomNotFound,), media_type="text/event-stream"),
)
async def subscribe_room(given: NamedDependency[Given]) -> ASGIApp:
    """Follow a room by a stream of server-sent events."""
    return given[StreamShell]


@get(
    "/v1/rooms/{room_id:str}/events",
    operation_id="pollRoom",
    grant=Grant.MESSAGES_READ,
    told=Told(query=PollQuery, gives={200: PollAnswer}, refuses=(RoomNotFound,)),
)
async def poll_room(given: NamedDependency[Given]) -> ASGIApp:
    """Give what follows a cursor, at once or when it comes."""
    return given[PollShell]


@post(
    "/v1/rooms/{room_id:str}/tickets",
    operation_id="createTicket",
    grant=Grant.MESSAGES_READ,
    told=Told(gives={201: TicketView}, refuses=(RoomNotFound, UserRequired)),
)
async def post_ticket(
    request: Request[Any, Any, Any],
    room_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make a ticket with which a user reads a room, for a browser's EventSource."""
    user = caller.user
    if user is None:
        raise UserRequired
    # Whoever makes it, a ticket is the user's: it reads what the user may read.
    room = await given[RoomOpener].find(Caller(caller.scope, user=user), checked(room_id))
    who = await given[Authority].authenticate(credential_in(request.headers["authorization"]) or "")
    oldest = now().timestamp() + MAX_AGE_S
    ends_at = oldest if who.expires_at is None else min(oldest, who.expires_at)
    origin = Origin(caller.key, who.signing_key, who.token, who.issued_at)
    ticket = await given[Tickets].issue(caller.scope, user, (room, room_id), origin=origin, ends_at=ends_at)
    url = f"/v1/rooms/{room_id}/subscribe?ticket={ticket}"
    return json_struct(TicketView(ticket, url, to_rfc3339(datetime.fromtimestamp(ends_at, UTC)), IDLE_S), status=201)


ROUTES = [subscribe_room, poll_room, post_ticket]
