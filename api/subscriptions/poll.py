"""The long poll shell: what follows a cursor, at once or when it comes, out of a `Connection`, on plain ASGI."""

import asyncio
import contextlib
from typing import cast

import msgspec
from litestar.types import Receive, Scope, Send

from api.errors import BadRequest
from api.ids import Place, write_cursor
from api.subscriptions import frames
from api.subscriptions.admission import MAX_CURSOR, Admission, number, query
from api.subscriptions.connection import Connection
from api.subscriptions.connections import BLOCKED_S, Connections
from api.subscriptions.frames import CloseCode
from api.subscriptions.schemas import DEFAULT_FRAMES, DEFAULT_WAIT_S, MAX_FRAMES, MAX_WAIT_S
from api.subscriptions.serving import Gone, Hangup, ReceiveAny, SendAny, gone, registered, run
from api.subscriptions.surroundings import Surroundings
from tenants.errors import ServiceError, Unauthenticated

MAX_ANSWER_BYTES = 1024 * 1024
"""An answer ends with the frame that passes this."""
CATCH_UP_S = 5.0
"""How long what is known to be there is waited for, whatever the client's wait."""


class PollShell:
    """Serves `GET /v1/rooms/{id}/events`."""

    def __init__(self, around: Surroundings, connections: Connections, admission: Admission) -> None:
        """Open connections with what they share, and register them."""
        self._around = around
        self._connections = connections
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one poll; raises its refusals."""
        self._admission.refuse_while_unfit()
        fields = query(scope)
        wait_s = float(number(fields, "wait", DEFAULT_WAIT_S, MAX_WAIT_S))
        limit = number(fields, "limit", DEFAULT_FRAMES, MAX_FRAMES, least=1)
        wanted = _wanted(scope["path_params"]["room_id"], fields)
        who = await self._admission.by_header(scope)
        if who is None:
            raise Unauthenticated
        gathered = _Gathered(limit)
        connection = Connection(self._around, who.caller, gathered.put, is_one_way=True)
        with contextlib.suppress(Gone, OSError):
            async with registered(self._connections, connection, who):
                _leave_out_repeated_warning(connection)
                connection.begin(await connection.open(wanted))
                if connection.is_behind:
                    wait_s = max(wait_s, CATCH_UP_S)
                leaving = gone(cast("ReceiveAny", receive))
                try:
                    code = await run(connection, gathered.some(wait_s), leaving)
                except Hangup as hangup:
                    code = hangup.code
            if not gathered.texts:
                _refuse(code)
            await _answer(cast("SendAny", send), gathered.json(wanted.cursor))


class _Gathered:
    """The frames of an answer.

    The writer does not pause between frames that are in memory, so that whoever waits for the first has all of them.
    """

    def __init__(self, limit: int) -> None:
        self.texts: list[str] = []
        self._limit = limit
        self._place: Place | None = None
        self._bytes = 0
        self._arrived = asyncio.Event()

    async def put(self, text: str, place: Place | None) -> None:
        if text.startswith(frames.PASSING):
            return
        if len(self.texts) >= self._limit or self._bytes > MAX_ANSWER_BYTES:
            # The answer goes out without this one, and ends the writer.
            await asyncio.Event().wait()
        self.texts.append(text)
        self._bytes += len(text)
        self._place = place or self._place
        self._arrived.set()

    async def some(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()

    def json(self, cursor: str | None) -> bytes:
        """Write the answer; its cursor is where the next poll goes on, for an empty one where this one began."""
        if self._place is not None:
            cursor = write_cursor(self._place)
        told = msgspec.json.encode(cursor).decode()
        return f'{{"frames":[{",".join(self.texts)}],"cursor":{told}}}'.encode()


def _wanted(room_id: str, fields: dict[str, str]) -> frames.Wanted:
    cursor = fields.get("after")
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise BadRequest(f"A cursor has at most {MAX_CURSOR} characters.")
    last = number(fields, "last", frames.DEFAULT_LAST, frames.MAX_LAST)
    return frames.Wanted(room=room_id, cursor=cursor, last=last)


def _leave_out_repeated_warning(connection: Connection) -> None:
    """Have only the poll that reaches the moment of the warning bring it, and not each one after it at once."""
    if connection.warn_at is not None and connection.warn_at <= asyncio.get_running_loop().time():
        connection.warn_at = None


def _refuse(code: CloseCode | None) -> None:
    """Refuse a poll that was ended before anything came, unless it may simply come again."""
    match code:
        case None | CloseCode.RESTART:
            return
        case CloseCode.UNAUTHENTICATED | CloseCode.REVOKED:
            raise Unauthenticated
        case _:
            raise ServiceError


async def _answer(send: SendAny, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    # Who does not read the answer is not waited for, as on a socket.
    async with asyncio.timeout(BLOCKED_S):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
