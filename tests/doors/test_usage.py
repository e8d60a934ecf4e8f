"""Usage: what an app stores is told closely enough for its quota, by work that does not grow with its logs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from api.ids import RoomNumber
from tenants.usage import BYTES, SAMPLED_EVENTS, SAMPLED_ROOMS, Usage
from tests.support.inside import Inside, inside

WAIT_S = 15.0
EXACT = text("""
SELECT sum(octet_length(facts) + coalesce(octet_length(body), 0)) FROM events WHERE app_id = :app
""")
# Copies of a room's last message, of lengths that go round, as if they had been sent.
FILL = text("""
INSERT INTO events (app_id, room, seq, number, epoch, kind, sender, facts, body, key_hash, request_hash, at)
SELECT app_id, room, seq + n, number + n, epoch, kind, sender, facts, body || repeat('x', (n * 37 % 101)::integer),
       uuid_send(gen_random_uuid()), request_hash, at
  FROM events, generate_series(1, :count) AS n
 WHERE app_id = :app AND room = :room AND seq = (SELECT head_seq FROM rooms WHERE app_id = :app AND room = :room)
""")
RAISE = text("""
UPDATE rooms SET head_seq = head_seq + :count, head_number = head_number + :count WHERE app_id = :app AND room = :room
""")
LOOK = text("ANALYZE events")
FORGET = text("DELETE FROM pg_statistic WHERE starelid = 'events'::regclass")
DELETE = text("UPDATE rooms SET deleted_at = now() WHERE app_id = :app AND room = :room")
PURGE = text("SELECT purge_room_v1(:app, :room, 1000)")
MOVE = text("SELECT move_floor_v1(:app, :room, 'infinity', 5)")


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    async with inside(environment) as opened:
        yield opened


@pytest.fixture
async def there(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """Another app."""
    async with inside(environment) as opened:
        yield opened


async def talk(here: Inside, room: str, *texts: str) -> RoomNumber:
    number = await here.room(room, "ann")
    for said in texts:
        await here.say(room, said, "ann")
    return number


async def fill(here: Inside, room: RoomNumber, count: int) -> None:
    values = {"app": here.scope.app, "room": room, "count": count}
    async with here.as_owner() as connection:
        await connection.execute(FILL, values)
        await connection.execute(RAISE, values)


async def measured(here: Inside) -> int:
    usage = Usage(here.wiring.postgres)
    running = asyncio.create_task(usage.run())
    try:
        async with asyncio.timeout(WAIT_S):
            while not (size_bytes := usage.stored_bytes(here.scope)):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    return size_bytes


async def stored(here: Inside) -> int:
    async with here.as_owner() as connection:
        return int((await connection.execute(EXACT, {"app": here.scope.app})).scalar_one())


async def test_few_and_short_rooms_are_measured_exactly(here: Inside) -> None:
    """Rooms of different lengths and messages of different sizes sum up to the byte, and what is gone is gone from it."""
    short = await talk(here, "short", "x")
    await talk(here, "longer", *("y" * size for size in (1, 10, 100, 1_000, 10_000)))
    kept = await talk(here, "kept for a while", *("z" * size for size in range(10)))
    assert await measured(here) == await stored(here)
    async with here.as_owner() as connection:
        assert (await connection.execute(MOVE, {"app": here.scope.app, "room": kept})).scalar_one() == 6
    assert await measured(here) == await stored(here)
    async with here.as_owner() as connection:
        await connection.execute(DELETE, {"app": here.scope.app, "room": short})
        while (await connection.execute(PURGE, {"app": here.scope.app, "room": short})).scalar_one():
            pass
    assert await measured(here) == await stored(here)


async def test_a_long_room_is_measured_within_a_few_percent(here: Inside) -> None:
    """Thousands of messages that are much alike, beside a room of a few long ones that hardly count."""
    await talk(here, "few", *("x" * 10_000 for _ in range(3)))
    await fill(here, await talk(here, "many", "hello"), 5_000)
    assert await measured(here) == pytest.approx(await stored(here), rel=0.03)


async def test_more_rooms_than_are_looked_into_count_too(here: Inside) -> None:
    """Each room beyond the sampled ones adds to the estimate as many bytes as theirs have."""
    await asyncio.gather(*(talk(here, f"room {number}", "alike") for number in range(SAMPLED_ROOMS + 20)))
    assert await measured(here) == pytest.approx(await stored(here), rel=0.03)


@pytest.mark.parametrize("known", ["nothing", "others", "all"])
async def test_measuring_reads_no_more_of_longer_logs(here: Inside, there: Inside, known: str) -> None:
    """However long rooms are, no more than their newest events are read, whatever PostgreSQL knows of the table."""
    await fill(there, await talk(there, "r", "other"), 5_000)
    if known == "others":
        async with there.as_owner() as connection:
            await connection.execute(LOOK)
    for name in ("a", "b", "c"):
        await fill(here, await talk(here, name, "hello"), 5_000)
    if known != "others":
        async with here.as_owner() as connection:
            await connection.execute(LOOK if known == "all" else FORGET)
    explain = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {BYTES.text}")
    async with here.wiring.postgres.transaction(here.scope) as connection:
        [plan] = (await connection.execute(explain, {"app": here.scope.app})).scalar_one()
    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "events"]
    assert 0 < sum(read(node) for node in scans) <= 3 * SAMPLED_EVENTS


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from nodes(below)


def read(scan: dict[str, Any]) -> float:
    """Tell how many rows a scan has looked at, used or not."""
    looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return float(scan["Actual Loops"] * sum(scan.get(name, 0) for name in looked_at))


async def test_another_app_s_events_do_not_count(here: Inside, there: Inside) -> None:
    """Neither for the service, which sees no others, nor by the statement itself for one who does."""
    await talk(here, "r", "one", "two")
    before = await stored(here)
    await fill(there, await talk(there, "r", "other"), 1_000)
    assert await measured(here) == before
    async with here.as_owner() as connection:
        assert int((await connection.execute(BYTES, {"app": here.scope.app})).scalar_one()) == before
