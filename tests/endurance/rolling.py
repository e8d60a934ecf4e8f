"""Thousands of followers, three processes behind one address, and each of the three restarted under load."""

import asyncio
import contextlib
import math
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2

from api.subscriptions.connections import SPREAD
from tests.endurance.balancer import Balancer, balanced
from tests.endurance.raw import Raw, raw_socket
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.world import App

ROOMS = 20
SAY_EVERY_S = 1.0
GIVE_UP_S = 60.0
START_S = 90.0


@dataclass
class Roll:
    """What a rolling restart did to its clients."""

    moves: list[float] = field(default_factory=list)
    """When each client had its new socket (monotonic)."""
    begins: list[float] = field(default_factory=list)
    """When each process began to ask its clients to go."""
    resets: int = 0
    breaks: list[str] = field(default_factory=list)
    """Events that were not the next ones."""
    unasked: int = 0
    """Sockets that ended before their clients had moved."""
    said: int = 0

    def by_second(self, begin: float, window_s: float) -> list[int]:
        counts = Counter(math.floor(moved - begin) for moved in self.moves if begin <= moved < begin + window_s + 2)
        return [counts[second] for second in range(math.ceil(window_s) + 2)]

    def peak_over_average(self, window_s: float) -> float:
        worst = 0.0
        for begin in self.begins:
            counts = self.by_second(begin, window_s)
            worst = max(worst, max(counts) / (sum(counts) / window_s))
        return worst


class Follower:
    """A client as the protocol wants it: asked to go, it opens the new socket first, resumes, then closes the old one."""

    def __init__(self, port: int, token: str, room: str, roll: Roll) -> None:
        self.seq = 0
        self.opened = asyncio.Event()
        self._port = port
        self._token = token
        self._room = room
        self._roll = roll
        self._cursor: str | None = None

    async def run(self) -> None:
        """Follow for ever."""
        stack, raw = await self._open()
        while True:
            moving: asyncio.Task[tuple[contextlib.AsyncExitStack, Raw]] | None = None
            try:
                while moving is None or not moving.done():
                    reading = asyncio.create_task(raw.hear_json(3_600))
                    try:
                        await asyncio.wait(
                            {reading, *([moving] if moving else [])}, return_when=asyncio.FIRST_COMPLETED
                        )
                    except asyncio.CancelledError:
                        reading.cancel()
                        raise
                    if not reading.done():
                        # What it was about to bring is brought by the new socket.
                        reading.cancel()
                        await asyncio.gather(reading, return_exceptions=True)
                        break
                    frame = reading.result()
                    if frame["type"] == "reconnect":
                        moving = asyncio.create_task(self._move(frame["after_ms"] / 1000))
                    else:
                        self._take(frame)
            except (OSError, EOFError, AssertionError):
                self._roll.unasked += 1
            old = stack
            stack, raw = await (moving or self._move(random.random()))
            await old.aclose()
            await self._subscribe(raw)

    def _take(self, frame: dict[str, object]) -> None:
        if frame["type"] == "reset":
            self._roll.resets += 1
        if "snapshot" in frame:
            snapshot = frame["snapshot"]
            assert isinstance(snapshot, dict)
            self.seq, self._cursor = snapshot["seq"], snapshot["cursor"]
            self.opened.set()
        elif "seq" in frame and frame["type"] != "subscribed":
            if frame["seq"] != self.seq + 1:
                self._roll.breaks.append(f"{self._room}: {frame['seq']} after {self.seq}")
            self.seq, self._cursor = int(str(frame["seq"])), str(frame["cursor"])

    async def _move(self, after_s: float) -> tuple[contextlib.AsyncExitStack, Raw]:
        await asyncio.sleep(after_s)
        while True:
            with contextlib.suppress(OSError, EOFError, AssertionError, TimeoutError):
                stack = contextlib.AsyncExitStack()
                raw = await stack.enter_async_context(raw_socket(self._port, self._token))
                self._roll.moves.append(time.monotonic())
                return stack, raw
            await asyncio.sleep(random.uniform(0.2, 1))

    async def _open(self) -> tuple[contextlib.AsyncExitStack, Raw]:
        stack = contextlib.AsyncExitStack()
        raw = await stack.enter_async_context(raw_socket(self._port, self._token))
        await self._subscribe(raw)
        return stack, raw

    async def _subscribe(self, raw: Raw) -> None:
        wanted = (
            {"room": self._room, "last": 0} if self._cursor is None else {"room": self._room, "cursor": self._cursor}
        )
        await raw.say(op="subscribe", rooms=[wanted])


