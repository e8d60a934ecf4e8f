"""Usage by REST: for an app's own servers, by the hour and by the day."""

import asyncio
import itertools
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from tenants.clock import now
from tenants.ids import parse_app_name
from tenants.tallies import DAY
from tests.support.world import App, World

WAIT_S = 20.0
ADD = """
INSERT INTO tallies SELECT $1, date_trunc('day', now(), 'UTC') - make_interval(days => days, hours => hours), 1, 10, 100
  FROM unnest(ARRAY[0, 1, 30, 31, 70], ARRAY[0, -23, 0, 0, 0]) AS u (days, hours)
"""


async def usage_of(app: App, query: str = "") -> dict[str, Any]:
    answer = await app.ask("GET", f"/v1/usage{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def fill(environment: dict[str, str], app: App) -> None:
    """Have an app do something today, in yesterday's last hour, and 30, 31 and 70 days ago."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        await connection.execute(ADD, parse_app_name(app.id))
    finally:
        await connection.close()


async def test_by_default_the_last_31_days_are_given(world: World, environment: dict[str, str]) -> None:
    """Each with its figures, oldest first, this one last; of another app nothing."""
    await fill(environment, world.app)
    told = await usage_of(world.app)
    assert told["by"] == "day"
    assert [tally["messages"] for tally in told["tallies"]] == [1] + [0] * 28 + [1, 1]
    first, last = told["tallies"][0], told["tallies"][-1]
    assert (first["deliveries"], first["connections"], first["active_users"]) == (10, 100, 0)
    assert last["begins_at"][10:] == "T00:00:00.000Z"
    assert datetime.fromisoformat(last["begins_at"]) <= now()
    assert {tally["messages"] for tally in (await usage_of(world.other))["tallies"]} == {0}


async def test_hours_are_given_up_to_this_one(world: World, environment: dict[str, str]) -> None:
    """From the beginning of the first day on."""
    await fill(environment, world.app)
    told = await usage_of(world.app, "?by=hour&days=2")
    hours = [datetime.fromisoformat(tally["begins_at"]) for tally in told["tallies"]]
    assert hours[0].hour == 0
    assert {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(hours)} == {3600}
    assert [at for at, tally in enumerate(told["tallies"]) if tally["messages"]] == [23, 24]
    assert len(hours) - 24 in {now().hour + 1, now().hour or 24}


async def test_any_day_may_be_the_first(world: World, environment: dict[str, str]) -> None:
    """Long ago active users are no longer known; what has not come yet is nothing."""
    await fill(environment, world.app)
    day = (await usage_of(world.app, "?days=1"))["tallies"][0]["begins_at"]
    since = (datetime.fromisoformat(day) - 70 * DAY).date()
    told = await usage_of(world.app, f"?since={since}&days=1")
    assert [(tally["messages"], tally["active_users"]) for tally in told["tallies"]] == [(1, None)]
    for odd in ("9999-12-31", "2200-01-01"):
        assert (await usage_of(world.app, f"?since={odd}&days=31"))["tallies"] == []
    assert len((await usage_of(world.app, "?since=0001-01-01&days=31"))["tallies"]) == 31


async def test_what_an_app_does_is_there_within_seconds(world: World) -> None:
    """A message, and the user who sent it."""
    await world.app.room("r", ("ann",))
    await world.app.say("r", "hello", "ann")
    async with asyncio.timeout(WAIT_S):
        while True:
            tally = (await usage_of(world.app, "?days=1"))["tallies"][-1]
            if (tally["messages"], tally["active_users"]) == (1, 1):
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("query", ["by=week", "days=0", "days=32", "days=x", "since=yesterday", "since=2026-02-30"])
async def test_what_is_not_documented_is_refused(world: World, query: str) -> None:
    """With the parameter's name."""
    answer = await world.app.ask("GET", f"/v1/usage?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert query.partition("=")[0] in answer.json()["detail"]


async def test_users_are_not_told(world: World) -> None:
    """Nor keys that do not manage the app."""
    assert (await world.app.ask("GET", "/v1/usage", user="ann")).status_code == 403
    narrow = (await world.app.ask("POST", "/v1/keys", {"label": "k"})).json()["key"]
    answer = await world.app.ask("GET", "/v1/usage", headers={"Authorization": f"Bearer {narrow}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_grant")
