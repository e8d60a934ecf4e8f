"""One small interface to follow a room, and its three implementations: by WebSocket, by SSE, by long poll."""

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from tests.support.document import HELD, read_frame
from tests.support.plain import plain_client
from tests.support.processes import Service

WAIT_S = 8.0
PASSING = {"heartbeat", "stalled", "live", "reconnect", "connected", "subscribed", "auth.expiring"}
"""Frames that speak of the stream itself; the promises are about the room's."""

Frame = dict[str, Any]


class Refused(Exception):
    """The room was not opened; with the problem that says why."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = int(problem["status"])
        self.code = str(problem["code"])


class Lost(Exception):
    """The connection broke without a word."""


class Follower(ABC):
    """Follows one room; remembers the cursor of the last frame that it gave out."""

    def __init__(self, service: Service, credential: str) -> None:
        self.service = service
        self.credential = credential
        self.cursor: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential}"}

    @abstractmethod
    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        """Open a room; raises `Refused`, and `Lost` where nobody answers."""

    @abstractmethod
    async def hear(self) -> Frame:
        """Give whatever comes next; the end is the frame `closed`. Raises `Lost`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go."""

    async def next(self, wait_s: float = WAIT_S) -> Frame:
        """Give the next frame about the room, or the end of the stream."""
        async with asyncio.timeout(wait_s):
            while True:
                frame = await self.hear()
                if frame["type"] not in PASSING:
                    break
        about = frame.get("snapshot", frame)
        self.cursor = about.get("cursor", self.cursor)
        return frame

    async def snapshot(self) -> Frame:
        frame = await self.next()
        assert frame["type"] == "snapshot", frame
        return dict(frame["snapshot"])

    async def until_seq(self, seq: int) -> list[Frame]:
        frames: list[Frame] = []
        while not frames or frames[-1]["seq"] < seq:
            frames.append(await self.next())
        return frames


class BySocket(Follower):
    """Follows by WebSocket."""

    _raw: ClientConnection | None = None

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        try:
            self._raw = await connect_socket(
                self.service.socket_url, additional_headers=self.headers, max_size=None, max_queue=16, close_timeout=1
            )
            wanted = {"room": room, "last": last} | ({} if cursor is None else {"cursor": cursor})
            await self._raw.send(json.dumps({"op": "subscribe", "rooms": [wanted]}))
            while (frame := read_frame(await self._raw.recv()))["type"] != "subscribed":
                if frame["type"] == "error":
                    raise Refused(frame["problem"])
        except InvalidStatus as error:
            raise Refused(json.loads(error.response.body or b"{}")) from error
        except (OSError, ConnectionClosed, InvalidMessage) as error:
            raise Lost from error

    async def hear(self) -> Frame:
        assert self._raw is not None
        try:
            frame: Frame = read_frame(await self._raw.recv())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise Lost from closed
            return {"type": "closed", "code": closed.rcvd.code, "reason": closed.rcvd.reason}
        return frame

    async def close(self) -> None:
        if self._raw is not None:
            self._raw.transport.abort()
            self._raw = None


class ByStream(Follower):
    """Follows by SSE, and comes back with `Last-Event-ID` as an EventSource does."""

    _stack: contextlib.AsyncExitStack | None = None
    _events: AsyncIterator[tuple[str | None, Frame]]
    last_id: str | None = None

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        await self.close()
        headers = self.headers | ({} if cursor is None else {"Last-Event-ID": cursor})
        self._stack = contextlib.AsyncExitStack()
        http = await self._stack.enter_async_context(plain_client())
        url = f"{self.service.url}/v1/rooms/{room}/subscribe"
        try:
            answer = await self._stack.enter_async_context(
                http.stream("GET", url, params={"last": last}, headers=headers)
            )
            if answer.status_code != 200:
                raise Refused(json.loads(await answer.aread()))
        except httpx2.TransportError as error:
            raise Lost from error
        assert answer.headers["content-type"].startswith("text/event-stream")
        self._events = events_of(answer.aiter_lines())

    async def hear(self) -> Frame:
        try:
            last_id, frame = await anext(self._events)
        except (httpx2.TransportError, StopAsyncIteration) as error:
            raise Lost from error
        about = frame.get("snapshot", frame)
        if frame["type"] not in PASSING and "cursor" in about:
            assert last_id == about["cursor"], (last_id, frame)
        else:
            assert last_id is None, (last_id, frame)
        return frame

    async def close(self) -> None:
        if self._stack is not None:
            await self._stack.aclose()
            self._stack = None


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str | None, Frame]]:
    """Read a stream of events: each with its own id, if it has one."""
    last_id, data = None, None
    async for line in lines:
        name, _, value = line.partition(": ")
        match name:
            case "id":
                last_id = value
            case "data":
                data = value
            case "" if data is not None:
                yield last_id, read_frame(data)
                last_id, data = None, None
            case _:
                assert name in {"", "retry"}, line


class ByPoll(Follower):
    """Follows by long poll, passing back nothing but the cursor that it was given."""

    _room = ""
    _at: str | None = None
    _waiting: list[Frame]

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        self._room, self._at, self._last = room, cursor, last
        self._waiting = []
        await self._poll(wait_s=0)

    async def hear(self) -> Frame:
        while not self._waiting:
            try:
                await self._poll(wait_s=5)
            except Refused as refused:
                if refused.status == 401:
                    return {"type": "closed", "code": 4401, "reason": refused.code}
                if refused.status == 503:
                    raise Lost from refused
                raise
        return self._waiting.pop(0)

    async def close(self) -> None:
        self._waiting = []

    async def _poll(self, wait_s: int) -> None:
        params = {"wait": wait_s, "last": self._last} | ({} if self._at is None else {"after": self._at})
        try:
            async with plain_client(event_hooks=HELD) as http:
                url = f"{self.service.url}/v1/rooms/{self._room}/events"
                answer = await http.get(url, params=params, headers=self.headers)
        except httpx2.TransportError as error:
            raise Lost from error
        body = answer.json()
        if answer.status_code != 200:
            raise Refused(body)
        self._at = body["cursor"]
        self._waiting += body["frames"]


TRANSPORTS: dict[str, type[Follower]] = {"websocket": BySocket, "sse": ByStream, "poll": ByPoll}
