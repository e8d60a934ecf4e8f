"""Tallies: what an app does is counted once, under its hour, and is added up though the database was away for a while."""

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.ids import RoomId, write_message_id
from api.messages.edit import edit
from api.messages.schemas import EditedMessage, TextPart
from tenants import tallies as module
from tenants.apps import delete_app
from tenants.authority import Credentialed
from tenants.clock import now
from tenants.ids import AppId, UserNumber
from tenants.tallies import ADD, DAY, HOUR, Tallies, Tally, hour_of, sweep, tallies_of, tally_over
from tests.support.inside import Inside, inside

WAIT_S = 15.0
NOON = hour_of(now()).replace(hour=12) - DAY
HOLD = text("SELECT FROM apps WHERE app_id = :app FOR UPDATE")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE apps%'")
ROWS = text("""
SELECT (SELECT count(*) FROM tallies WHERE app_id = :app) + (SELECT count(*) FROM active_users WHERE app_id = :app)
""")
PURGE = text("SELECT purge_app_v1(:app, 1000)")
OLD = text("""
INSERT INTO tallies SELECT :app, date_trunc('hour', now(), 'UTC') - make_interval(days => days), 1, 1, 1
  FROM unnest(ARRAY[0, 399, 401, 500]) AS days
""")
OLD_USERS = text("""
INSERT INTO active_users SELECT :app, (now() AT TIME ZONE 'UTC')::date - days, 1, 1 FROM unnest(ARRAY[0, 61, 63, 90]) AS days
""")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def counting(here: Inside, clock: Clock) -> Tallies:
    return Tallies(here.wiring.postgres, clock)


async def added(here: Inside, counts: Tallies, *connected: tuple[AppId, UserNumber]) -> None:
    counts.close_hour(lambda: connected)
    await counts.flush()


async def at_noon(here: Inside, hours: int = 1) -> list[Tally]:
    return await tallies_of(here.wiring.postgres, here.scope.app, "hour", NOON, NOON + hours * HOUR)


async def of_wiring(here: Inside) -> Tally:
    """Give what the process itself has counted of its app since this day began or the one before."""
    await added(here, here.wiring.tallies)
    first = hour_of(now()).replace(hour=0) - DAY
    return await tally_over(here.wiring.postgres, here.scope.app, first, first + 3 * DAY)


async def until_it_waits(here: Inside) -> None:
    """Return once a change of an app waits for a lock."""
    async with asyncio.timeout(WAIT_S):
        while True:
            # What a transaction is told of others' activity stays the same until its end.
            async with here.as_owner() as owner:
                if (await owner.execute(WAITING)).scalar_one():
                    return
            await asyncio.sleep(0.01)


async def test_a_message_counts_once_and_its_sender_is_active(here: Inside) -> None:
    """However often it is repeated; an edit, a member and a room are no messages."""
    await here.room("r", "ann", "bob")
    for _ in range(3):
        said = await here.say("r", "hello", "ann", key="one")
    await here.say("r", "hello", "ann", key="two")
    await here.add("r", "eve")
    wiring, change = here.wiring, EditedMessage(parts=[TextPart("changed")])
    caller = await here.caller("ann")
    message = write_message_id(said.event.place)
    await edit(wiring.lanes, wiring.pages, wiring.pepper, caller, RoomId("r"), message, change, "three")
    whole = await of_wiring(here)
    assert (whole.messages, whole.active_users) == (2, 1)


async def test_a_delivery_counts_for_each_subscriber_whoever_hands_it_over(here: Inside) -> None:
    """At once or by the writer, which is slower; snapshots do not count."""
    await here.room("r", "ann")
    async with here.reading() as quick, here.reading() as slow:
        slow.is_behind = True
        for reading in (quick, slow):
            await reading.open("r")
        for number in range(3):
            said = await here.say("r", str(number), "ann")
        for reading in (quick, slow):
            await reading.until_seq("r", said.event.seq)
    assert (await of_wiring(here)).deliveries == 6


async def test_a_connection_counts_and_its_user_is_active(here: Inside) -> None:
    """Two of one user are two connections and one user; a server's is nobody's."""
    callers = [await here.caller("ann"), await here.caller("ann"), here.server]
    for caller in callers:
        async with here.reading(caller) as reading:
            here.wiring.connections.add(reading.connection, Credentialed(caller, None))
            here.wiring.connections.remove(reading.connection)
    whole = await of_wiring(here)
    assert (whole.connections, whole.active_users) == (3, 1)


async def test_what_is_counted_stands_under_its_hour(here: Inside) -> None:
    """Before the hour's end under the one, after it under the other; who is connected then is active in both."""
    clock, app = Clock(), here.scope.app
    counts = counting(here, clock)
    counts.count_message(app, UserNumber(1))
    counts.count_connection(app, UserNumber(2))
    clock.moment = NOON + HOUR
    counts.close_hour(lambda: [(app, UserNumber(2))])
    await counts.flush()
    counts.deliveries[app] += 5
    counts.count_message(app, UserNumber(3))
    await added(here, counts)
    assert await at_noon(here, hours=3) == [
        Tally(NOON, messages=1, connections=1, active_users=2),
        Tally(NOON + HOUR, messages=1, deliveries=5, active_users=2),
        Tally(NOON + 2 * HOUR),
    ]
    assert (await tally_over(here.wiring.postgres, app, NOON, NOON + 2 * HOUR)).active_users == 3
    assert (await tally_over(here.wiring.postgres, app, NOON, NOON + HOUR)).active_users == 2
    day = NOON.replace(hour=0)
    assert await tallies_of(here.wiring.postgres, app, "day", day, day + DAY) == [
        Tally(day, messages=2, deliveries=5, connections=1, active_users=3)
    ]


