"""The workloads W1–W5, each against the service as its users run it: tokens, rules, idempotency keys and the audit on."""

import asyncio
import itertools
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from tests.speed.lines import UPGRADE, Line, follow, frame, open_line
from tests.speed.loops import MEMBERS, PATIENCE_S, ROOMS, Figures, check, closed, flood, one_in_flight, steady
from tests.speed.machine import Servers, measured, resident_bytes
from tests.support.world import App

TEXT = "x" * 100
CREATED = b'"type":"message.created"'
ACK = b'"type":"ack"'
ACCEPTED = b"HTTP/1.1 201"
SENDERS = 50
SETTLE_S = 2.0
PACE_S = 0.025
"""Between two frames of a client that is not to say more than it may: 50 a second."""

_KEYS = itertools.count()
_NUMBER = re.compile(rb'"text":"#(\d+)"')


@dataclass
class Bench:
    """What every workload needs."""

    app: App
    servers: Servers
    seconds: float

    @property
    def port(self) -> int:
        return self.app.service.port

    async def line(self) -> Line:
        return await open_line(self.port, await self.app.token("ann"))

    async def lines(self, count: int, room: Callable[[int], str]) -> list[Line]:
        """Open connections that follow a room each."""
        opened = []
        for number in range(count):
            line = await self.line()
            await follow(line, room(number))
            opened.append(line)
        return opened


def message(room: str, text: str = TEXT) -> bytes:
    """Make a frame that sends a message, under a key of its own."""
    return frame(
        f'{{"op":"send","id":1,"room":"{room}","key":"k{next(_KEYS)}","parts":[{{"type":"text","text":"{text}"}}]}}'.encode()
    )


async def w1_rooms(bench: Bench) -> list[str]:
    """Make the rooms of W1."""
    names = [f"w1-{number}" for number in range(SENDERS)]
    for name in names:
        await bench.app.room(name, ("ann",))
    return names


async def w1_socket(bench: Bench) -> Figures:
    """50 senders in 50 rooms over WebSocket; a message counts when it is acknowledged as stored."""
    lines = [await bench.line() for _ in range(SENDERS)]
    return await closed(bench.servers, bench.seconds, lines, ACK, lambda number: message(f"w1-{number}"))


async def w1_rest(bench: Bench) -> Figures:
    """The same over REST, on connections that are kept."""
    token = await bench.app.token("ann")
    body = f'{{"parts":[{{"type":"text","text":"{TEXT}"}}]}}'

    def request(number: int) -> bytes:
        return (
            f"POST /v1/rooms/w1-{number}/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Idempotency-Key: k{next(_KEYS)}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    lines = [await Line.to(bench.port) for _ in range(SENDERS)]
    return await closed(bench.servers, bench.seconds, lines, ACCEPTED, request)


async def w2_throughput(bench: Bench, subscribers: int) -> Figures:
    """One room, many subscribers, one sender with eight messages in flight; one is in flight until its sender is shown it."""
    room = f"w2-{subscribers}"
    await bench.app.room(room, ("ann",))
    lines = await bench.lines(subscribers, lambda _: room)
    (sender,) = await bench.lines(1, lambda _: room)
    return await flood(bench.servers, bench.seconds, lines, sender, CREATED, lambda: message(room))


async def w2_latency(bench: Bench, subscribers: int) -> Figures:
    """The same with one message in flight: from its sending to each of its arrivals."""
    room = f"w2-{subscribers}"
    await bench.app.room(room, ("ann",))
    lines = await bench.lines(subscribers, lambda _: room)
    sender = await bench.line()
    return await one_in_flight(bench.servers, bench.seconds, lines, sender, CREATED, lambda: message(room))


async def w3_steady(bench: Bench) -> Figures:
    """100 messages a second over 20 rooms of 10 members: from the moment that each was due to each of its arrivals."""
    names = [f"w3-{number}" for number in range(ROOMS)]
    members = [f"m{number}" for number in range(MEMBERS)]
    for name in names:
        await bench.app.room(name, tuple(members))
    tokens = [await bench.app.token(member) for member in members]
    lines: list[Line] = []
    for name in names:
        for token in tokens:
            line = await open_line(bench.port, token)
            await follow(line, name)
            lines.append(line)

    def say(place: int, text: str) -> bytes:
        return message(names[place], text)

    return await steady(bench.servers, bench.seconds, lines, _NUMBER, say)


class _Opening:
    """Takes what comes until a whole snapshot is there."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._data = bytearray()
        self._whole = asyncio.Event()
        line.heard = self._take

    def _take(self, data: bytes) -> None:
        self._data += data
        place = self._data.find(b'{"type":"snapshot"')
        # A snapshot is the only long frame here: two bytes before it stand its length.
        if place >= 0 and len(self._data) >= place + int.from_bytes(self._data[place - 2 : place]):
            self._whole.set()

    async def whole(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            await self._whole.wait()
        return bytes(self._data)


async def w4_cold(bench: Bench, rooms: list[str], *, once: bool = False) -> Figures:
    """From connect() to the last 50 messages in hand and live, one client after the other; with `once` each room once.

    The room is named in the upgrade: two round trips, TCP's own included.
    """
    token = await bench.app.token("ann")
    seconds: list[float] = []
    with measured(bench.servers) as span:
        end = time.perf_counter() + bench.seconds
        for room in rooms if once else itertools.cycle(rooms):
            began = time.perf_counter()
            if began > end:
                break
            line = await Line.to(bench.port)
            opening = _Opening(line)
            line.say(UPGRADE.format(query=f"?rooms={quote(_rooms(room))}", credential=token).encode())
            _check_snapshot(await opening.whole())
            seconds.append(time.perf_counter() - began)
            line.close()
    return Figures(span, len(seconds), seconds)


async def w4_warm(bench: Bench, rooms: list[str]) -> Figures:
    """The same on a connection that stands."""
    line = await bench.line()
    seconds: list[float] = []
    with measured(bench.servers) as span:
        end = time.perf_counter() + bench.seconds
        for room in itertools.cycle(rooms):
            opening = _Opening(line)
            began = time.perf_counter()
            if began > end:
                break
            line.say(frame(f'{{"op":"subscribe","rooms":{_rooms(room)}}}'.encode()))
            _check_snapshot(await opening.whole())
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PACE_S)
    line.close()
    return Figures(span, len(seconds), seconds)


def _rooms(room: str) -> str:
    return f'[{{"room":"{room}","last":50}}]'


def _check_snapshot(data: bytes) -> None:
    found = data.count(TEXT.encode())
    assert found == 50, f"a snapshot with {found} messages"


async def w5_memory(bench: Bench, connections: int) -> float:
    """Give the bytes that the service has in memory for each idle connection that follows a room."""
    names = [f"w5-{number}" for number in range(ROOMS)]
    for name in names:
        await bench.app.room(name, ("ann",))
    # What the first ones make the process load is not theirs.
    first = await bench.lines(ROOMS, lambda number: names[number])
    await asyncio.sleep(SETTLE_S)
    before = resident_bytes(bench.servers.service)
    lines = await bench.lines(connections, lambda _: random.choice(names))
    await asyncio.sleep(SETTLE_S)
    grown = resident_bytes(bench.servers.service) - before
    check(lines)
    for line in (*first, *lines):
        line.close()
    return grown / connections
