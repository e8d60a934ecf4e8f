"""Cursors across the lives of a database: a lost tail resets those who saw it, a planned switchover nobody."""

import asyncio
import contextlib
import json
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.promises.cluster import Cluster, running_cluster
from tests.promises.databases import Database
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.world import App, new_app

PATIENCE_S = 30.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Two processes, and a primary with a standby that follows it."""
    with running_cluster(tmp_path, 2, {}) as running:
        standby = running.database.make_standby()
        running.database.spawn(standby)
        standby.await_ready()
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Database:
    return cluster.database


@pytest.fixture
def services(cluster: Cluster) -> list[Service]:
    return cluster.services


def stop_following(database: Database) -> None:
    """What the primary commits from here on is known to it alone."""
    assert database.standby is not None
    database.standby.end(signal.SIGINT)


async def fail_over(database: Database) -> None:
    """Have the standby take over as it was left, without what the primary committed since."""
    assert database.standby is not None
    database.primary.end(signal.SIGKILL)
    database.spawn(database.standby)
    database.standby.await_ready()
    await database.promote()


@pytest.fixture
async def app(services: list[Service]) -> AsyncIterator[App]:
    async with public_client(services[0].url) as http:
        yield await new_app(services[0], http)


async def in_epoch(services: list[Service], ordinal: int) -> None:
    """Wait until every process serves in an epoch."""
    async with asyncio.timeout(PATIENCE_S):
        for service in services:
            while await asyncio.to_thread(_epoch, service) != ordinal:
                await asyncio.sleep(0.1)


def _epoch(service: Service) -> int:
    with contextlib.suppress(urllib.error.URLError, OSError):
        with urllib.request.urlopen(service.internal_url + "/readyz", timeout=2) as answer:
            return int(json.load(answer)["epoch"])
    return 0


@pytest.mark.timeout(120)
async def test_a_lost_tail_resets_exactly_those_who_saw_it(
    database: Database, services: list[Service], app: App
) -> None:
    """A standby is promoted without the last commits: who saw them is reset once, and nobody sees a mix."""
    await app.room("hit", ("ann",))
    await app.room("spared", ("ann",))
    kept = await app.say("hit", "kept", "ann")
    await app.say("spared", "kept", "ann")
    async with app.socket("ann") as live, app.socket("ann") as spared:
        await spared.open("spared")
        snapshot = (await live.open("hit"))["snapshot"]
        good_cursor = snapshot["cursor"]
        await database.caught_up()
        stop_following(database)
        lost = await app.say("hit", "lost", "ann")
        lost_cursor = (await live.hear())["cursor"]
        await fail_over(database)
        await in_epoch(services, 2)
        # The live subscriber, who has seen what is lost, is reset once; the next event is the new one of that number.
        frame = await live.hear()
        while frame["type"] in {"stalled", "live"}:
            frame = await live.hear()
        assert (frame["type"], frame["reason"]) == ("reset", "epoch_lost")
        assert frame["snapshot"]["seq"] == kept["seq"]
        again = await app.say("hit", "again", "ann")
        assert again["seq"] == lost["seq"]
        assert again["id"] != lost["id"]
        event = await live.hear()
        while event["type"] in {"stalled", "live"}:
            event = await live.hear()
        assert (event["seq"], event["message"]["parts"][0]["text"]) == (again["seq"], "again")
        # A room that lost nothing goes on as if nothing had been.
        said = await app.say("spared", "after", "ann")
        assert [event["seq"] for event in await spared.until_seq(said["seq"])] == [said["seq"]]
    for service in services:
        app.service = service
        async with app.socket("ann") as back:
            reset = await back.open("hit", cursor=lost_cursor)
            assert (reset["type"], reset["reason"]) == ("reset", "epoch_lost")
            assert [m["parts"][0]["text"] for m in reset["snapshot"]["messages"]] == ["kept", "again"]
        async with app.socket("ann") as back:
            assert (await back.open("hit", cursor=good_cursor))["resumed"]
            assert [event["seq"] for event in await back.until_seq(again["seq"])] == [again["seq"]]
    # An id from the lost life is nobody's message now.
    answer = await app.ask("GET", f"/v1/rooms/hit/messages/{lost['id']}", user="ann")
    assert answer.status_code == 404


@pytest.mark.timeout(120)
async def test_a_planned_switchover_resets_nobody(database: Database, services: list[Service], app: App) -> None:
    """A standby that has everything is promoted: live subscriptions and cursors go on."""
    await app.room("r", ("ann",))
    async with app.socket("ann") as live:
        cursor = (await live.open("r"))["snapshot"]["cursor"]
        before = await app.say("r", "before", "ann")
        await live.until_seq(before["seq"])
        await database.caught_up()
        database.primary.end(signal.SIGINT)
        await asyncio.sleep(0.5)
        # Meanwhile nothing can be written, and it is said so.
        refused = await app.ask("POST", "/v1/rooms/r/messages", {"parts": [{"type": "text", "text": "x"}]}, user="ann")
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        await database.promote()
        await in_epoch(services, 2)
        after = await app.say("r", "after", "ann")
        events = [frame async for frame in frames_until(live, after["seq"])]
        kinds = [frame["type"] for frame in events]
        assert "reset" not in kinds
        assert [frame["seq"] for frame in events if "seq" in frame] == [after["seq"]]
    for service in services:
        app.service = service
        async with app.socket("ann") as back:
            assert (await back.open("r", cursor=cursor))["resumed"]
            assert [event["seq"] for event in await back.until_seq(after["seq"])] == [before["seq"], after["seq"]]


async def frames_until(socket, seq: int):  # noqa: ANN001, ANN201 - a generator for one test
    frame: dict[str, object] = {}
    while frame.get("seq") != seq:
        frame = await socket.hear()
        yield frame


@pytest.mark.timeout(60)
async def test_cursors_that_cannot_be_continued_are_reset_each_with_its_reason(
    services: list[Service], app: App
) -> None:
    """From a deleted and remade room, from the future, and garbage: one reset each, with a snapshot, on each process."""
    from api.ids import Epoch, Place, RoomNumber, Seq, read_cursor, write_cursor

    await app.room("r", ("ann",))
    async with app.socket("ann") as socket:
        old = (await socket.open("r"))["snapshot"]["cursor"]
    assert (await app.ask("DELETE", "/v1/rooms/r")).status_code == 204
    await app.room("r", ("ann",))
    async with app.socket("ann") as socket:
        place = read_cursor((await socket.open("r"))["snapshot"]["cursor"])
    assert place is not None
    future = write_cursor(Place(place.room, place.epoch, Seq(place.seq + 5)))
    unknown = write_cursor(Place(place.room, Epoch(place.epoch.ordinal + 1, 7), place.seq))
    other = write_cursor(Place(RoomNumber(place.room + 1), place.epoch, place.seq))
    expected = {
        old: "room_recreated",
        future: "ahead_of_log",
        unknown: "epoch_lost",
        other: "room_recreated",
        "": "cursor_invalid",
        "c": "cursor_invalid",
        "'; DROP TABLE rooms; --": "cursor_invalid",
        "c" + "A" * 5000: "cursor_invalid",
    }
    for service in services:
        app.service = service
        async with app.socket("ann") as socket:
            for cursor, reason in expected.items():
                reset = await socket.open("r", cursor=cursor)
                assert (reset["type"], reset["reason"]) == ("reset", reason), cursor
                assert reset["snapshot"]["seq"] == place.seq


@pytest.mark.timeout(120)
async def test_a_room_made_in_a_lost_tail_ends_for_its_readers(
    database: Database, services: list[Service], app: App
) -> None:
    """Who reads a room that the failover has lost is told so, and the id is free."""
    await database.caught_up()
    stop_following(database)
    await app.room("lost")
    async with app.socket() as live:
        await live.open("lost")
        await fail_over(database)
        await in_epoch(services, 2)
        frame = await live.hear(15)
        while frame["type"] in {"stalled", "live"}:
            frame = await live.hear(15)
        assert frame == {"type": "unsubscribed", "room": "lost", "reason": "lost"}
    assert (await app.ask("GET", "/v1/rooms/lost")).status_code == 404
    assert (await app.room("lost"))["seq"] == 1
