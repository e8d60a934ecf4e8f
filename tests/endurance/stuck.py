"""Subscribers that stop reading, among others in the same room: they are let go, come back, and nobody else notices."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.endurance.gauges import figures, rss_mib
from tests.endurance.raw import CLOSE, PING, PONG, TEXT, Raw, frame, raw_socket
from tests.support.processes import Service
from tests.support.world import App

WORDS = "x" * 48_000
"""A message's text: a stuck client's kernel and outbox are full after some hundred."""
PATIENCE_S = 60.0


@dataclass
class Stuck:
    """What was seen."""

    codes: list[int | None] = field(default_factory=list)
    """How the stuck ones ended."""
    missed: int = 0
    """Events that one of them lacks, or has twice, after it came back."""
    closed_slow: float = 0.0
    alone_s: list[float] = field(default_factory=list)
    """Deliveries to the others before anybody was stuck."""
    beside_s: list[float] = field(default_factory=list)
    """Deliveries to the others from then on."""
    rss_before: float = 0.0
    rss_most: float = 0.0
    rss_after: float = 0.0


async def get_stuck(service: Service, app: App, *, stuck: int, others: int, alone: int = 50) -> Stuck:
    """Have `stuck` of a room's subscribers stop reading until they are closed, `others` read on, and those come back."""
    await app.room("r", ("ann",))
    token = await app.token("ann")
    seen = Stuck(rss_before=rss_mib(service))
    sent: dict[int, float] = {}
    done = asyncio.Event()

    async def read_on() -> None:
        async with raw_socket(service.port, token) as raw:
            await subscribe(raw)
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    said = await raw.hear_json(1)
                    if said["type"] == "message.created" and said["seq"] in sent:
                        took = time.monotonic() - sent[said["seq"]]
                        (seen.beside_s if begun.is_set() else seen.alone_s).append(took)

    begun = asyncio.Event()

    async def say() -> int:
        began = time.monotonic()
        seq = int((await app.say("r", WORDS, "ann"))["seq"])
        sent.setdefault(seq, began)
        return seq

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as readers:
        for _ in range(others):
            readers.create_task(read_on())
        for _ in range(alone):
            last = await say()
        ones = [
            await stack.enter_async_context(raw_socket(service.port, token, receive_bytes=65_536)) for _ in range(stuck)
        ]
        places = [await subscribe(raw) for raw in ones]
        begun.set()
        before = figures(service)["closed_slow"]
        async with asyncio.timeout(PATIENCE_S):
            while figures(service)["closed_slow"] < before + stuck:
                last = await say()
                seen.rss_most = max(seen.rss_most, rss_mib(service))
                await asyncio.sleep(0.05)
        seen.closed_slow = figures(service)["closed_slow"] - before
        for raw, (seq, begin) in zip(ones, places, strict=True):
            numbers, code, cursor = await drained(raw, begin)
            seen.codes.append(code)
            async with raw_socket(service.port, token) as again:
                numbers += await resumed(again, cursor, last)
            seen.missed += sum(a != b for a, b in zip(numbers, range(seq + 1, last + 1), strict=False))
            seen.missed += abs(len(numbers) - (last - seq))
        done.set()
    seen.rss_after = rss_mib(service)
    return seen


async def subscribe(raw: Raw) -> tuple[int, str]:
    """Open the room; gives its place and cursor."""
    await raw.say(op="subscribe", rooms=[{"room": "r", "last": 0}])
    while (said := await raw.hear_json())["type"] != "snapshot":
        pass
    return said["snapshot"]["seq"], said["snapshot"]["cursor"]


async def drained(raw: Raw, cursor: str) -> tuple[list[int], int | None, str]:
    """Read what had been sent before the end: the events' numbers, the close code, the last cursor."""
    numbers: list[int] = []
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        async with asyncio.timeout(20):
            while True:
                opcode, payload = await raw.hear()
                if opcode == CLOSE:
                    return numbers, int.from_bytes(payload[:2], "big"), cursor
                if opcode == PING:
                    await raw.send(frame(payload, PONG))
                said: dict[str, Any] = json.loads(payload) if opcode == TEXT else {}
                if said.get("type") == "message.created":
                    numbers.append(said["seq"])
                    cursor = said["cursor"]
    return numbers, None, cursor


async def resumed(raw: Raw, cursor: str, last: int) -> list[int]:
    """Go on from a cursor; gives the events' numbers up to `last`."""
    await raw.say(op="subscribe", rooms=[{"room": "r", "cursor": cursor}])
    numbers: list[int] = []
    while not numbers or numbers[-1] < last:
        said = await raw.hear_json()
        assert said["type"] != "reset", said
        if said["type"] == "subscribed" and said["seq"] == last:
            return numbers
        if said["type"] == "message.created":
            numbers.append(said["seq"])
    return numbers