@contextlib.asynccontextmanager
async def load(app: App, port: int, sockets: int, roll: Roll) -> AsyncIterator[list[Follower]]:
    """Have followers follow, and somebody talk in every room, for the length of a context; then all must have all."""
    for number in range(ROOMS):
        await app.room(f"r{number}", ("ann",))
    token = await app.token("ann")
    followers = [Follower(port, token, f"r{number % ROOMS}", roll) for number in range(sockets)]
    heads: dict[int, int] = {}
    done = asyncio.Event()

    async def talk(http: httpx2.AsyncClient, number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        body = {"parts": [{"type": "text", "text": "x"}]}
        count = 0
        while not done.is_set():
            count += 1
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    key = {"Idempotency-Key": f"{number}-{count}"}
                    answer = await http.post(f"/v1/rooms/r{number}/messages", json=body, headers={**headers, **key})
                    if answer.status_code in {200, 201}:
                        heads[number] = answer.json()["seq"]
                        break
                    assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.1)
            roll.said += 1
            await asyncio.sleep(SAY_EVERY_S)

    async with plain_client(f"http://127.0.0.1:{port}", timeout=10) as http:
        following = [asyncio.create_task(follower.run()) for follower in followers]
        opening = asyncio.gather(*(follower.opened.wait() for follower in followers))
        async with asyncio.timeout(GIVE_UP_S):
            await asyncio.wait([opening, *following], return_when=asyncio.FIRST_COMPLETED)
        for task in following:
            # What ended a follower is the reason why not all have opened.
            assert not task.done(), task.exception()
        await opening
        talking = [asyncio.create_task(talk(http, number)) for number in range(ROOMS)]
        try:
            yield followers
            done.set()
            await asyncio.gather(*talking)
            async with asyncio.timeout(GIVE_UP_S):
                while any(follower.seq < heads[index % ROOMS] for index, follower in enumerate(followers)):
                    await asyncio.sleep(0.1)
            for follower, task in zip(followers, following, strict=True):
                assert not task.done(), (follower, task)
        finally:
            for task in (*following, *talking):
                task.cancel()
            await asyncio.gather(*following, *talking, return_exceptions=True)


async def restart_each(services: list[Service], balancer: Balancer, roll: Roll, drain_delay_s: float) -> None:
    """Stop each process in order and start it anew, the next one once it is ready."""
    for service in services:
        assert service.process is not None
        roll.begins.append(time.monotonic() + drain_delay_s)
        service.send(signal.SIGTERM)
        status = await asyncio.to_thread(service.process.wait, 120)
        assert status == 0, service.log.read_text()[-2000:]
        service.spawn()
        async with asyncio.timeout(START_S):
            while service not in balancer.ready:
                await asyncio.sleep(0.05)


async def roll_over(services: list[Service], app: App, *, sockets: int, drain_delay_s: float) -> Roll:
    """Restart all processes under load; the followers' numbers must be whole."""
    roll = Roll()
    async with balanced(services) as balancer, load(app, balancer.port, sockets, roll):
        await restart_each(services, balancer, roll, drain_delay_s)
    return roll


def curve(roll: Roll, drain_s: float) -> str:
    """Draw how many came back in each second, for each process that went."""
    lines = []
    window_s = drain_s * SPREAD
    for begin in roll.begins:
        counts = roll.by_second(begin, window_s)
        average = sum(counts) / window_s
        lines.append(f"{sum(counts)} clients moved, {average:.0f}/s on average, {max(counts)}/s at most")
        lines += [
            f"  {second:3} s {count:5} {'#' * round(40 * count / max(1, *counts))}"
            for second, count in enumerate(counts)
        ]
    return "\n".join(lines)
