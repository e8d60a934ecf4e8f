"""The WebSocket shell: text frames in and out of a `Connection`, on plain ASGI."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from api.edge.auth import credential_in, refuse_browser_with_key
from api.edge.body import decode
from api.edge.problems import PROBLEM_TYPE, problem, problem_headers
from api.errors import BadRequest
from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.subscriptions.connections import HEARTBEAT_S, Connections
from api.subscriptions.frames import CloseCode
from api.subscriptions.surroundings import Surroundings
from tenants.authority import Authority, Credentialed
from tenants.clock import now
from tenants.errors import ServiceError, Unauthenticated, Unavailable

AUTH_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
RETRY_AFTER_S = 5

log = structlog.get_logger()
_FRAMES: msgspec.json.Decoder[frames.ClientFrame] = msgspec.json.Decoder(frames.ClientFrame)


class _Hangup(Exception):
    """The socket is to be closed with a code."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code)
        self.code = code


class _Gone(Exception):
    """The client has closed the socket or vanished."""


ReceiveAny = Callable[[], Awaitable[dict[str, Any]]]
SendAny = Callable[[dict[str, Any]], Awaitable[None]]


class WebSocketShell:
    """Serves `GET /v1/connect`."""

    def __init__(self, around: Surroundings, connections: Connections, authority: Authority) -> None:
        """Open connections with what they share, and register them."""
        self._around = around
        self._connections = connections
        self._authority = authority

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket from its upgrade to its end."""
        receive_any, send_any = cast("ReceiveAny", receive), cast("SendAny", send)
        await receive_any()
        try:
            if self._connections.is_draining:
                raise Unavailable(retry_after_s=RETRY_AFTER_S)
            who = await self._from_header(scope)
        except ServiceError as error:
            await _refuse_upgrade(send_any, error)
            return
        # The client going away is the ordinary end of a socket, whoever notices it.
        with contextlib.suppress(_Gone, OSError):
            await send_any({"type": "websocket.accept"})
            try:
                who = who or await self._from_first_frame(receive_any)
                await self._serve(who, receive_any, send_any)
            except _Hangup as hangup:
                await _close(send_any, hangup.code)

    async def _from_header(self, scope: Scope) -> Credentialed | None:
        headers = dict(scope["headers"])
        credential = credential_in(headers.get(b"authorization", b"").decode("latin-1"))
        if credential is None:
            return None
        who = await self._authority.authenticate(credential)
        refuse_browser_with_key(who.caller, has_origin=b"origin" in headers)
        return who

    async def _from_first_frame(self, receive: ReceiveAny) -> Credentialed:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S):
                text = await _text(receive, frames.MAX_AUTH_BYTES)
            frame = decode(text, _FRAMES)
            if not isinstance(frame, frames.Auth):
                raise _Hangup(CloseCode.UNAUTHENTICATED)
            return await self._authority.authenticate(frame.token)
        except (TimeoutError, Unauthenticated, BadRequest) as error:
            raise _Hangup(CloseCode.UNAUTHENTICATED) from error
        except Unavailable as error:
            raise _Hangup(CloseCode.OVERLOADED) from error

    async def _serve(self, who: Credentialed, receive: ReceiveAny, send: SendAny) -> None:
        async def put(text: str) -> None:
            await send({"type": "websocket.send", "text": text})

        connection = Connection(self._around, who.caller, put)
        user = who.caller.user
        connection.say(frames.connected(None if user is None else user.id, HEARTBEAT_S))
        self._connections.add(connection, _loop_time(who.expires_at))
        writer = asyncio.create_task(connection.write())
        reader = asyncio.create_task(self._read(connection, receive))
        given_up = asyncio.create_task(connection.given_up.wait())
        tasks = (writer, reader, given_up)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (_Gone, _Hangup, OSError):
            raise
        except Exception as error:
            log.exception("connection_failed", **who.caller.log_fields())
            raise _Hangup(CloseCode.FAULT) from error
        finally:
            self._connections.remove(connection)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.end()
        raise _Hangup(connection.close_code or CloseCode.FAULT)

    async def _read(self, connection: Connection, receive: ReceiveAny) -> None:
        while True:
            text = await _text(receive, frames.MAX_FRAME_BYTES)
            try:
                frame = decode(text, _FRAMES)
            except BadRequest as error:
                connection.refuse(_mark_of(text), error)
            else:
                await connection.handle(frame)


async def _text(receive: ReceiveAny, limit: int) -> str:
    message = await receive()
    if message["type"] != "websocket.receive":
        raise _Gone
    text = message.get("text")
    if text is None:
        raise _Hangup(CloseCode.BAD_FRAME)
    if len(text) > limit or len(text.encode()) > limit:
        raise _Hangup(CloseCode.TOO_LARGE)
    return str(text)


def _mark_of(text: str) -> frames.Id:
    """Find the client's mark in a frame that was refused; raises a hang-up if it is no JSON object at all.

    The standard library's decoder, which is more lenient than ours, serves for this one look at bad frames only.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Hangup(CloseCode.BAD_FRAME) from error
    if not isinstance(frame, dict):
        raise _Hangup(CloseCode.BAD_FRAME)
    mark = cast("dict[str, object]", frame).get("id")
    return mark if isinstance(mark, int) or (isinstance(mark, str) and mark.isprintable()) else None


def _loop_time(expires_at: float | None) -> float | None:
    if expires_at is None:
        return None
    return asyncio.get_running_loop().time() + expires_at - now().timestamp()


async def _close(send: SendAny, code: CloseCode) -> None:
    # A client that reads nothing would let us wait for ever to tell it why it is being closed.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await send({"type": "websocket.close", "code": int(code), "reason": code.name.lower()})


async def _refuse_upgrade(send: SendAny, error: ServiceError) -> None:
    headers = [(b"content-type", PROBLEM_TYPE.encode()), *problem_headers(error)]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    body = msgspec.json.encode(problem(error))
    await send({"type": "websocket.http.response.body", "body": body})
