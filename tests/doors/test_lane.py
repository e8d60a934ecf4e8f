"""The lane: what happens to one item happens to nobody else."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from msgspec.structs import replace

from api.errors import Overloaded, RoomBusy
from api.ids import RoomNumber, Seq
from api.log import lane as lanes
from api.log.event import Event, Kind, created_facts
from api.log.item import Answer, Item, Needs, Outcome
from api.log.lane import Lane
from tenants.errors import Unavailable
from tenants.ids import UserId, UserNumber
from tests.support.inside import Inside, inside
from tests.support.room_model import RoomModel


@pytest.fixture
async def other(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody else's connection."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


def item(here: Inside, room: RoomNumber, text: str = "x", **more: object) -> Item:
    made = Item(
        app=here.scope.app,
        room=room,
        kind=Kind.MESSAGE_CREATED,
        sender=UserNumber(1),
        key_hash=secrets.token_bytes(16),
        request_hash=b"r" * 16,
        needs=Needs.NOTHING,
        facts=created_facts(UserId("ann")),
        body=f'"parts":["{text}"],"metadata":{{}}',
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def test_one_poison_item_fails_alone_and_the_others_keep_their_order(here: Inside) -> None:
    """Of ten messages at once, of which PostgreSQL cannot take the fourth, nine are accepted in order."""
    room = await here.room("r")
    items = [item(here, room, "\0" if number == 3 else str(number)) for number in range(10)]
    answers = await asyncio.gather(*(here.wiring.lanes.append(each) for each in items))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes == [*[Outcome.ACCEPTED] * 3, Outcome.POISON, *[Outcome.ACCEPTED] * 6]
    assert [answer.event.seq for answer in answers if answer.event] == list(range(2, 11))


async def test_a_held_room_stalls_only_itself_and_keeps_its_order(
    here: Inside, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """While somebody holds a room's row, other rooms go on; afterwards the room's items come in their order."""
    held, free = await here.room("held"), await here.room("free")
    append = here.wiring.lanes.append
    async with other.transaction():
        await other.execute("SELECT FROM rooms WHERE room = $1 FOR UPDATE", held)
        waiting = [asyncio.create_task(append(item(here, held, str(n)))) for n in range(5)]
        for number in range(20):
            answer = await append(item(here, free, str(number)))
            assert answer.outcome is Outcome.ACCEPTED
        assert not any(task.done() for task in waiting)
        waiting += [asyncio.create_task(append(item(here, held, str(n)))) for n in range(5, 8)]
        await append(item(here, free))
    answers = await asyncio.gather(*waiting)
    assert [answer.event.seq for answer in answers if answer.event] == list(range(2, 10))


async def test_what_comes_while_a_room_is_let_go_overtakes_nobody(
    here: Inside, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Items that arrive just as a held room becomes free stand behind those that waited for it."""
    room = await here.room("held")
    tasks: list[asyncio.Task[Answer]] = []

    async def arrive(count: int) -> None:
        for _ in range(count):
            tasks.append(asyncio.create_task(here.wiring.lanes.append(item(here, room))))
            await asyncio.sleep(0.001)

    async with other.transaction():
        await other.execute("SELECT FROM rooms WHERE room = $1 FOR UPDATE", room)
        await arrive(100)
        arriving = asyncio.create_task(arrive(200))
        await asyncio.sleep(0.05)
    await arriving
    answers = await asyncio.gather(*tasks)
    assert [answer.event.seq for answer in answers if answer.event] == list(range(2, 302))


async def test_items_of_several_apps_share_a_batch_and_nothing_else(here: Inside, environment: dict[str, str]) -> None:
    """The same keys and rooms of the same names in two apps, in one batch: each app has its own log."""
    async with inside(environment) as neighbour:
        rooms = [(here, await here.room("r")), (neighbour, await neighbour.room("r"))]
        items = [
            item(app, room, f"{app.scope.app}", key_hash=bytes([n]) * 16) for n in range(20) for app, room in rooms
        ]
        answers = await asyncio.gather(*(here.wiring.lanes.append(each) for each in items))
        assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
        for app, room in rooms:
            events = await here.wiring.reader.events([(app.scope.app, room, Seq(2))], limit=100)
            assert [event.seq for event in events] == list(range(2, 22))
            assert all(f"{app.scope.app}" in (event.body or "") for event in events)


