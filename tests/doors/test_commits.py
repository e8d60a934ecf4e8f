"""The audit's read: each commit exactly once, the first time it is visible."""

import asyncio
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.log import commits
from api.log.commits import CommitReader

ADD = "INSERT INTO commits (apps, rooms, heads) VALUES ('{1}', ARRAY[$1::bigint], '{1}')"
Connection = asyncpg.Connection


@pytest.fixture
async def connections(environment: dict[str, str]) -> AsyncIterator["list[Connection[asyncpg.Record]]"]:
    opened = [await asyncpg.connect(environment["DATABASE_URL"]) for _ in range(9)]
    yield opened
    await asyncio.gather(*(connection.close() for connection in opened))


async def test_commits_are_seen_once_whatever_order_they_commit_in(
    connections: "list[Connection[asyncpg.Record]]",
) -> None:
    """With transactions that roll back, and that commit long after they began, none is missed and none is seen twice."""
    reader, *writers = connections
    chance = random.Random(1)
    done: set[int] = set()

    async def write(connection: "Connection[asyncpg.Record]", base: int) -> None:
        for number in range(60):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(ADD, base + number)
            await asyncio.sleep(chance.random() * 0.02)
            if chance.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                done.add(base + number)

    commit_reader = CommitReader(reader)
    await commit_reader.baseline()
    seen: list[int] = []
    writing = asyncio.gather(*(write(each, 10_000_000 + 1000 * n) for n, each in enumerate(writers)))
    while not writing.done():
        seen += [room for _, room, _ in (await commit_reader.look()).heads]
        await asyncio.sleep(0.005)
    await writing
    seen += [room for _, room, _ in (await commit_reader.look()).heads]
    ours = [room for room in seen if room >= 10_000_000]
    assert sorted(ours) == sorted(done)


async def test_a_transaction_older_than_the_baseline_is_seen_when_it_commits(
    connections: "list[Connection[asyncpg.Record]]",
) -> None:
    """What had begun, but not committed, before the baseline is new when it commits."""
    reader, slow, *_ = connections
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(ADD, 20_000_001)
    commit_reader = CommitReader(reader)
    await commit_reader.baseline()
    await transaction.commit()
    assert 20_000_001 in [room for _, room, _ in (await commit_reader.look()).heads]


async def test_trimming_leaves_what_another_reader_may_not_have_seen(
    connections: "list[Connection[asyncpg.Record]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was over before a look long ago is removed; a transaction still under way then stays."""
    monkeypatch.setattr(commits, "KEEP_S", 120.0)
    reader, slow, quick, *_ = connections
    await quick.execute(ADD, 30_000_001)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(ADD, 30_000_002)
    commit_reader = CommitReader(reader)
    await commit_reader.baseline()
    await commit_reader.trim(1000.0)
    await quick.execute(ADD, 30_000_003)
    await transaction.commit()
    await commit_reader.look()
    await commit_reader.trim(1060.0)
    kept = {row["room"] for row in await reader.fetch("SELECT rooms[1] AS room FROM commits")}
    assert 30_000_001 in kept, "nothing may go before its time"
    await commit_reader.trim(1121.0)
    kept = {row["room"] for row in await reader.fetch("SELECT rooms[1] AS room FROM commits")}
    assert 30_000_001 not in kept
    assert {30_000_002, 30_000_003} <= kept
