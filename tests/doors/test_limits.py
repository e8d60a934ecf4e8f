"""Limits on a real Redis: the script is the model, and without Redis every process holds its limits by itself."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from api.embedded import Servers
from tenants import limits as limits_module
from tenants.channels import address_limit, app_limit, user_limit
from tenants.gcra import MICROSECONDS, Rate, judge
from tenants.ids import AppId, UserNumber
from tenants.limits import MAX_CALLS, SCRIPT, SHA, Limit, Limits, _OwnCount
from tenants.pubsub import PubSub

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
async def pubsub(stores: Servers) -> AsyncIterator[PubSub]:
    async with PubSub.open(stores.redis_url) as opened:
        yield opened


@pytest.fixture
async def client(stores: Servers) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.redis_url) as opened:
        yield opened


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis takes longer than a process waits for it; these tests are of what Redis says."""
    monkeypatch.setattr(limits_module, "TIMEOUT_S", 10.0)


@pytest.fixture
async def limits(pubsub: PubSub, patience: None) -> AsyncIterator[Limits]:
    del patience
    made = Limits(pubsub)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()


def bucket(per_s: float, burst: int, name: str = "b") -> Limit:
    return Limit(name, app_limit(AppId(secrets.randbits(60)), name), Rate(per_s, burst))


RATES = st.builds(Rate, st.floats(10, 1_000_000), st.integers(1, 12))


@given(
    rates=st.lists(RATES, min_size=1, max_size=4),
    delays_s=st.lists(st.sampled_from([-10, 0, 2, 10**9]), min_size=4, max_size=4),
    checks=st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=40),
    at_once=st.booleans(),
)
@settings(max_examples=60)
async def test_the_script_says_what_the_model_says(
    pubsub: PubSub, client: Redis, rates: list[Rate], delays_s: list[int], checks: list[set[int]], *, at_once: bool
) -> None:
    """Checks of random buckets, in one trip or in many, end to the microsecond on Redis's own clock as in the model.

    Some begin with what a clock that was wrong has left behind.
    """
    tag = secrets.token_hex(8)
    seconds, _ = await client.time()
    full_at = [(seconds + delay_s) * MICROSECONDS for delay_s in delays_s[: len(rates)]]
    for index, moment in enumerate(full_at):
        await client.set(address_limit(tag, str(index)), moment)
    for together in [checks] if at_once else [[check] for check in checks]:
        chosen = [sorted(index for index in check if index < len(rates)) or [0] for check in together]
        keys = [address_limit(tag, str(index)) for indexes in chosen for index in indexes]
        numbers: list[int] = []
        for indexes in chosen:
            numbers.append(len(indexes))
            for index in indexes:
                numbers += (rates[index].interval_us, rates[index].span_us)
        [reply] = await pubsub.evaluate(SCRIPT, SHA, [(keys, numbers)], 1.0)
        assert reply is not None
        now_us, *answers = reply
        for indexes in chosen:
            verdict = judge([rates[index] for index in indexes], [full_at[index] for index in indexes], now_us)
            allowed, *used = answers[: 1 + len(indexes)]
            del answers[: 1 + len(indexes)]
            assert (allowed == 1) is verdict.is_allowed
            assert used == verdict.used_us
            if verdict.is_allowed:
                for index, used_us in zip(indexes, used, strict=True):
                    full_at[index] = now_us + used_us
        assert not answers


