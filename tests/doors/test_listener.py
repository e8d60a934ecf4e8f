"""Our own subscription connection: confirmed, watched, renewed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from api.embedded import redis_server
from api.fanout.listener import Listener, NotListening
from api.fanout.publish import MAX_PAYLOADS, Publisher
from tenants.pubsub import PubSub
from tenants.wire import Address


class Heard:
    """A listener running, and what it has heard."""

    def __init__(self, path: Path) -> None:
        self.payloads: list[tuple[str, bytes]] = []
        self.gaps = 0
        self._changed = asyncio.Event()
        self.listener = Listener(Address.parse(f"unix://{path}"), self._payload, self._gap)

    def _payload(self, channel: str, payload: bytes) -> None:
        self.payloads.append((channel, payload))
        self._changed.set()

    def _gap(self) -> None:
        self.gaps += 1
        self._changed.set()

    async def until_payloads(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.payloads) < count:
                self._changed.clear()
                await self._changed.wait()

    async def until_gaps(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.gaps < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r") / "redis.sock"


@pytest.fixture
def server(path: Path) -> Iterator[Path]:
    with redis_server(path, path.parent / "log", os.environ):
        yield path


@pytest.fixture
async def heard(path: Path) -> AsyncIterator[Heard]:
    """A listener that runs, whether its server does or not."""
    made = Heard(path)
    running = asyncio.create_task(made.listener.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def connected(heard: Heard) -> None:
    async with asyncio.timeout(10):
        while not heard.listener.connected:
            await asyncio.sleep(0.01)


async def test_what_is_published_after_subscribing_is_heard(server: Path, heard: Heard) -> None:
    """When `subscribe` has returned, nothing published on the channel is missed, and order is kept."""
    await connected(heard)
    async with Redis(unix_socket_path=str(server)) as client:
        for number in range(50):
            await heard.listener.subscribe(f"c{number}")
            await client.publish(f"c{number}", f"{number}")
        await heard.until_payloads(50)
    assert heard.payloads == [(f"c{number}", str(number).encode()) for number in range(50)]
    assert heard.gaps == 0


async def test_a_killed_connection_is_renewed_and_reported_as_a_gap(server: Path, heard: Heard) -> None:
    """All channels are subscribed anew, the gap is told once all are confirmed, and delivery goes on."""
    await connected(heard)
    for number in range(3000):
        await heard.listener.subscribe(f"c{number}")
    async with Redis(unix_socket_path=str(server)) as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await heard.until_gaps(1)
        assert heard.listener.all_confirmed
        await client.publish("c2999", "again")
        await heard.until_payloads(1)


async def test_without_a_server_subscribing_says_so_at_once_and_is_made_good_later(path: Path, heard: Heard) -> None:
    """A channel wanted while Redis is away is confirmed when it comes, as a gap."""
    with pytest.raises(NotListening):
        await heard.listener.subscribe("c")
    assert not heard.listener.all_confirmed
    with redis_server(path, path.parent / "log", os.environ):
        await heard.until_gaps(1)
        assert heard.listener.all_confirmed
        async with Redis(unix_socket_path=str(path)) as client:
            await client.publish("c", "now")
            await heard.until_payloads(1)


async def test_a_silent_server_is_dropped(path: Path, heard: Heard) -> None:
    """A server that is stopped is noticed within 3 s, and found again when it goes on."""
    with redis_server(path, path.parent / "log", os.environ) as process:
        await connected(heard)
        await heard.listener.subscribe("c")
        process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(10):
            while heard.listener.all_confirmed:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGCONT)
        await heard.until_gaps(1)


async def test_storms_of_subscribing_and_unsubscribing_end_as_wanted(server: Path, heard: Heard) -> None:
    """A late confirmation of an unsubscription does not undo a newer subscription."""
    await connected(heard)
    for _ in range(200):
        with contextlib.suppress(NotListening):
            await heard.listener.subscribe("c")
        heard.listener.unsubscribe("c")
        heard.listener.unsubscribe("d")
        await heard.listener.subscribe("d")
    assert heard.listener.all_confirmed
    async with Redis(unix_socket_path=str(server)) as client:
        assert await client.publish("d", "x") == 1
        assert await client.publish("c", "x") == 0
        await heard.until_payloads(1)


async def test_publishing_never_blocks_and_drops_the_oldest(path: Path) -> None:
    """Hints pile up to a bound while Redis is away; then the oldest are dropped, and counted."""
    async with PubSub.open(f"unix://{path}") as pubsub:
        publisher = Publisher(pubsub)
        for _ in range(MAX_PAYLOADS + 7):
            publisher.offer("c", b"x")
        assert publisher.dropped == 7
        running = asyncio.create_task(publisher.run())
        await publisher.drain(0.2)
        running.cancel()
        assert publisher.failed > 0


async def test_publications_keep_their_order(server: Path, heard: Heard) -> None:
    """What is offered in order is published in order."""
    await connected(heard)
    await heard.listener.subscribe("c")
    async with PubSub.open(f"unix://{server}") as pubsub:
        publisher = Publisher(pubsub)
        running = asyncio.create_task(publisher.run())
        for number in range(1000):
            publisher.offer("c", str(number).encode())
        await heard.until_payloads(1000)
        running.cancel()
    assert [payload for _, payload in heard.payloads] == [str(number).encode() for number in range(1000)]


async def test_a_publisher_that_is_cancelled_in_mid_command_ends(server: Path) -> None:
    """Whatever Redis' client is doing at that moment, a cancelled publisher is over."""
    async with PubSub.open(f"unix://{server}") as pubsub:
        for number in range(300):
            publisher = Publisher(pubsub)
            running = asyncio.create_task(publisher.run())
            for _ in range(1 + number % 30):
                publisher.offer("c", b"x")
            for _ in range(number % 13):
                await asyncio.sleep(0)
            running.cancel()
            done, _ = await asyncio.wait({running}, timeout=10)
            assert done
