"""What may have been missed is told, whatever else happens at that time."""

import asyncio
import signal
import time
from pathlib import Path
from subprocess import Popen

import pytest
from redis.asyncio import Redis

from api.fanout.listener import NotListening
from tests.doors.fanout.conftest import Heard, Script


async def test_who_waits_longer_is_served_by_the_same_confirmation(redis: "Popen[bytes]", heard: Heard) -> None:
    """One caller's lost patience costs another nothing, and the one who went on without is told of a gap."""
    await heard.until(lambda: heard.listener.connected)
    redis.send_signal(signal.SIGSTOP)
    short = asyncio.create_task(heard.listener.subscribe("c", 0.1))
    long = asyncio.create_task(heard.listener.subscribe("c", 4.0))
    with pytest.raises(NotListening):
        await short
    redis.send_signal(signal.SIGCONT)
    async with asyncio.timeout(3):
        await long
    assert heard.gaps == 1


async def test_unsubscribing_the_last_unconfirmed_channel_still_tells_the_gap(script: Script, heard: Heard) -> None:
    """A gap waits for channels that are wanted, not for one that is wanted no more."""
    await heard.until(lambda: heard.listener.connected)
    for channel in ("a", "b"):
        with pytest.raises(NotListening):
            await heard.listener.subscribe(channel, 0.01)
    await heard.until(lambda: [b"SUBSCRIBE", b"b"] in script.said)
    script.confirm("subscribe", "a")
    await heard.listener.subscribe("a", 5)
    assert heard.gaps == 0
    heard.listener.unsubscribe("b")
    assert heard.gaps == 1


async def test_a_new_channel_in_flight_holds_no_gap_back(script: Script, heard: Heard) -> None:
    """Where somebody always subscribes, the gap of the others is told all the same."""
    await heard.until(lambda: heard.listener.connected)
    with pytest.raises(NotListening):
        await heard.listener.subscribe("old", 0.01)
    new = asyncio.create_task(heard.listener.subscribe("new", 5))
    await heard.until(lambda: [b"SUBSCRIBE", b"new"] in script.said)
    script.confirm("subscribe", "old")
    await heard.until(lambda: heard.gaps == 1, 1)
    script.confirm("subscribe", "new")
    await new
    assert heard.gaps == 1


async def test_a_connection_lost_while_waiting_ends_the_wait(script: Script, heard: Heard) -> None:
    """Whoever waits for a confirmation learns at once that it will not come."""
    await heard.until(lambda: heard.listener.connected)
    waiting = asyncio.create_task(heard.listener.subscribe("c", 5))
    await heard.until(lambda: [b"SUBSCRIBE", b"c"] in script.said)
    script.close_all()
    with pytest.raises(NotListening):
        async with asyncio.timeout(4):
            await waiting


async def test_unsubscribing_ends_the_wait(script: Script, heard: Heard) -> None:
    """Whoever waits for a channel that is wanted no more learns it at once."""
    await heard.until(lambda: heard.listener.connected)
    waiting = asyncio.create_task(heard.listener.subscribe("c", 5))
    await heard.until(lambda: [b"SUBSCRIBE", b"c"] in script.said)
    heard.listener.unsubscribe("c")
    with pytest.raises(NotListening):
        async with asyncio.timeout(4):
            await waiting


async def test_only_the_last_answer_about_a_channel_counts(script: Script, heard: Heard) -> None:
    """The answer to an older SUBSCRIBE confirms nothing while a later UNSUBSCRIBE and SUBSCRIBE are unanswered."""
    await heard.until(lambda: heard.listener.connected)
    first = asyncio.create_task(heard.listener.subscribe("c", 5))
    await heard.until(lambda: [b"SUBSCRIBE", b"c"] in script.said)
    heard.listener.unsubscribe("c")
    last = asyncio.create_task(heard.listener.subscribe("c", 5))
    await heard.until(lambda: script.said.count([b"SUBSCRIBE", b"c"]) == 2)
    script.confirm("subscribe", "c")
    script.confirm("unsubscribe", "c")
    done, _ = await asyncio.wait({last}, timeout=0.1)
    assert not done
    script.confirm("subscribe", "c")
    async with asyncio.timeout(4):
        await last
    await asyncio.gather(first, return_exceptions=True)
    assert heard.listener.all_confirmed


async def test_a_callback_that_raises_costs_one_payload(redis: "Popen[bytes]", path: Path, heard: Heard) -> None:
    """The fault is counted, and the payloads behind it in the same read arrive on the same connection."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    heard.fails_on = b"1"
    async with Redis(unix_socket_path=str(path)) as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(3):
            pipeline.publish("c", str(number))
        await pipeline.execute()
    await heard.until(lambda: len(heard.payloads) == 2)
    assert heard.payloads == [("c", b"0"), ("c", b"2")]
    assert heard.listener.failed == 1
    assert heard.listener.reconnects == 0


async def test_a_process_that_stood_still_keeps_a_healthy_connection(redis: "Popen[bytes]", heard: Heard) -> None:
    """Silence counts against Redis only after it was asked something."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    time.sleep(2.6)  # noqa: ASYNC251 - the loop itself stands still
    await asyncio.sleep(1.5)
    assert heard.listener.reconnects == 0
    assert heard.gaps == 0
