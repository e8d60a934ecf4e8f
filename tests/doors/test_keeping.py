"""What a process keeps of live rooms, and what it does when it must give memory back, wait, or let go."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from api.ids import Epoch, RoomId, Seq
from api.log.epochs import Epochs
from api.log.item import Item, Needs
from api.rooms.actions import delete_room
from api.subscriptions import connections as registry
from api.subscriptions.connection import Connection
from api.subscriptions.connections import Connections
from api.subscriptions.frames import CloseCode
from api.tails import keeper
from api.tails.payload import write_payload
from tenants.authority import Credentialed
from tenants.channels import room_channel
from tenants.errors import Unavailable
from tenants.ids import UserNumber
from tenants.roles import Role
from tests.support.inside import Inside, inside

PURGE = text("SELECT purge_room_v1(:app, :room, 100)")


async def test_memory_given_back_costs_readers_nothing(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no budget at all, readers who are behind and those who come are served from PostgreSQL, whole and in order."""
    await here.room("r", "ann")
    async with here.reading() as first:
        await first.open("r")
        for number in range(5):
            await here.say("r", str(number), "ann")
        await first.until_seq("r", 7)
        cursor = first.sent[-3]["cursor"]
        monkeypatch.setattr(keeper, "BUDGET_BYTES", 0)
        here.wiring.keeper._keep_to_budget()
        async with here.reading() as resumed, here.reading() as fresh:
            await resumed.open("r", cursor)
            await fresh.open("r")
            said = await here.say("r", "5", "ann")
            await resumed.until_seq("r", said.event.seq)
            await fresh.until_seq("r", said.event.seq)
            assert resumed.places("r") == [6, 7, 8]
            snapshot = fresh.of_type("snapshot")[0]["snapshot"]
            assert [message["parts"][0]["text"] for message in snapshot["messages"]] == ["0", "1", "2", "3", "4"]


