"""Publishing costs its caller nothing, whatever Redis does."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import Popen

from api.embedded import redis_server
from api.fanout.publish import MAX_BYTES, MAX_PAYLOADS, Publisher
from tenants.pubsub import PubSub
from tests.doors.fanout.conftest import Heard

MEGABYTE = b"x" * 1024 * 1024


@contextlib.asynccontextmanager
async def publishing(path: Path) -> AsyncIterator[Publisher]:
    async with PubSub.open(f"unix://{path}") as pubsub:
        publisher = Publisher(pubsub)
        task = asyncio.create_task(publisher.run())
        try:
            yield publisher
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_is_drained_is_published(redis: "Popen[bytes]", path: Path, heard: Heard) -> None:
    """After `drain` nothing that was offered before it is still on its way out."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    async with publishing(path) as publisher:
        for number in range(600):
            publisher.offer("c", str(number).encode())
        await publisher.drain(5)
        assert publisher.published == 600
    await heard.until(lambda: len(heard.payloads) == 600)
    assert [payload for _, payload in heard.payloads] == [str(number).encode() for number in range(600)]
    assert (publisher.dropped, publisher.failed) == (0, 0)
    assert heard.listener.received == 600


async def test_the_queue_is_bounded_in_bytes(redis: "Popen[bytes]", path: Path, heard: Heard) -> None:
    """Past 16 MiB the oldest are dropped and counted, and the newest arrive."""
    await heard.until(lambda: heard.listener.connected)
    for number in range(20):
        await heard.listener.subscribe(f"c{number}")
    async with publishing(path) as publisher:
        for number in range(20):
            publisher.offer(f"c{number}", MEGABYTE)
        assert publisher.dropped == 20 - MAX_BYTES // len(MEGABYTE)
        await heard.until(lambda: len(heard.payloads) == 20 - publisher.dropped)
    assert [channel for channel, _ in heard.payloads] == [f"c{number}" for number in range(publisher.dropped, 20)]


async def test_a_payload_larger_than_the_queue_is_dropped_alone(redis: "Popen[bytes]", path: Path) -> None:
    """It takes what waits before it with it, and nothing that comes after."""
    async with publishing(path) as publisher:
        publisher.offer("c", b"x" * (MAX_BYTES + 1))
        assert publisher.dropped == 1
        await publisher.drain(1)
        publisher.offer("c", b"x")
        await publisher.drain(5)
        assert publisher.published == 1


async def test_a_hanging_redis_blocks_nobody(redis: "Popen[bytes]", path: Path, heard: Heard) -> None:
    """Offering goes on, what has failed or waited for a second is given up, and what comes later is published."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    async with publishing(path) as publisher:
        redis.send_signal(signal.SIGSTOP)
        publisher.offer("c", b"first")
        await heard.until(lambda: publisher.failed == 1)
        for number in range(MAX_PAYLOADS + 256):
            publisher.offer("c", str(number).encode())
        assert publisher.dropped == 256
        await publisher.drain(0.1)
        await heard.until(lambda: publisher.dropped > 256)
        await publisher.drain(5)
        assert publisher.dropped + publisher.failed == MAX_PAYLOADS + 256 + 1
        redis.send_signal(signal.SIGCONT)
        publisher.offer("c", b"later")
        await heard.until(lambda: ("c", b"later") in heard.payloads)
        await publisher.drain(5)
        assert publisher.published == 1


async def test_what_has_failed_is_not_tried_again(path: Path, heard: Heard) -> None:
    """A hint that was not taken is left to the audit; it never comes late."""
    async with publishing(path) as publisher:
        publisher.offer("c", b"lost")
        await publisher.drain(5)
        assert publisher.failed == 1
        with redis_server(path, path.parent / "log", os.environ):
            await heard.until(lambda: heard.listener.connected)
            await heard.listener.subscribe("c")
            publisher.offer("c", b"taken")
            await heard.until(lambda: bool(heard.payloads))
        assert heard.payloads == [("c", b"taken")]
        await publisher.drain(5)
        assert publisher.published == 1
