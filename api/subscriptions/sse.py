"""The SSE shell: one room as a stream of events, out of a `Connection`, on plain ASGI."""

import asyncio
import contextlib
import random
from typing import cast

from litestar.types import Receive, Scope, Send

from api.errors import BadRequest, RoomNotFound
from api.ids import Place, write_cursor
from api.subscriptions import frames
from api.subscriptions.admission import MAX_CURSOR, Admission, number, query
from api.subscriptions.connection import Connection
from api.subscriptions.connections import BLOCKED_S, Connections
from api.subscriptions.frames import CloseCode
from api.subscriptions.serving import Gone, Hangup, ReceiveAny, SendAny, gone, registered, run
from api.subscriptions.surroundings import Surroundings
from tenants.authority import Credentialed
from tenants.errors import ServiceError, Unauthenticated
from tenants.grants import Grant
from tenants.scope import Caller
from tenants.tickets import Ticket, Tickets

RETRY_MS = (500, 2_500)
"""After how long a browser comes back, drawn anew for each stream: those of one process do not come back at once."""
END_TIMEOUT_S = 1.0
TEMPORARY = {429, 503}
READS = frozenset({Grant.MESSAGES_READ})
HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # nginx would gather a stream's bytes before it passes them on.
    (b"x-accel-buffering", b"no"),
]


class StreamShell:
    """Serves `GET /v1/rooms/{id}/subscribe`."""

    def __init__(self, around: Surroundings, connections: Connections, admission: Admission, tickets: Tickets) -> None:
        """Open connections with what they share, register them, and keep the tickets that they came with in use."""
        self._around = around
        self._connections = connections
        self._admission = admission
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream; raises the refusals that come before it has begun."""
        wanted, ticket = _wanted(scope)
        stream = _Stream(cast("SendAny", send))
        try:
            self._admission.refuse_while_unfit()
            who = await self._admission.by_header(scope)
            if who is not None:
                await self._follow(who, wanted, stream, cast("ReceiveAny", receive))
            elif ticket is not None:
                await self._follow_by_ticket(ticket, wanted, stream, scope, cast("ReceiveAny", receive))
            else:
                raise Unauthenticated
        except ServiceError as error:
            if ticket is None or error.status not in TEMPORARY:
                raise
            await stream.put_off(error)

    async def _follow_by_ticket(
        self, ticket: str, wanted: frames.Wanted, stream: "_Stream", scope: Scope, receive: ReceiveAny
    ) -> None:
        used = await self._admission.by_ticket(ticket, wanted.room, scope)
        self._tickets.hold(used)
        try:
            caller = Caller(used.scope, user=used.user, grants=READS, rooms=frozenset({used.room_id}))
            who = Credentialed(
                caller,
                used.ends_at,
                issued_at=used.origin.issued_at,
                token=used.origin.token,
                signing_key=used.origin.signing_key,
                made_by=used.origin.key,
            )
            await self._follow(who, wanted, stream, receive, used)
        finally:
            self._tickets.release(used)

    async def _follow(
        self,
        who: Credentialed,
        wanted: frames.Wanted,
        stream: "_Stream",
        receive: ReceiveAny,
        ticket: Ticket | None = None,
    ) -> None:
        connection = Connection(self._around, who.caller, stream.put, is_one_way=True)
        # The client going away is the ordinary end of a stream, whoever notices it.
        with contextlib.suppress(Gone, OSError):
            async with registered(self._connections, connection, who):
                opened = await connection.open(wanted)
                connection.announce(None, opened)
                connection.begin(opened)
                if ticket is not None and opened.subscription.cursor.room != ticket.room:
                    raise RoomNotFound  # another room, made under the old one's id
                async with asyncio.timeout(BLOCKED_S):
                    await stream.start()
                try:
                    code = await run(connection, gone(receive)) or CloseCode.FAULT
                except Hangup as hangup:
                    code = hangup.code
                await stream.end(code)


class _Stream:
    """A response's body as a stream of events."""

    def __init__(self, send: SendAny) -> None:
        self._send = send

    async def start(self, after_ms: int = 0) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._write(f"retry: {after_ms + random.randint(*RETRY_MS)}\n\n")  # noqa: S311 - spread

    async def put(self, text: str, place: Place | None) -> None:
        # Frames are JSON without line breaks: strings escape them, and what customers bring is written anew.
        await self._write(f"data: {text}\n\n" if place is None else f"id: {write_cursor(place)}\ndata: {text}\n\n")

    async def end(self, code: CloseCode) -> None:
        # A client that reads nothing would let us wait for ever to tell it why it is being closed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.put(frames.closed(code, code.name.lower()), None)
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def put_off(self, error: ServiceError) -> None:
        """Refuse for now in the one way that an EventSource survives: any status but 200 would end it for good."""
        with contextlib.suppress(OSError):
            await self.start(round(1000 * (error.retry_after_s or 0)))
            await self.end(CloseCode.OVERLOADED)

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _wanted(scope: Scope) -> tuple[frames.Wanted, str | None]:
    """Read which room is wanted, from where and by what ticket; who comes back says the place in `Last-Event-ID`."""
    fields = query(scope)
    last_id = dict(scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
    cursor = last_id or fields.get("cursor")
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise BadRequest(f"A cursor has at most {MAX_CURSOR} characters.")
    last = number(fields, "last", frames.DEFAULT_LAST, frames.MAX_LAST)
    return frames.Wanted(room=scope["path_params"]["room_id"], cursor=cursor, last=last), fields.get("ticket")
