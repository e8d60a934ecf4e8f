"""A WebSocket client that says nothing of its own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket

from tests.support.document import read_frame

WAIT_S = 15.0
EVENTS = ("message.", "member.", "room.", "hidden")


class Socket:
    """Frames in and out."""

    def __init__(self, raw: ClientConnection) -> None:
        self.raw = raw

    async def say(self, **frame: Any) -> None:
        frame = {("as" if name == "acting" else name): value for name, value in frame.items()}
        await self.raw.send(json.dumps(frame))

    async def hear(self, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Give the next frame that is no heartbeat."""
        async with asyncio.timeout(wait_s):
            while True:
                frame = read_frame(await self.raw.recv())
                if frame["type"] != "heartbeat":
                    return frame

    async def hear_answer(self, mark: str, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Give the frame that answers one's own, passing over what comes in between."""
        async with asyncio.timeout(wait_s):
            while True:
                frame = await self.hear(wait_s)
                if frame.get("id") == mark:
                    return frame

    async def hear_type(self, kind: str) -> dict[str, Any]:
        frame = await self.hear()
        assert frame["type"] == kind, frame
        return frame

    async def open(self, room: str, **more: Any) -> dict[str, Any]:
        """Subscribe to a room; gives the snapshot, the reset, or for a resumed one the `subscribed`."""
        await self.say(op="subscribe", rooms=[{"room": room, **more}])
        subscribed = await self.hear_type("subscribed")
        return subscribed if subscribed["resumed"] else await self.hear()

    async def until_seq(self, seq: int) -> list[dict[str, Any]]:
        """Give the events up to a seq."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["seq"] < seq:
            frame = await self.hear()
            if frame["type"].startswith(EVENTS):
                events.append(frame)
        return events

    async def is_quiet(self) -> bool:
        """Tell whether nothing waits: the answer to a ping is the next thing that comes."""
        await self.say(op="ping", id="quiet?")
        return (await self.hear()) == {"id": "quiet?", "type": "pong"}


@contextlib.asynccontextmanager
async def connect(url: str, credential: str) -> AsyncIterator[Socket]:
    """Open a socket with a header, and take its greeting."""
    headers = {"Authorization": f"Bearer {credential}"}
    # Without a bound on its queue: at 16 unread frames the client would stop reading, the answer to its own closing
    # included, and wait 10 s for it.
    async with connect_socket(url, additional_headers=headers, max_size=None, max_queue=None, close_timeout=2) as raw:
        socket = Socket(raw)
        await socket.hear_type("connected")
        yield socket
