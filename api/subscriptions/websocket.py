"""The WebSocket shell: text frames in and out of a `Connection`, on plain ASGI."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from litestar.types import Receive, Scope, Send

from api.edge.address import client_address
from api.edge.body import decode
from api.edge.limits import HEADERS as LIMIT_HEADERS
from api.edge.problems import CODE, PROBLEM_TYPE, REQUEST_ID_HEADER, new_request_id, problem, problem_headers
from api.edge.requests import socket_answered
from api.edge.socket_guard import WRITE_NOW
from api.errors import BadRequest, OriginNotAllowed
from api.ids import Place
from api.subscriptions import frames
from api.subscriptions.admission import Admission, query
from api.subscriptions.connection import Connection, WriteNow
from api.subscriptions.connections import HEARTBEAT_S, Connections
from api.subscriptions.frames import CloseCode
from api.subscriptions.serving import Gone, Hangup, ReceiveAny, SendAny, registered, run
from api.subscriptions.strangers import Strangers
from api.subscriptions.surroundings import Surroundings
from tenants.authority import Credentialed
from tenants.clock import to_rfc3339
from tenants.errors import (
    AppSuspended,
    Forbidden,
    QuotaExceeded,
    RateLimited,
    ServiceError,
    Unauthenticated,
    Unavailable,
)

AUTH_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
ACCEPT = {"type": "websocket.accept"}

_ROOMS: msgspec.json.Decoder[list[frames.Wanted]] = msgspec.json.Decoder(frames.Rooms)
_FRAMES: msgspec.json.Decoder[frames.ClientFrame] = msgspec.json.Decoder(frames.ClientFrame)


class WebSocketShell:
    """Serves `GET /v1/connect`."""

    def __init__(
        self, around: Surroundings, connections: Connections, admission: Admission, strangers: Strangers
    ) -> None:
        """Open connections with what they share, and register them; `strangers` bounds those without a credential."""
        self._around = around
        self._connections = connections
        self._admission = admission
        self._strangers = strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket from its upgrade to its end."""
        receive_any, send_any = cast("ReceiveAny", receive), cast("SendAny", send)
        await receive_any()
        try:
            self._admission.refuse_while_unfit()
            wanted = _wanted(scope)
            who = await self._admission.by_header(scope)
            if who is None:
                await self._admission.check_named_app(scope)
                self._strangers.admit(client_address(scope))
        except ServiceError as error:
            await _refuse_upgrade(scope, send_any, error)
            return
        # The client going away is the ordinary end of a socket. Where the server has noticed it first, what it raises
        # is for itself: a socket that ends before its handshake, and silently, it would take for a fault of ours.
        with contextlib.suppress(Gone):
            try:
                is_accepted = who is None
                if who is None:
                    who = await self._from_stranger(scope, receive_any, send_any)
                socket_answered(scope)
                _forget_upgrade(scope)
                code = await self._serve(
                    who, scope, receive_any, send_any, wanted, first=None if is_accepted else ACCEPT
                )
                await _close(send_any, code, code.name.lower())
            except Hangup as hangup:
                await _close(send_any, hangup.code, hangup.reason)

    async def _from_stranger(self, scope: Scope, receive: ReceiveAny, send: SendAny) -> Credentialed:
        """Accept a client that has been admitted as a stranger, and hear who it is; raises `Hangup` and `Gone`."""
        try:
            await send(ACCEPT)
            return await self._from_first_frame(scope, receive)
        finally:
            self._strangers.dismiss(client_address(scope))

    async def _from_first_frame(self, scope: Scope, receive: ReceiveAny) -> Credentialed:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S):
                text = await _text(receive, frames.MAX_AUTH_BYTES)
            frame = decode(text, _FRAMES)
            if not isinstance(frame, frames.Auth):
                raise Hangup(CloseCode.UNAUTHENTICATED)
            return await self._admission.by_frame(frame.token, scope)
        except (RateLimited, QuotaExceeded) as error:
            socket_answered(scope, error.status, error.code)
            raise Hangup(CloseCode.TOO_MANY_FRAMES, error.code) from error
        except (TimeoutError, Unauthenticated, BadRequest) as error:
            raise Hangup(CloseCode.UNAUTHENTICATED) from error
        except (OriginNotAllowed, AppSuspended) as error:
            socket_answered(scope, error.status, error.code)
            raise Hangup(CloseCode.REVOKED, error.code) from error
        except Unavailable as error:
            raise Hangup(CloseCode.OVERLOADED) from error

    async def _serve(
        self,
        who: Credentialed,
        scope: Scope,
        receive: ReceiveAny,
        send: SendAny,
        wanted: frames.Subscribe | None,
        *,
        first: dict[str, Any] | None = None,
    ) -> CloseCode:
        async def put(text: str, _: Place | None) -> None:
            await send({"type": "websocket.send", "text": text})

        async def renew(frame: frames.Auth) -> None:
            new = await self._admission.by_frame(frame.token, scope)
            old = connection.caller
            if (new.caller.scope, new.caller.user, new.caller.key) != (old.scope, old.user, old.key):
                raise Forbidden("This connection takes a credential of the same app and user only; open another one.")
            # Nothing is awaited since the credential was looked at, or a revocation in between would be missed.
            self._connections.replace(connection, new)
            connection.replace(new.caller)
            connection.say(frames.authenticated(frame.id, _moment(new.expires_at)))

        # Where the server offers it: what is ready goes straight to the transport, with no task and no call in between.
        write_now = cast("WriteNow | None", scope["state"].get(WRITE_NOW))
        connection = Connection(self._around, who.caller, put, write_now=write_now)
        connection.renew = renew
        user = who.caller.user
        connection.say(frames.connected(None if user is None else user.id, HEARTBEAT_S))
        async with registered(self._connections, connection, who):
            if first is not None:
                await send(first)
            return await run(connection, self._read(connection, receive, wanted)) or CloseCode.FAULT

    async def _read(self, connection: Connection, receive: ReceiveAny, wanted: frames.Subscribe | None) -> None:
        if wanted is not None:
            await connection.handle(wanted)
        while True:
            text = await _text(receive, frames.MAX_FRAME_BYTES)
            try:
                frame = decode(text, _FRAMES)
            except BadRequest as error:
                connection.refuse(_mark_of(text), error)
            else:
                await connection.handle(frame)


