"""The workloads W1–W5, each against the service as its users run it: tokens, rules, idempotency keys and the audit on."""

import asyncio
import itertools
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.speed.lines import UPGRADE, Counter, Line, follow, frame, open_line
from tests.speed.machine import Servers, Span, measured, resident_bytes
from tests.support.world import App

TEXT = "x" * 100
CREATED = b'"type":"message.created"'
ACK = b'"type":"ack"'
ACCEPTED = b"HTTP/1.1 201"
SENDERS = 50
IN_FLIGHT = 8
WARM_UP_S = 0.5
ROOMS, MEMBERS, PER_S = 20, 10, 100.0
"""Of W3."""
SETTLE_S = 2.0
PATIENCE_S = 30.0
PACE_S = 0.025
"""Between two frames of a client that is not to say more than it may: 50 a second."""

_KEYS = itertools.count()
_NUMBER = re.compile(rb'"text":"#(\d+)"')


@dataclass
class Figures:
    """What one workload has shown."""

    span: Span
    count: int = 0
    """Messages, deliveries or openings."""
    seconds: list[float] = field(default_factory=list)
    """How long each took."""

    @property
    def per_s(self) -> float:
        return self.count / self.span.wall_s

    @property
    def cpu_ms_per_1000(self) -> float:
        return self.span.server_cpu_s * 1_000_000 / self.count

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1_000


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


class _Closed:
    """Senders in a closed loop: each says the next thing when the last one has been answered."""

    def __init__(self, answer: bytes, say: Callable[[int], bytes]) -> None:
        self._answer, self._say = answer, say
        self.seconds: list[float] = []
        self.is_over = False

    def start(self, line: Line, number: int) -> None:
        counter = Counter(self._answer)
        said_at = 0.0

        def heard(data: bytes) -> None:
            nonlocal said_at
            if not counter.take(data):
                return
            now = time.perf_counter()
            self.seconds.append(now - said_at)
            if not self.is_over:
                said_at = now
                line.say(self._say(number))

        line.heard = heard
        said_at = time.perf_counter()
        line.say(self._say(number))


async def _closed_loop(bench: Bench, lines: list[Line], answer: bytes, say: Callable[[int], bytes]) -> Figures:
    loop = _Closed(answer, say)
    for number, line in enumerate(lines):
        loop.start(line, number)
    await asyncio.sleep(WARM_UP_S)
    loop.seconds.clear()
    with measured(bench.servers) as span:
        await asyncio.sleep(bench.seconds)
    seconds = list(loop.seconds)
    loop.is_over = True
    _check(lines)
    for line in lines:
        line.close()
    return Figures(span, len(seconds), seconds)


def _check(lines: list[Line]) -> None:
    ended = sum(line.ended.done() for line in lines)
    assert not ended, f"{ended} of the driver's connections were closed by the service"


async def w1_rooms(bench: Bench) -> list[str]:
    """Make the rooms of W1."""
    names = [f"w1-{number}" for number in range(SENDERS)]
    for name in names:
        await bench.app.room(name, ("ann",))
    return names


async def w1_socket(bench: Bench) -> Figures:
    """50 senders in 50 rooms over WebSocket; a message counts when it is acknowledged as stored."""
    lines = [await bench.line() for _ in range(SENDERS)]
    return await _closed_loop(bench, lines, ACK, lambda number: message(f"w1-{number}"))


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
    return await _closed_loop(bench, lines, ACCEPTED, request)


async def w2_throughput(bench: Bench, subscribers: int) -> Figures:
    """One room, many subscribers, one sender with eight messages in flight; one is in flight until its sender is shown it."""
    room = f"w2-{subscribers}"
    await bench.app.room(room, ("ann",))
    lines = await bench.lines(subscribers, lambda _: room)
    delivered = 0

    def count(line: Line) -> None:
        counter = Counter(CREATED)

        def heard(data: bytes) -> None:
            nonlocal delivered
            delivered += counter.take(data)

        line.heard = heard

    for line in lines:
        count(line)
    (sender,) = await bench.lines(1, lambda _: room)
    own = Counter(CREATED)
    is_over = False

    def shown(data: bytes) -> None:
        if not is_over and (more := own.take(data)):
            sender.say(b"".join(message(room) for _ in range(more)))

    sender.heard = shown
    sender.say(b"".join(message(room) for _ in range(IN_FLIGHT)))
    await asyncio.sleep(WARM_UP_S)
    began_with = delivered
    with measured(bench.servers) as span:
        await asyncio.sleep(bench.seconds)
    count_ = delivered - began_with
    is_over = True
    _check([*lines, sender])
    for line in (*lines, sender):
        line.close()
    return Figures(span, count_)


async def w2_latency(bench: Bench, subscribers: int) -> Figures:
    """The same with one message in flight: from its sending to each of its arrivals."""
    room = f"w2-{subscribers}"
    await bench.app.room(room, ("ann",))
    lines = await bench.lines(subscribers, lambda _: room)
    sender = await bench.line()
    sender.heard = lambda _: None
    seconds: list[float] = []
    said_at, missing = 0.0, 0
    everywhere = asyncio.Event()

    def listen(line: Line) -> None:
        counter = Counter(CREATED)

        def heard(data: bytes) -> None:
            nonlocal missing
            if counter.take(data):
                seconds.append(time.perf_counter() - said_at)
                missing -= 1
                if missing == 0:
                    everywhere.set()

        line.heard = heard

    for line in lines:
        listen(line)
    with measured(bench.servers) as span:
        end = time.perf_counter() + bench.seconds
        while time.perf_counter() < end:
            missing = subscribers
            everywhere.clear()
            said_at = time.perf_counter()
            sender.say(message(room))
            async with asyncio.timeout(PATIENCE_S):
                await everywhere.wait()
    for line in (*lines, sender):
        line.close()
    return Figures(span, len(seconds), seconds)


async def w3_steady(bench: Bench) -> Figures:
    """100 messages a second over 20 rooms of 10 members: from the moment that each was due to each of its arrivals."""
    names = [f"w3-{number}" for number in range(ROOMS)]
    members = [f"m{number}" for number in range(MEMBERS)]
    for name in names:
        await bench.app.room(name, tuple(members))
    tokens = [await bench.app.token(member) for member in members]
    lines: list[Line] = []
    due_at: dict[int, float] = {}
    seconds: list[float] = []

    def heard(data: bytes) -> None:
        now = time.perf_counter()
        seconds.extend(now - due_at[int(number)] for number in _NUMBER.findall(data) if int(number) in due_at)

    for name in names:
        for token in tokens:
            line = await open_line(bench.port, token)
            await follow(line, name)
            line.heard = heard
            lines.append(line)
    total = int(bench.seconds * PER_S)
    with measured(bench.servers) as span:
        began = time.perf_counter()
        for number in range(total):
            due = began + number / PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due_at[number] = due
            place = number % ROOMS
            lines[place * MEMBERS].say(message(names[place], f"#{number}"))
        async with asyncio.timeout(PATIENCE_S):
            while len(seconds) < total * MEMBERS:
                await asyncio.sleep(0.01)
    _check(lines)
    for line in lines:
        line.close()
    return Figures(span, len(seconds), seconds)


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
    _check(lines)
    for line in (*first, *lines):
        line.close()
    return grown / connections
