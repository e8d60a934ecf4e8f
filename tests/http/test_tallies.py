"""What a process counts of what it serves, by every way in and out."""

import asyncio
import contextlib

from tenants.clock import now
from tenants.ids import parse_app_name
from tenants.postgres import Postgres
from tenants.tallies import DAY, Tally, hour_of, tally_over
from tests.contract.followers import events_of
from tests.support.world import App, World

WAIT_S = 20.0


async def tally_of(postgres: Postgres, app: App, *, messages: int) -> Tally:
    """Give what was counted of a new app, once it has come to so many messages."""
    number = parse_app_name(app.id)
    assert number is not None
    first = hour_of(now()).replace(hour=0) - DAY
    async with asyncio.timeout(WAIT_S):
        while (whole := await tally_over(postgres, number, first, first + 3 * DAY)).messages < messages:
            await asyncio.sleep(0.1)
    return whole


async def test_every_transport_counts(world: World, postgres: Postgres) -> None:
    """A message to a socket, a stream and a poll is three deliveries; all three are connections, and two users active."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    bearer = {"Authorization": f"Bearer {await app.token('bob')}"}
    async with app.socket("ann") as socket, app.http.stream("GET", "/v1/rooms/r/subscribe", headers=bearer) as stream:
        seq = (await socket.open("r"))["snapshot"]["seq"]
        events = events_of(stream.aiter_lines())
        first = (await app.ask("GET", "/v1/rooms/r/events?wait=0", user="bob")).json()
        said = await app.say("r", "hello", "ann")
        assert said["seq"] == seq + 1
        await socket.until_seq(said["seq"])
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(StopAsyncIteration):
                while (await anext(events))[1].get("seq") != said["seq"]:
                    pass
        polled = (await app.ask("GET", f"/v1/rooms/r/events?wait=5&after={first['cursor']}", user="bob")).json()
        assert [frame["seq"] for frame in polled["frames"]] == [said["seq"]]
        await app.say("r", "not followed any more", "ann", key="k")
        await app.say("r", "not followed any more", "ann", key="k")
        await socket.until_seq(said["seq"] + 1)
        async with asyncio.timeout(WAIT_S):
            while (await anext(events))[1].get("seq") != said["seq"] + 1:
                pass
    whole = await tally_of(postgres, app, messages=2)
    assert (whole.messages, whole.deliveries, whole.connections, whole.active_users) == (2, 5, 4, 2)