@given(
    limits=st.lists(RATES, min_size=1, max_size=3).map(
        lambda rates: [Limit(str(index), str(index), rate) for index, rate in enumerate(rates)]
    ),
    pauses_us=st.lists(st.sampled_from([0, 0, 0, 1, 1_000, MICROSECONDS // 5]), min_size=1, max_size=40),
)
def test_the_quick_look_at_one_s_own_count_says_what_the_whole_one_says(
    limits: list[Limit], pauses_us: list[int]
) -> None:
    """Whatever has been let through before, and by rates of every kind."""
    own, now_us = _OwnCount(), MICROSECONDS
    for pause_us in pauses_us:
        now_us += pause_us
        assert own.has_one(limits, now_us) is own.look(limits, now_us).is_allowed
        own.count(limits, now_us)


@pytest.mark.usefixtures("patience")
async def test_several_processes_share_one_bucket_exactly(pubsub: PubSub) -> None:
    """Of 300 checks at once in three processes, exactly the burst passes."""
    processes = [Limits(pubsub) for _ in range(3)]
    tasks = [asyncio.create_task(process.run()) for process in processes]
    limit = bucket(0.01, 100)
    verdicts = await asyncio.gather(*(processes[n % 3].take([limit]) for n in range(300)))
    for task in tasks:
        task.cancel()
    assert sum(verdict.is_allowed for verdict in verdicts) == 100
    # Checks that came together travelled together.
    assert all(process.counts.trips <= 2 for process in processes)


async def test_a_redis_that_lost_the_script_is_told_it_anew(limits: Limits, client: Redis) -> None:
    """After SCRIPT FLUSH the very next check is judged by Redis all the same."""
    limit = bucket(0.01, 2)
    assert (await limits.take([limit])).is_allowed
    await client.script_flush()
    assert (await limits.take([limit])).is_allowed
    assert not (await limits.take([limit])).is_allowed
    assert limits.counts.alone == 0


async def test_what_one_bucket_refuses_is_taken_from_none(limits: Limits) -> None:
    """A user's empty bucket leaves the app's as it was."""
    app = AppId(secrets.randbits(60))
    of_app = Limit("app", app_limit(app, "a"), Rate(0.01, 10))
    of_user = Limit("user", user_limit(app, UserNumber(7), "u"), Rate(0.01, 1))
    verdicts = [await limits.take([of_app, of_user]) for _ in range(5)]
    assert [verdict.is_allowed for verdict in verdicts] == [True, False, False, False, False]
    assert (await limits.take([of_app])).standings[0].remaining == 8


async def test_without_redis_every_process_holds_the_limit_by_itself() -> None:
    """Redis out of reach: never unlimited, never closed."""
    async with PubSub.open(NOBODY) as nowhere:
        processes = [Limits(nowhere) for _ in range(2)]
        tasks = [asyncio.create_task(process.run()) for process in processes]
        limit = bucket(0.01, 10)
        verdicts = await asyncio.gather(*(processes[n % 2].take([limit]) for n in range(100)))
        for task in tasks:
            task.cancel()
    assert sum(verdict.is_allowed for verdict in verdicts) == 20
    assert all(process.counts.alone > 0 for process in processes)


async def test_a_redis_that_lost_its_data_gives_no_process_more_than_the_limit(limits: Limits, client: Redis) -> None:
    """A Redis that comes back empty does not hand out a second burst to the same process."""
    limit = bucket(0.01, 10)
    for _ in range(10):
        assert (await limits.take([limit])).is_allowed
    await client.delete(limit.key)
    assert not (await limits.take([limit])).is_allowed


async def test_a_redis_that_does_not_answer_delays_one_check_and_not_the_next() -> None:
    """After 0.1 s without an answer the process goes by its own count, and leaves Redis alone for a while."""
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    async with silent, PubSub.open(f"redis://127.0.0.1:{port}/0") as pubsub:
        limits = Limits(pubsub)
        running = asyncio.create_task(limits.run())
        limit = bucket(0.01, 2)
        began = loop.time()
        first = await limits.take([limit])
        asked = loop.time()
        later = [await limits.take([limit]) for _ in range(10)]
        ended = loop.time()
        running.cancel()
    assert first.is_allowed
    assert 0.09 < asked - began < 5
    # Ten that each waited would have taken a second.
    assert ended - asked < 0.9
    assert [verdict.is_allowed for verdict in later] == [True, *[False] * 9]


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_limits_that_end_leave_nobody_waiting(pubsub: PubSub) -> None:
    """Checks in mid-trip when the process ends are judged by its own count."""
    limits = Limits(pubsub)
    running = asyncio.create_task(limits.run())
    limit = bucket(0.01, 3)
    tasks = [asyncio.create_task(limits.take([limit])) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(10):
        verdicts = await asyncio.gather(*tasks)
    assert sum(verdict.is_allowed for verdict in verdicts) == 3
    async with asyncio.timeout(10):
        assert not (await limits.take([limit])).is_allowed


async def test_checks_that_came_during_a_failed_trip_make_none_of_their_own() -> None:
    """However many wait for a Redis that does not answer, one time-out is all that they wait for."""
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, PubSub.open(f"redis://127.0.0.1:{port}/0") as pubsub:
        limits = Limits(pubsub)
        running = asyncio.create_task(limits.run())
        first = asyncio.create_task(limits.take([bucket(0.01, 1)]))
        while limits.counts.trips == 0:
            await asyncio.sleep(0)
        # More than one trip could carry, all while the first is under way.
        later = [asyncio.create_task(limits.take([bucket(0.01, 1)])) for _ in range(2 * MAX_CALLS)]
        verdicts = await asyncio.gather(first, *later)
        running.cancel()
    assert all(verdict.is_allowed for verdict in verdicts)
    assert limits.counts.trips == 1
