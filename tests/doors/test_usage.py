"""Usage: what an app stores is told closely enough for its quota, by work that does not grow with its logs."""

import asyncio

import pytest
from sqlalchemy import text

from tenants.usage import BYTES, SAMPLED_ROOMS, Usage
from tests.support.inside import Inside
from tests.support.long_rooms import fill, talk

WAIT_S = 15.0
EXACT = text("""
SELECT sum(octet_length(facts) + coalesce(octet_length(body), 0)) FROM events WHERE app_id = :app
""")
DELETE = text("UPDATE rooms SET deleted_at = now() WHERE app_id = :app AND room = :room")
PURGE = text("SELECT purge_room_v1(:app, :room, 1000)")
MOVE = text("SELECT move_floor_v1(:app, :room, 'infinity', 5)")


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


async def test_another_app_s_events_do_not_count(here: Inside, there: Inside) -> None:
    """Neither for the service, which sees no others, nor by the statement itself for one who does."""
    await talk(here, "r", "one", "two")
    before = await stored(here)
    await fill(there, await talk(there, "r", "other"), 1_000)
    assert await measured(here) == before
    async with here.as_owner() as connection:
        assert int((await connection.execute(BYTES, {"app": here.scope.app})).scalar_one()) == before
