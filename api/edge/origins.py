"""Web pages of other origins: which apps let them in, and the answers that browsers ask for before and with them.

Nothing here reads or grants cookies: what a page may do, it does with a credential that it was given.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from api.edge.limits import HEADERS as LIMIT_HEADERS
from api.edge.problems import CODE, PROBLEM_TYPE, REQUEST_ID_HEADER, new_request_id, problem, problem_headers
from api.errors import OriginNotAllowed
from tenants.errors import Unauthenticated, Unavailable
from tenants.ids import AppId
from tenants.policies import Policies

ASGIMessage = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[ASGIMessage]]
ASGISend = Callable[[ASGIMessage], Awaitable[None]]
ASGIService = Callable[[MutableMapping[str, Any], ASGIReceive, ASGISend], Awaitable[None]]

METHODS = b"GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = b"Authorization, Content-Type, Idempotency-Key, Roomlog-As, Last-Event-ID, If-Match"
ANSWER_HEADERS = b"RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotent-Replayed, ETag"
PREFLIGHT_S = b"600"
HSTS = b"max-age=31536000; includeSubDomains"

REFUSED = "origin_refused"
"""Set in a request's state once its app is known not to list the page's origin."""
_SAFE = re.compile(rb"[\x21-\x7e]{1,512}")


async def check_origin(policies: Policies, app: AppId, origin: str | None, state: MutableMapping[str, Any]) -> None:
    """Raise `OriginNotAllowed` for a page that the app does not list; who sends no origin is no page."""
    if origin is None:
        return
    policy = await policies.of(app)
    if policy is None:
        raise Unauthenticated
    if not policy.allows_origin(origin):
        state[REFUSED] = True
        raise OriginNotAllowed


class Origins:
    """Stands before the public service: answers preflights, and gives every answer the headers that browsers heed.

    A preflight comes without a credential, so its app is unknown: any origin may ask, and the request itself is judged.
    A refusal to somebody unknown may be read by any page, for it says nothing of any app.
    """

    def __init__(self, service: ASGIService) -> None:
        """Stand before `service`."""
        self._service = service

    async def __call__(self, scope: MutableMapping[str, Any], receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request; sockets pass through untouched."""
        if scope["type"] != "http":
            await self._service(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and _SAFE.fullmatch(origin) is None:
            origin = None
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(origin, send)
            return
        state = scope.setdefault("state", {})
        request_id = state["request_id"] = new_request_id()

        is_started = False

        async def send_on(message: ASGIMessage) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                allowed = None if state.get(REFUSED) else origin
                given, is_secure = message["headers"], scope["scheme"] == "https"
                told = state.get(LIMIT_HEADERS, ())
                message["headers"] = [*given, *told, *_headers(given, allowed, request_id, is_secure=is_secure)]
            await send(message)

        try:
            await self._service(scope, receive, send_on)
        except asyncio.CancelledError:
            # The process ends with this under way; the server beneath would say 500, in plain text.
            if not is_started:
                state[CODE] = Unavailable.code
                await _cut_off(request_id, send_on)
            raise


async def _cut_off(request_id: str, send: ASGISend) -> None:
    error = Unavailable()
    headers = [(b"content-type", PROBLEM_TYPE.encode()), *problem_headers(error)]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem(error, request_id))})


def _headers(
    given: list[tuple[bytes, bytes]], origin: bytes | None, request_id: str, *, is_secure: bool
) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"vary", b"Origin"),
    ]
    names = {name.lower() for name, _ in given}
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    if REQUEST_ID_HEADER.encode() not in names:
        headers.append((REQUEST_ID_HEADER.encode(), request_id.encode()))
    if is_secure:
        headers.append((b"strict-transport-security", HSTS))
    if origin is not None:
        headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", ANSWER_HEADERS),
        ]
    return headers


async def _preflight(origin: bytes | None, send: ASGISend) -> None:
    headers = [(b"vary", b"Origin"), (b"cache-control", b"no-store")]
    if origin is not None:
        headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", PREFLIGHT_S),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