async def test_a_room_that_nobody_reads_is_let_go_and_opens_again(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while its tail is closed; the next reader opens it anew and misses nothing."""
    monkeypatch.setattr(keeper, "LINGER_S", 0.0)
    monkeypatch.setattr(keeper, "SWEEP_S", 0.05)
    await here.room("r", "ann")
    async with here.reading() as reading:
        await reading.open("r")
    async with asyncio.timeout(5):
        while len(here.wiring.keeper):
            await asyncio.sleep(0.05)
    said = await here.say("r", "unheard", "ann")
    async with here.reading() as reading:
        await reading.open("r")
        again = await here.say("r", "heard", "ann")
        await reading.until_seq("r", again.event.seq)
        assert reading.places("r") == [said.event.seq, again.event.seq]


async def test_what_a_lost_life_published_is_not_taken_on_trust(here: Inside, environment: dict[str, str]) -> None:
    """Once a newer epoch is known, an old one's payload is looked up, be it late or parked: its event may be lost."""
    room = await here.room("r", "ann")
    keep, tags = here.wiring.keeper, here.wiring.epochs._tags
    channel = room_channel(here.scope.app, room)
    async with here.reading() as reading, inside(environment, here.scope) as elsewhere:
        await reading.open("r")
        first = (await elsewhere.say("r", "0", "ann")).event
        await reading.until_seq("r", first.seq)
        next_, parked = (replace(first, seq=Seq(first.seq + n), body='"parts":["lost"]') for n in (1, 2))
        keep.on_payload(channel, write_payload(parked))
        tags[99] = 99
        keep.on_payload(channel, write_payload(next_))
        said = [(await elsewhere.say("r", "1", "ann")).event]
        await reading.until_seq("r", said[0].seq)
        del tags[99]
        said.append((await elsewhere.say("r", "2", "ann")).event)
        await reading.until_seq("r", said[1].seq)
    shown = [frame["message"]["parts"] for frame in reading.of_type("message.created")]
    assert shown == [[{"type": "text", "text": text}] for text in "012"]


async def test_an_event_of_a_newer_version_costs_a_reader_nothing_else(here: Inside) -> None:
    """While processes are replaced, an old one shows what it does not know as a place: live, by repair and on resuming."""
    room = await here.room("r", "ann")
    strange = Item(
        app=here.scope.app,
        room=room,
        kind=99,  # type: ignore[arg-type]
        sender=UserNumber(1),
        key_hash=b"k" * 16,
        request_hash=b"r" * 16,
        needs=Needs.NOTHING,
        facts='"new":1',
    )
    async with here.reading() as live, here.reading() as resumed:
        await live.open("r")
        await live.until_seq("r", 2)
        cursor = live.of_type("snapshot")[0]["snapshot"]["cursor"]
        await here.wiring.lanes.append(strange)
        said = await here.say("r", "known", "ann")
        await live.until_seq("r", said.event.seq)
        here.wiring.keeper._rooms[here.scope.app, room].tail.forget_events()  # type: ignore[union-attr]
        await resumed.open("r", cursor)
        await resumed.until_seq("r", said.event.seq)
        for reading in (live, resumed):
            assert [hidden["seq"] for hidden in reading.of_type("hidden")] == [said.event.seq - 1]
            assert reading.places("r")[-2:] == [said.event.seq - 1, said.event.seq]


async def test_who_missed_a_deletion_until_all_was_erased_is_told_of_it(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost publication, and an erasing that was faster than the audit: the room is deleted, not lost by the database."""
    room = await here.room("r", "ann")
    async with here.reading() as reading:
        await reading.open("r")
        wiring = here.wiring
        monkeypatch.setattr(wiring.publisher, "offer", lambda *_: None)
        monkeypatch.setattr(wiring.keeper, "on_heads", lambda *_, **__: None)
        await delete_room(wiring.postgres, wiring.lanes, wiring.pepper, here.server, RoomId("r"), "key")
        async with here.as_owner() as owner:
            while (await owner.execute(PURGE, {"app": here.scope.app, "room": room})).scalar_one():
                pass
        await wiring.keeper.verify()
        await reading.until(lambda: reading.of_type("unsubscribed"))
        assert reading.of_type("unsubscribed") == [{"type": "unsubscribed", "room": "r", "reason": "room_deleted"}]
        assert wiring.keeper.counts.forked == 0


async def test_a_payload_on_another_room_s_channel_is_dropped(here: Inside) -> None:
    """What a payload says of itself must be what its channel says."""
    room = await here.room("r", "ann")
    other = await here.room("s", "ann")
    async with here.reading() as reading:
        await reading.open("r")
        written = await here.say("s", "elsewhere", "ann")
        forged = write_payload(written.event)
        here.wiring.keeper.on_payload(room_channel(here.scope.app, room), forged)
        here.wiring.keeper.on_payload(room_channel(here.scope.app, other), b"nonsense")
        assert here.wiring.keeper.counts.strange_payloads == 2
        said = await here.say("r", "here", "ann")
        await reading.until_seq("r", said.event.seq)
        assert reading.places("r") == [2, 3]


async def test_an_old_database_that_comes_back_is_refused(here: Inside) -> None:
    """A process that has seen an epoch serves no database that has not."""
    epochs = Epochs()
    epochs._tags = {1: 1, 7: 7}
    connection = await here.wiring.postgres.connect(
        Role.AUDIT, application="test", statement_timeout_ms=1000, lock_timeout_ms=1000
    )
    with pytest.raises(Unavailable):
        await epochs.check(connection)
    await connection.close()
    assert epochs.newest == Epoch(7, 7)


async def test_a_quiet_socket_hears_a_heartbeat(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else is sent, a heartbeat is."""
    monkeypatch.setattr(registry, "HEARTBEAT_S", 0.1)
    async with here.reading() as reading:
        here.wiring.connections.add(reading.connection, Credentialed(reading.connection.caller, None))
        await reading.until(lambda: len(reading.of_type("heartbeat")) >= 2)
        here.wiring.connections.remove(reading.connection)


async def test_a_client_that_reads_nothing_is_closed_and_nobody_waits_for_it(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its room's other readers have everything at once; it is given up after a while, resumably."""
    monkeypatch.setattr(registry, "BLOCKED_S", 0.3)
    await here.room("r", "ann")
    stuck = asyncio.Event()

    async def never(_: str, __: object) -> None:
        stuck.set()
        await asyncio.Event().wait()

    connection = Connection(here.wiring.around, here.server, never)
    writer = asyncio.create_task(connection.write())
    here.wiring.connections.add(connection, Credentialed(connection.caller, None))
    async with here.reading() as healthy:
        await healthy.open("r")
        connection.say("{}")
        await stuck.wait()
        for number in range(50):
            await here.say("r", str(number), "ann")
        await healthy.until_seq("r", 52)
        await asyncio.wait_for(connection.given_up, 5)
        assert connection.close_code is CloseCode.SLOW
    here.wiring.connections.remove(connection)
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    await connection.end()


async def test_what_is_not_the_next_event_is_never_sent(here: Inside) -> None:
    """A fault of ours becomes a number and a fresh start, not a wrong list."""
    await here.room("r", "ann")
    async with here.reading() as reading:
        await reading.open("r")
        await here.say("r", "one", "ann")
        await reading.until_seq("r", 3)
        (held,) = reading.connection._readings.values()
        tail = held.live.tail
        assert tail is not None
        # Planted: the ring shifted by one place, as a faulty merge would leave it.
        tail.seq = Seq(tail.seq + 1)
        tail._ring.append(tail._ring[-1])
        held.live.moved()
        counts = here.wiring.around.counts
        async with asyncio.timeout(5):
            while not counts.invariant_violations:
                await asyncio.sleep(0.01)
        assert reading.places("r") == [2, 3]


async def test_connections_are_counted_and_drained(here: Inside) -> None:
    """Every client is asked to move within the time; who stays is closed with the code for a restart."""
    connections = Connections(here.wiring.audit, here.wiring.tallies)
    async with here.reading() as reading:
        connections.add(reading.connection, Credentialed(reading.connection.caller, None))
        assert len(connections) == 1
        await connections.drain(0.2)
        assert reading.connection.close_code is CloseCode.RESTART
        await reading.until(lambda: bool(reading.of_type("reconnect")))
        assert 0 <= reading.of_type("reconnect")[0]["after_ms"] <= 200
