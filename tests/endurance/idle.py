"""Thousands who open a socket and say nothing, beside somebody who works."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.endurance.gauges import figures, rss_mib
from tests.endurance.raw import dial, raw_socket, upgrade
from tests.support.processes import Service
from tests.support.world import App

AT_ONCE = 200


@dataclass
class Seen:
    """What became of them."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lived_s: list[float] = field(default_factory=list)
    acks_s: list[float] = field(default_factory=list)
    rss_before: float = 0.0
    rss_most: float = 0.0
    rss_after: float = 0.0
    most_inside: float = 0.0


async def crowd(service: Service, app: App, *, strangers: int, silent: int, sources: int) -> Seen:
    """Open sockets from many addresses: `strangers` upgrade and say nothing more, `silent` do not even that."""
    await app.room("work", ("ann",))
    seen = Seen(rss_before=rss_mib(service))
    gate = asyncio.Semaphore(AT_ONCE)
    done = asyncio.Event()

    async def stranger(number: int) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with gate:
                raw = await stack.enter_async_context(dial(service.port, source=f"127.0.0.{2 + number % sources}"))
                await raw.send(upgrade())
                status, headers = await raw.head()
            if status != 101:
                assert int(headers["retry-after"]) > 0
                seen.outcomes[f"refused {status}"] += 1
                return
            began = time.monotonic()
            seen.outcomes[f"closed {(await raw.end(60)).code}"] += 1
            seen.lived_s.append(time.monotonic() - began)

    async def mute() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with gate:
                raw = await stack.enter_async_context(dial(service.port))
            said = await raw.hung_up(90)
            seen.outcomes["silent, ended with a word" if said else "silent, ended"] += 1

    async def work() -> None:
        async with raw_socket(service.port, await app.token("ann")) as raw:
            while not done.is_set():
                began = time.monotonic()
                await raw.say(op="send", id=1, room="work", parts=[{"type": "text", "text": "x"}])
                assert (await raw.hear_json(60))["type"] == "ack"
                seen.acks_s.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    async def watch() -> None:
        while not done.is_set():
            seen.rss_most = max(seen.rss_most, rss_mib(service))
            inside = (await asyncio.to_thread(figures, service))["unauthenticated"]
            seen.most_inside = max(seen.most_inside, inside)
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        group.create_task(watch())
        crowd_ = [group.create_task(stranger(number)) for number in range(strangers)]
        crowd_ += [group.create_task(mute()) for _ in range(silent)]
        await asyncio.wait(crowd_)
        done.set()
    seen.rss_after = rss_mib(service)
    return seen
