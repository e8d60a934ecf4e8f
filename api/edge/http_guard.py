"""The guard at the door of HTTP: what uvicorn would wait for without end has an end here.

Uvicorn bounds neither how long a request may take to arrive nor how large its head may be. A connection that lingers
costs a few kilobytes and a file descriptor, and anybody may open thousands.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_TIMEOUT_S = 10.0
"""How long the head of a request may take, from the connection's first moment or the last answer's end."""
BODY_GRACE_S = 10.0
BODY_MIN_BYTES_PER_S = 1_024
"""How fast a body must come, on average, once its grace is over."""
UNREAD_S = 40.0
"""How long an answer may go unread; streams give their readers up before that, with a word."""
LINGER_S = 10.0
"""How long a connection that we have closed may take to end, before what it has not read is thrown away."""
MAX_HEAD_BYTES = 16 * 1024
MAX_PIPELINED = 16
"""Requests that a client may send ahead of its answers: one read of the socket may hold thousands."""
SWEEP_S = 0.5

TOO_LARGE = 431
TOO_SLOW = 408


class Guarded(Protocol):
    """A connection that can tell when it is to be ended."""

    def sweep(self, now: float) -> None:
        """End what has taken too long by `now`."""


class Newcomers:
    """The connections that have not sent a request's head yet, oldest first.

    A client sends its head at once. So when there are too many, the oldest has to go, and whoever holds connections open
    to keep others out must open them ever faster instead.
    """

    def __init__(self, most: int) -> None:
        """Keep at most `most`."""
        self._most = most
        self._waiting: dict[GuardedHttp, None] = {}

    def __len__(self) -> int:
        """Count those that wait."""
        return len(self._waiting)

    def add(self, connection: "GuardedHttp") -> None:
        """Add a connection, and end the oldest if it is one too many."""
        self._waiting[connection] = None
        if len(self._waiting) > self._most:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()

    def remove(self, connection: "GuardedHttp") -> None:
        """Forget one that has sent its head, or has gone."""
        self._waiting.pop(connection, None)


class GuardedHttp(HttpToolsProtocol):
    """HTTP/1.1 with an end to everything."""

    def __init__(
        self,
        newcomers: Newcomers,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Serve like uvicorn; `newcomers` bounds those that say nothing."""
        super().__init__(config, server_state, app_state, _loop)
        self._newcomers = newcomers
        self._head_since: float | None = None
        self._head_bytes = 0
        self._is_head_too_large = False
        self._body_since: float | None = None
        self._body_bytes = 0
        self._unread_since: float | None = None
        self._closed_since: float | None = None

    # ---- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._newcomers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._newcomers.remove(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to its next guard."""
        self._newcomers.remove(self)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Note that an answer goes unread."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads on."""
        self._unread_since = None
        super().resume_writing()

    # ---- the request

    def data_received(self, data: bytes) -> None:
        """Take what has come, as far as it is a request of bounded size."""
        if self._is_at_rest() and self._head_since is None:
            # Uvicorn has just forgotten the time-out of an idle connection, be it for an empty line.
            self._begin_head()
        if self._head_since is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        if self._head_since is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """End a head, unless it is too large, or the client has too much ahead of its answers."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._is_head_too_large = size > MAX_HEAD_BYTES
        if self._is_head_too_large or len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError
        self._newcomers.remove(self)
        self._head_since = None
        self._body_since, self._body_bytes = self.loop.time(), 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what has come of a body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._body_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large a one."""
        if self._is_head_too_large:
            self._refuse(TOO_LARGE)
        elif self._has_begun_to_answer():
            self.transport.close()
        else:
            super().send_400_response(msg)

    # ---- the ends

    def sweep(self, now: float) -> None:
        """End what has taken too long by `now`."""
        if self.transport.is_closing():
            self._closed_since = self._closed_since or now
            if now - self._closed_since > LINGER_S:
                self.transport.abort()
        elif self._unread_since is not None and now - self._unread_since > UNREAD_S:
            self.transport.abort()
        elif self._head_since is not None and now - self._head_since > HEAD_TIMEOUT_S:
            if self._head_bytes:
                self._refuse(TOO_SLOW)
            else:
                self.transport.close()
        elif self._body_since is not None:
            grace_s = BODY_GRACE_S + self._body_bytes / BODY_MIN_BYTES_PER_S
            if now - self._body_since > grace_s:
                self._refuse(TOO_SLOW)

    def _begin_head(self) -> None:
        self._head_since, self._head_bytes = self.loop.time(), 0

    def _is_at_rest(self) -> bool:
        """Whether no request is under way. Typed as always there, a cycle is None before the first."""
        cycle = cast("Any", self.cycle)
        return self._body_since is None and (cycle is None or cycle.response_complete)

    def _has_begun_to_answer(self) -> bool:
        cycle = cast("Any", self.cycle)
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _refuse(self, status: int) -> None:
        if not self._has_begun_to_answer():
            head = STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head)
        self.transport.close()


async def sweep_for_ever(state: ServerState) -> None:
    """End what takes too long among all connections of a server, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        for connection in list(cast("Iterable[Guarded]", state.connections)):
            connection.sweep(now)
