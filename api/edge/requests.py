"""Counting requests: by route and by class of status, however they ended. The routes are ours, so the labels are few."""

import asyncio
from collections import Counter

from api.durations import Durations
from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService

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


class Requests:
    """Stands before the public service and counts what it answers."""

    def __init__(self, service: ASGIService, counts: RequestCounts) -> None:
        """Stand before `service`."""
        self._service = service
        self._counts = counts

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request or socket; of a socket only its refusal counts."""
        if scope["type"] not in {"http", "websocket"}:
            await self._service(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        began, status = loop.time(), 0

        async def send_on(message: ASGIMessage) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
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
