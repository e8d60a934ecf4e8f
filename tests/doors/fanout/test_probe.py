"""Whether what this process publishes comes back to it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import Popen

import pytest
from redis.asyncio import Redis

from api.embedded import redis_server
from api.fanout import probe as probe_module
from api.fanout.listener import Listener
from api.fanout.probe import Probe
from api.fanout.publish import Publisher
from tenants.pubsub import PubSub
from tenants.wire import Address


class Fanout:
    """One process's fan-out: a listener and a publisher that may be sent to different servers, and its probe."""

    def __init__(self, listens_at: Path, pubsub: PubSub) -> None:
        self.probe = Probe()
        self.gaps = 0
        self.listener = Listener(Address.parse(f"unix://{listens_at}"), self._on_payload, self._on_gap)
        self.publisher = Publisher(pubsub)

    def _on_payload(self, channel: str, _: bytes) -> None:
        assert channel == self.probe.channel
        self.probe.on_payload()

    def _on_gap(self) -> None:
        self.gaps += 1

    @property
    def is_silent(self) -> bool:
        return self.probe.is_silent(asyncio.get_running_loop().time())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.listener.run())
            tasks.create_task(self.publisher.run())
            tasks.create_task(self.probe.run(self.publisher, self.listener))

    async def until(self, *, silent: bool, wait_s: float) -> None:
        async with asyncio.timeout(wait_s):
            while self.is_silent is not silent:
                await asyncio.sleep(0.01)


def _move(path: Path, to: Path) -> None:
    path.rename(to)


async def _fail_over(path: Path, elsewhere: Path) -> None:
    """Have the name lead elsewhere, as publishers find out, while the server goes on for those who listen to it."""
    _move(path, elsewhere)
    async with Redis(unix_socket_path=str(elsewhere)) as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.fixture
def elsewhere(path: Path) -> Path:
    """The place of a second server."""
    return path.with_name("other.sock")


@pytest.fixture
async def fanout(path: Path) -> AsyncIterator[Fanout]:
    async with PubSub.open(f"unix://{path}") as pubsub:
        made = Fanout(path, pubsub)
        task = asyncio.create_task(made.run())
        yield made
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_silence_is_the_time_since_one_was_heard(path: Path) -> None:
    """Nobody is heard before the first; 1.2 s after the last, there is silence."""
    probe = Probe()
    now = asyncio.get_running_loop().time()
    assert probe.is_silent(now)
    assert probe.heard_s_ago(now) == float("inf")
    probe.on_payload()
    heard_at = asyncio.get_running_loop().time()
    assert probe.heard_s_ago(heard_at) < 0.1
    assert not probe.is_silent(heard_at + 1.1)
    assert probe.is_silent(heard_at + 1.21)


async def test_a_hanging_redis_is_silent_and_then_heard_again(redis: "Popen[bytes]", fanout: Fanout) -> None:
    """Silence is noticed in 1.2 s and little more, and ends when Redis goes on."""
    await fanout.until(silent=False, wait_s=2)
    redis.send_signal(signal.SIGSTOP)
    await fanout.until(silent=True, wait_s=1.7)
    redis.send_signal(signal.SIGCONT)
    await fanout.until(silent=False, wait_s=3)


async def test_a_listener_left_with_the_old_server_moves_to_the_new(
    path: Path, elsewhere: Path, fanout: Fanout
) -> None:
    """After a failover in which the old server lives on and answers, the listener goes where the name leads now."""
    with redis_server(path, path.parent / "log", os.environ):
        await fanout.until(silent=False, wait_s=3)
        await _fail_over(path, elsewhere)
        with redis_server(path, path.parent / "log", os.environ):
            await fanout.until(silent=True, wait_s=2)
            assert fanout.listener.all_confirmed
            await fanout.until(silent=False, wait_s=5)
            assert fanout.listener.reconnects == 1


async def test_a_publisher_that_fails_is_not_blamed_on_the_listener(
    redis: "Popen[bytes]", path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is taken, nothing can come back: a good connection is kept."""
    monkeypatch.setattr(probe_module, "RENEW_S", 0.1)
    async with PubSub.open(f"unix://{elsewhere}") as pubsub:
        fanout = Fanout(path, pubsub)
        task = asyncio.create_task(fanout.run())
        async with asyncio.timeout(15):
            while fanout.publisher.failed < 4:
                await asyncio.sleep(0.01)
        assert fanout.is_silent
        assert fanout.listener.reconnects == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
