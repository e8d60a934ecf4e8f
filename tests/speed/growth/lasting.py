"""Connections that last: the driver's own, which say nothing of themselves, are let go after their first minute."""

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import quote

from tests.speed.lines import UPGRADE, Counter, Line, frame
from tests.speed.loops import PATIENCE_S

PING = b"\x89\x04"
"""How the service's pings begin, in which four bytes follow. A length may read the same: a pong too many does no harm."""
PING_BYTES = 6
PONG = b"\x8a\x84" + bytes(4)
"""A client's pong with a mask of zeros."""
CONNECTED, SNAPSHOT = b'"type":"connected"', b'"type":"snapshot"'
AT_ONCE = 100
"""Rooms that one frame subscribes to."""


class Lasting(Line):
    """A line that answers pings."""

    _end = b""
    """Of what has come: a ping may be cut in two."""

    def data_received(self, data: bytes) -> None:
        """Answer pings, and hand on what came."""
        seen = self._end + data
        place = seen.find(PING)
        while place >= 0 and len(seen) >= place + PING_BYTES:
            self.say(PONG + seen[place + len(PING) : place + PING_BYTES])
            place = seen.find(PING, place + PING_BYTES)
        self._end = seen[place:] if place >= 0 else seen[-1:]
        super().data_received(data)


async def open_lasting(port: int, credential: str, *rooms: str) -> Lasting:
    """Open a connection that follows rooms, in one round trip; thousands are opened one after the other, at that pace."""
    line = await Lasting.to(port)
    query = f"?rooms={quote(wish(rooms))}" if rooms else ""
    line.say(UPGRADE.format(query=query, credential=credential).encode())
    said = await line.until(SNAPSHOT if rooms else CONNECTED)
    assert said.startswith(b"HTTP/1.1 101"), said[:300]
    return line


async def follow_all(line: Line, rooms: Sequence[str]) -> None:
    """Subscribe to many rooms on one connection, and wait until all are open."""
    for start in range(0, len(rooms), AT_ONCE):
        await _follow(line, rooms[start : start + AT_ONCE])


async def _follow(line: Line, rooms: Sequence[str]) -> None:
    opened = 0
    counter = Counter(SNAPSHOT)
    all_open = asyncio.Event()

    def heard(data: bytes) -> None:
        nonlocal opened
        opened += counter.take(data)
        if opened == len(rooms):
            all_open.set()

    line.heard = heard
    line.say(frame(f'{{"op":"subscribe","rooms":{wish(rooms)}}}'.encode()))
    async with asyncio.timeout(PATIENCE_S):
        await all_open.wait()


def wish(rooms: Sequence[str]) -> str:
    """Write what a `subscribe` frame says of rooms to open, without their messages."""
    return json.dumps([{"room": room, "last": 0} for room in rooms])
