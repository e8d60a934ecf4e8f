"""Counting requests: by route and by class of status, however they ended. The routes are ours, so the labels are few.

And taking them down for the request logs of the apps whose credentials they bring.
"""

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from typing import Any, cast

from litestar.types import Scope

from api.durations import Durations
from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService
from api.edge.problems import CODE
from tenants.request_log import FAILED, Request, RequestLog
from tenants.scope import Caller

ASKED = "asked"
"""Where a request's state has what is known of it for the request log."""
SWITCHED = 101
"""The status of a socket that was opened."""
UNFOUND = "other"
LASTING = ("/subscribe", "/events", "/connect")
"""Ends of routes whose requests last as long as their clients like, and say nothing of our speed."""


class RequestCounts:
    """What a process has answered since it started."""

    def __init__(self) -> None:
        """Start from zero."""
        self.answered: Counter[tuple[str, ...]] = Counter()
        """Requests by route (method and template) and class of status, `none` for those that ended without an answer."""
        self.took = Durations()


class Asked:
    """A request under way. Whose it is is known once its credential holds; before that it is no app's, and not taken down."""

    __slots__ = ("_began", "_log", "caller")

    def __init__(self, log: RequestLog, began: float) -> None:
        """Take down in `log` what began at a moment (loop time)."""
        self._log = log
        self._began = began
        self.caller: Caller | None = None

    def answer(self, scope: MutableMapping[str, Any], status: int) -> None:
        """Take down that it is being answered; only the first time counts."""
        caller, self.caller = self.caller, None
        if caller is None or not self._log.wants(caller.scope.app, failed=status >= FAILED):
            return
        now, state, client = asyncio.get_running_loop().time(), scope["state"], scope.get("client")
        self._log.add(
            Request(
                app=caller.scope.app,
                method=scope.get("method", "GET"),
                path=scope["path"],
                query=scope["query_string"],
                status=status,
                code=state.get(CODE),
                at=now,
                took_s=now - self._began,
                request_id=state.get("request_id", ""),
                key=caller.key,
                user=None if caller.user is None else caller.user.number,
                address=None if caller.key is None or client is None else client[0],
            )
        )


def asked_by(state: MutableMapping[str, Any], caller: Caller) -> None:
    """Say whose a request is, as soon as its credential holds: from then on, whatever becomes of it stands in the app's log."""
    asked: Asked | None = state.get(ASKED)
    if asked is not None:
        asked.caller = caller


def socket_answered(scope: Scope, status: int = SWITCHED, code: str | None = None) -> None:
    """Take down what the first frame of a socket came to, which has been accepted before; or a socket that is about to be."""
    asked: Asked | None = scope["state"].get(ASKED)
    if asked is not None:
        scope["state"][CODE] = code
        asked.answer(cast("MutableMapping[str, Any]", scope), status)


class Requests:
    """Stands before the public service and counts what it answers."""

    def __init__(self, service: ASGIService, counts: RequestCounts, request_log: RequestLog) -> None:
        """Stand before `service`."""
        self._service = service
        self._counts = counts
        self._log = request_log

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request or socket; of a socket only its refusal counts."""
        if scope["type"] not in {"http", "websocket"}:
            await self._service(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        began, status = loop.time(), 0
        asked = scope.setdefault("state", {})[ASKED] = Asked(self._log, began)

        async def send_on(message: ASGIMessage) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
                asked.answer(scope, status)
            elif message["type"] == "websocket.accept":
                status = SWITCHED
            await send(message)

        try:
            await self._service(scope, receive, send_on)
        finally:
            template = scope.get("path_template") or UNFOUND
            method = scope.get("method", "GET")
            route = UNFOUND if template == UNFOUND else f"{method} {template}"
            self._counts.answered[route, f"{status // 100}xx" if status else "none"] += 1
            if not template.endswith(LASTING):
                self._counts.took.observe(loop.time() - began)