def _forget_upgrade(scope: Scope) -> None:
    """Let go of what nobody asks for again in the hours that a socket may last: 3 KiB of header fields, mostly."""
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name == b"origin"]
    scope["query_string"] = b""
    scope["state"].pop(LIMIT_HEADERS, None)


def _wanted(scope: Scope) -> frames.Subscribe | None:
    """Read the rooms that an upgrade names, as if `subscribe` were its first frame: it saves a round trip."""
    text = query(scope).get("rooms")
    if text is None:
        return None
    try:
        return frames.Subscribe(rooms=decode(text, _ROOMS))
    except BadRequest as error:
        raise BadRequest(
            f"rooms: what a `subscribe` frame has, as JSON. {error.detail}", pointer=error.pointer
        ) from error


async def _text(receive: ReceiveAny, limit: int) -> str:
    message = await receive()
    if message["type"] != "websocket.receive":
        raise Gone
    text = message.get("text")
    if text is None:
        raise Hangup(CloseCode.BAD_FRAME)
    if len(text) > limit or len(text.encode()) > limit:
        raise Hangup(CloseCode.TOO_LARGE)
    return str(text)


def _mark_of(text: str) -> frames.Id:
    """Find the client's mark in a frame that was refused; raises a hang-up if it is no JSON object at all.

    The standard library's decoder, which is more lenient than ours, serves for this one look at bad frames only.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Hangup(CloseCode.BAD_FRAME) from error
    if not isinstance(frame, dict):
        raise Hangup(CloseCode.BAD_FRAME)
    mark = cast("dict[str, object]", frame).get("id")
    # By its exact type: to Python a truth is an integer, too.
    is_mark = type(mark) is int or (isinstance(mark, str) and mark.isprintable())
    return cast("str | int", mark) if is_mark else None


def _moment(expires_at: float | None) -> str | None:
    return None if expires_at is None else to_rfc3339(datetime.fromtimestamp(expires_at, UTC))


async def _close(send: SendAny, code: CloseCode, reason: str) -> None:
    # A client that reads nothing would let us wait for ever to tell it why it is being closed.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await send({"type": "websocket.close", "code": int(code), "reason": reason})


async def _refuse_upgrade(scope: Scope, send: SendAny, error: ServiceError) -> None:
    request_id = scope["state"]["request_id"] = new_request_id()
    scope["state"][CODE] = error.code
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (REQUEST_ID_HEADER.encode(), request_id.encode()),
        *problem_headers(error),
        *scope["state"].get(LIMIT_HEADERS, ()),
    ]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    body = msgspec.json.encode(problem(error, request_id))
    await send({"type": "websocket.http.response.body", "body": body})
