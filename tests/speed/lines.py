"""The driver's connections: bytes out and bytes in, and as little as possible in between.

A driver that parsed every frame would be slower than the service that makes them. This one writes frames that it has made
beforehand, and counts in what comes back how often a text stands in it that each frame holds once.
"""

import asyncio
from collections.abc import Callable
from typing import Self, cast

UPGRADE = (
    "GET /v1/connect{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {credential}\r\n\r\n"
)
HEARD_S = 20.0
SHORT, MEDIUM = 126, 65_536
NO_MASK = bytes(4)
"""A mask of zeros leaves the text as it is, and makes for a frame like any other to who reads it."""

Heard = Callable[[bytes], None]


def frame(text: bytes) -> bytes:
    """Make a client's text frame."""
    size = len(text)
    if size < SHORT:
        head = bytes([0x81, 0x80 | size])
    elif size < MEDIUM:
        head = bytes([0x81, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([0x81, 0x80 | 127]) + size.to_bytes(8)
    return head + NO_MASK + text


class Counter:
    """Counts a text in a stream that comes in pieces."""

    def __init__(self, mark: bytes) -> None:
        """Count `mark`."""
        self._mark = mark
        self._rest = b""

    def take(self, data: bytes) -> int:
        """Give how often the mark ends in this piece."""
        keep = len(self._mark) - 1
        found = data.count(self._mark) + (self._rest + data[:keep]).count(self._mark)
        self._rest = data[-keep:] if len(data) >= keep else (self._rest + data)[-keep:]
        return found


class Line(asyncio.Protocol):
    """One TCP connection; what comes is handed on as it comes."""

    def __init__(self, heard: Heard | None = None) -> None:
        """Hand what comes to `heard`, which may be changed at any time."""
        self.heard: Heard = heard or self._keep
        self.transport: asyncio.Transport
        self.ended = asyncio.get_running_loop().create_future()
        self._kept = bytearray()
        self._waiting: asyncio.Future[None] | None = None

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect."""
        _, line = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        self.heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; nobody who still listens may take it for silence."""
        if not self.ended.done():
            self.ended.set_result(exc)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the service has closed a connection of the driver"))

    def say(self, data: bytes) -> None:
        """Write."""
        self.transport.write(data)

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def until(self, mark: bytes) -> bytes:
        """Wait until a text has come, and give all that came up to then."""
        async with asyncio.timeout(HEARD_S):
            while mark not in self._kept:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
        kept = bytes(self._kept)
        self._kept.clear()
        return kept

    def close(self) -> None:
        """Hang up."""
        self.transport.abort()


async def open_line(port: int, credential: str) -> Line:
    """Open a WebSocket and take its greeting."""
    line = await Line.to(port)
    line.say(UPGRADE.format(query="", credential=credential).encode())
    said = await line.until(b'"type":"connected"')
    assert said.startswith(b"HTTP/1.1 101"), said[:300]
    return line


async def follow(line: Line, room: str, last: int = 0) -> None:
    """Subscribe to a room and take its snapshot."""
    wish = f'{{"op":"subscribe","rooms":[{{"room":"{room}","last":{last}}}]}}'
    line.say(frame(wish.encode()))
    await line.until(b'"type":"snapshot"')