async def test_processes_that_add_up_together_lose_nothing(here: Inside, there: Inside) -> None:
    """Each adds to the rows of the same apps, over and over, and none waits for the other in a circle."""
    apps, processes = [here.scope.app, there.scope.app], [counting(here, Clock()), counting(there, Clock())]

    async def process(counts: Tallies, order: list[AppId]) -> None:
        for number in range(20):
            for app in order:
                counts.count_message(app, UserNumber(number % 7))
            counts.close_hour(tuple)
            await counts.flush()

    await asyncio.gather(process(processes[0], apps), process(processes[1], apps[::-1]))
    for opened in (here, there):
        assert await at_noon(opened) == [Tally(NOON, messages=40, active_users=7)]


async def test_what_cannot_be_added_waits_and_is_added_once(here: Inside) -> None:
    """While somebody holds what it needs nothing is lost, and what is counted meanwhile goes with it."""
    counts, app = counting(here, Clock()), here.scope.app
    counts.count_message(app, UserNumber(1))
    async with here.as_owner() as owner:
        await owner.execute(HOLD, {"app": app})
        with pytest.raises(DBAPIError):
            await added(here, counts)
        counts.count_message(app, UserNumber(1))
        counts.deliveries[app] += 1
    await added(here, counts)
    await added(here, counts)
    assert await at_noon(here) == [Tally(NOON, messages=2, deliveries=1, active_users=1)]


async def test_what_waits_is_bounded(here: Inside, there: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound new hours and users are lost; those that wait already go on to count."""
    monkeypatch.setattr(module, "MAX_HOURS", 1)
    monkeypatch.setattr(module, "MAX_USERS", 1)
    counts, app = counting(here, Clock()), here.scope.app
    for _ in range(2):
        counts.count_message(app, UserNumber(1))
        counts.close_hour(tuple)
        counts.count_message(there.scope.app, UserNumber(2))
        counts.close_hour(tuple)
    await counts.flush()
    assert await at_noon(here) == [Tally(NOON, messages=2, active_users=1)]
    assert await at_noon(there) == [Tally(NOON)]


async def test_a_drain_adds_up(environment: dict[str, str], there: Inside) -> None:
    """What a process has counted by then is there when it has gone."""
    async with inside(environment) as here:
        here.wiring.tallies.count_message(here.scope.app, UserNumber(1))
        await here.wiring.tallies.drain()
    first = hour_of(now()).replace(hour=0) - DAY
    whole = await tally_over(there.wiring.postgres, here.scope.app, first, first + 3 * DAY)
    assert (whole.messages, whole.active_users) == (1, 1)


async def test_nothing_is_added_to_an_app_that_has_been_deleted(here: Inside) -> None:
    """What was counted before goes nowhere; and who deletes waits for what is being added, which then goes with the rest."""
    counts, app = counting(here, Clock()), here.scope.app
    counts.count_message(app, UserNumber(1))
    values = {"apps": [app], "hours": [NOON], "messages": [1], "deliveries": [1], "connections": [1]}
    async with here.wiring.postgres.across([app]) as adding:
        await adding.execute(ADD, values)
        deleting = asyncio.create_task(delete_app(here.wiring.postgres, app))
        await until_it_waits(here)
        assert not deleting.done()
    await deleting
    async with here.wiring.postgres.transaction(app) as connection:
        while (await connection.execute(PURGE, {"app": app})).scalar_one():
            pass
    await added(here, counts)
    async with here.as_owner() as owner:
        assert (await owner.execute(ROWS, {"app": app})).scalar_one() == 0


async def test_another_app_s_tallies_are_not_seen(here: Inside, there: Inside) -> None:
    """Neither its sums nor its users."""
    counts = counting(there, Clock())
    counts.count_message(there.scope.app, UserNumber(1))
    await added(there, counts)
    assert await at_noon(here) == [Tally(NOON)]
    assert await at_noon(there) == [Tally(NOON, messages=1, active_users=1)]


async def test_what_is_old_is_swept(here: Inside) -> None:
    """Hours after 400 days and users after 62; of days before that no users are known, rather than none there."""
    async with here.as_owner() as owner:
        for statement in (OLD, OLD_USERS):
            await owner.execute(statement, {"app": here.scope.app})
    while await sweep(here.wiring.postgres):
        pass
    async with here.as_owner() as owner:
        assert (await owner.execute(ROWS, {"app": here.scope.app})).scalar_one() == 4
    today = hour_of(now()).replace(hour=0)
    days = await tallies_of(here.wiring.postgres, here.scope.app, "day", today - 64 * DAY, today)
    assert [day.active_users for day in days[:4]] == [None, None, 0, 1]