async def test_a_room_that_stays_held_refuses_in_time(
    here: Inside, other: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that has waited too long is refused, and has not been written."""
    monkeypatch.setattr(lanes, "DEADLINE_S", 0.2)
    room = await here.room("r")
    async with other.transaction():
        await other.execute("SELECT FROM rooms WHERE room = $1 FOR UPDATE", room)
        with pytest.raises(RoomBusy):
            await here.wiring.lanes.append(item(here, room))
    assert await other.fetchval("SELECT head_seq FROM rooms WHERE room = $1", room) == 1


async def test_a_full_queue_refuses_at_once(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused before anything is done; what was taken in is answered."""
    monkeypatch.setattr(lanes, "MAX_OPEN_ITEMS", 10)
    room = await here.room("r")
    tasks = [here.wiring.lanes.append(item(here, room)) for _ in range(12)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 2
    assert sum(isinstance(answer, Answer) for answer in answers) == 10


async def test_an_app_that_fills_its_half_is_refused_and_others_are_not(
    here: Inside, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One app cannot have the whole queue: what it is refused, its neighbour may still use."""
    monkeypatch.setattr(lanes, "MAX_APP_ITEMS", 10)
    async with inside(environment) as neighbour:
        rooms = [(here, await here.room("r"), 15), (neighbour, await neighbour.room("r"), 10)]
        tasks = [here.wiring.lanes.append(item(app, room)) for app, room, count in rooms for _ in range(count)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, Overloaded) for answer in answers[:15]) == 5
    assert all(isinstance(answer, Answer) for answer in answers[15:])
    assert here.wiring.lanes.lanes[0].open_items == 0
    # What has been answered no longer counts.
    again = await asyncio.gather(*(here.wiring.lanes.append(item(here, rooms[0][1])) for _ in range(10)))
    assert {answer.outcome for answer in again} == {Outcome.ACCEPTED}


async def test_a_few_items_do_not_wait_behind_a_neighbours_hundreds(here: Inside, environment: dict[str, str]) -> None:
    """Of 500 items of one app and then 5 of another, the 5 are in the first batch; every room keeps its order."""
    batches: list[list[Event]] = []

    def publish(events: Sequence[Event]) -> None:
        batches.append(list(events))

    async with inside(environment) as quiet:
        busy_room, quiet_room = await here.room("r"), await quiet.room("r")
        lane = Lane(here.wiring.postgres, here.wiring.epochs, publish)
        wanted = [item(here, busy_room) for _ in range(500)] + [item(quiet, quiet_room) for _ in range(5)]
        tasks = [asyncio.create_task(lane.append(each)) for each in wanted]
        await asyncio.sleep(0)
        running = asyncio.create_task(lane.run())
        await asyncio.gather(*tasks)
        await lane.drain()
        running.cancel()
    assert [event.app for event in batches[0]].count(quiet.scope.app) == 5
    for app, room, count in ((here.scope.app, busy_room, 500), (quiet.scope.app, quiet_room, 5)):
        seqs = [event.seq for batch in batches for event in batch if (event.app, event.room) == (app, room)]
        assert seqs == list(range(2, count + 2))


async def test_an_apps_many_held_rooms_leave_room_for_others(
    here: Inside, environment: dict[str, str], other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """While more rooms of one app are held than fit into a batch, another app's item is committed."""
    rooms = [await here.room(f"held{number}") for number in range(lanes.MAX_BATCH_ITEMS + 6)]
    async with inside(environment) as neighbour:
        free = await neighbour.room("free")
        async with other.transaction():
            await other.execute("SELECT FROM rooms WHERE room = ANY($1) FOR UPDATE", rooms)
            held = [asyncio.create_task(here.wiring.lanes.append(item(here, room))) for room in rooms]
            async with asyncio.timeout(3):
                while here.wiring.lanes.lanes[0].counts.parked < len(rooms):
                    await asyncio.sleep(0.01)
                answer = await here.wiring.lanes.append(item(neighbour, free))
            assert answer.outcome is Outcome.ACCEPTED
            assert not any(task.done() for task in held)
        answers = await asyncio.gather(*held)
    assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}


async def test_a_connection_lost_in_mid_call_loses_and_doubles_nothing(
    here: Inside, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A call whose outcome is unknown is asked again under the same keys."""
    room = await here.room("r")
    for _ in range(5):
        tasks = [asyncio.create_task(here.wiring.lanes.append(item(here, room))) for _ in range(50)]
        await asyncio.sleep(0)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'roomlog-lane'"
        )
        answers = await asyncio.gather(*tasks)
        assert {answer.outcome for answer in answers} <= {Outcome.ACCEPTED, Outcome.DUPLICATE}
    seqs = [row["seq"] for row in await other.fetch("SELECT seq FROM events WHERE room = $1 ORDER BY seq", room)]
    assert seqs == list(range(1, 252))


async def test_a_lane_that_ends_leaves_nobody_waiting(here: Inside) -> None:
    """Items in mid-call and in the queue of a lane that ends are refused."""
    lane = Lane(here.wiring.postgres, here.wiring.epochs, lambda _: None)
    tasks = [asyncio.create_task(lane.append(item(here, RoomNumber(1)))) for _ in range(100)]
    await asyncio.sleep(0)
    running = asyncio.create_task(lane.run())
    await asyncio.sleep(0)
    running.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)


@pytest.mark.parametrize("seed", range(5))
async def test_random_batches_end_as_the_model_of_the_log_does(here: Inside, seed: int) -> None:
    """Duplicates in a batch, members who leave in between, edits of what has just been said: one after the other."""
    chance = random.Random(seed)
    rooms = {await here.room(f"r{number}"): RoomModel() for number in range(3)}
    for _ in range(30):
        batch = [random_item(here, chance, chance.choice(list(rooms))) for _ in range(chance.randint(1, 30))]
        answers = await asyncio.gather(*(here.wiring.lanes.append(each) for each in batch))
        # A lane answers in the order of arrival for each room.
        for each, answer in zip(batch, answers, strict=True):
            outcome, seq = rooms[each.room].append(each)
            assert answer.outcome is outcome, each
            assert seq is None or (answer.event is not None and answer.event.seq == seq)


def random_item(here: Inside, chance: random.Random, room: RoomNumber) -> Item:
    kinds = [Kind.MESSAGE_CREATED] * 4 + [Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED]
    kind = chance.choice([*kinds, Kind.MEMBER_ADDED, Kind.MEMBER_REMOVED])
    user = UserNumber(chance.randint(1, 3))
    made = item(
        here,
        room,
        kind=kind,
        sender=user,
        key_hash=bytes([chance.randint(0, 80)]) * 16,
        request_hash=bytes([chance.randint(0, 1)]) * 16,
        needs=chance.choice((Needs.NOTHING, Needs.MEMBER)),
    )
    if kind in {Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED}:
        target = Seq(chance.randint(1, 40))
        expected = chance.choice((None, None, target))
        needs = chance.choice((Needs.NOTHING, Needs.OWN_MESSAGE))
        return replace(made, target=target, expected=expected, needs=needs)
    if kind in {Kind.MEMBER_ADDED, Kind.MEMBER_REMOVED}:
        subject = UserNumber(chance.randint(1, 3))
        state = f'{{"user":"u{subject}","role":"member","private":false}}'
        return replace(made, subject=subject, needs=Needs.NOTHING, state=state, body="")
    return made


async def test_events_are_handed_to_the_publisher_after_their_acks(here: Inside) -> None:
    """Whoever waits for the ack has it before anything is published."""
    room = await here.room("r")
    order: list[str] = []

    def publish(events: "list[Event]") -> None:
        order.append(f"published {len(events)}")

    lane = Lane(here.wiring.postgres, here.wiring.epochs, publish)  # type: ignore[arg-type]
    running = asyncio.create_task(lane.run())
    answer = await lane.append(item(here, room))
    order.append("acked")
    await lane.drain()
    running.cancel()
    assert answer.outcome is Outcome.ACCEPTED
    assert "published 1" in order
