"""What whoever follows a room is promised, whichever transport carries it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tenants.ids import parse_app_name
from tests.contract.conftest import Follow
from tests.contract.followers import Follower, Frame, Lost, Refused
from tests.support.document import public_client
from tests.support.inside import inside
from tests.support.plain import plain_client
from tests.support.processes import Service, running_service
from tests.support.world import App, World

AWAY_S = 60.0
NEWCOMER = {"role": "member", "history": "from_join"}


def seqs(frames: list[Frame]) -> list[int]:
    return [frame["seq"] for frame in frames]


async def come_back(follower: Follower, room: str) -> None:
    """Open the room from the follower's cursor as soon as somebody answers."""
    async with asyncio.timeout(AWAY_S):
        while True:
            try:
                await follower.open(room, follower.cursor)
            except Lost:
                await asyncio.sleep(0.2)
            except Refused as refused:
                assert refused.status == 503, refused
                await asyncio.sleep(0.2)
            else:
                return


async def follow_through(follower: Follower, room: str, seq: int) -> list[Frame]:
    """Give the events up to a seq, coming back by cursor whenever the connection ends."""
    frames: list[Frame] = []
    while not frames or frames[-1]["seq"] < seq:
        try:
            frame = await follower.next(AWAY_S)
        except Lost:
            await come_back(follower, room)
            continue
        if frame["type"] == "closed":
            assert frame["code"] in {1012, 4408}, frame
            await come_back(follower, room)
        else:
            frames.append(frame)
    return frames


async def test_a_snapshot_then_every_event_once_and_in_order(world: World, follow: Follow) -> None:
    """Whatever is written while a room opens is in the snapshot or comes after it, and nothing comes twice."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))

    async def talk() -> int:
        return [await app.say("r", f"m{number}", "ann") for number in range(30)][-1]["seq"]

    talking = asyncio.create_task(talk())
    await follower.open("r")
    start = (await follower.snapshot())["seq"]
    last = await talking
    frames = await follower.until_seq(last) if start < last else []
    assert seqs(frames) == list(range(start + 1, last + 1))
    assert {frame["type"] for frame in frames} <= {"message.created"}


async def test_a_snapshot_holds_the_last_messages_asked_for(world: World, follow: Follow) -> None:
    """As many as were asked for, oldest first, with the room and the reader's membership."""
    app = world.app
    await app.room("r", ("ann",))
    for number in range(5):
        await app.say("r", str(number), "ann")
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r", last=2)
    snapshot = await follower.snapshot()
    assert [message["number"] for message in snapshot["messages"]] == [4, 5]
    assert (snapshot["room"]["id"], snapshot["membership"]["user"]) == ("r", "ann")


async def test_a_cursor_resumes_without_loss_or_repetition(world: World, follow: Follow) -> None:
    """What was said while nobody listened comes first, once, without a new snapshot."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    follower = follow(app.service, token)
    await follower.open("r")
    await follower.snapshot()
    first = await app.say("r", "heard", "ann")
    await follower.until_seq(first["seq"])
    cursor = follower.cursor
    await follower.close()
    for number in range(150):
        last = await app.say("r", f"missed {number}", "ann")
    again = follow(app.service, token)
    await again.open("r", cursor)
    frames = await again.until_seq(last["seq"])
    assert seqs(frames) == list(range(first["seq"] + 1, last["seq"] + 1))


async def test_a_cursor_at_the_head_waits_for_what_comes(world: World, follow: Follow) -> None:
    """Nothing new is nothing at all; then the next event, as soon as it is there."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r")
    cursor = (await follower.snapshot())["cursor"]
    again = follow(app.service, await app.token("ann"))
    await again.open("r", cursor)
    waiting = asyncio.create_task(again.next())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    said = await app.say("r", "now", "ann")
    assert (await waiting)["seq"] == said["seq"]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_restart_of_the_service_loses_nothing(
    own_app: App, own_service: Service, follow: Follow, ending: signal.Signals
) -> None:
    """Killed or told to stop and started anew, followers come back by cursor and have every event once."""
    await own_app.room("r", ("ann",))
    follower = follow(own_service, await own_app.token("ann"))
    await follower.open("r")
    start = (await follower.snapshot())["seq"]
    await own_app.say("r", "before", "ann")
    await follower.until_seq(start + 1)
    following = asyncio.create_task(follow_through(follower, "r", start + 3))
    await own_app.say("r", "just before", "ann")
    await asyncio.to_thread(own_service.end, ending)
    own_service.spawn()
    await asyncio.to_thread(own_service.await_ready)
    async with public_client(own_service.url) as http:
        own_app.http = http  # the old one's connections are gone
        await own_app.say("r", "after", "ann")
    assert seqs(await following) == [start + 2, start + 3]


async def test_a_cursor_that_is_none_resets(world: World, follow: Follow) -> None:
    """Never an error: the reason, and a fresh snapshot in its place."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r", "nonsense")
    frame = await follower.next()
    assert (frame["type"], frame["reason"], frame["snapshot"]["seq"]) == ("reset", "cursor_invalid", 2)
    said = await app.say("r", "x", "ann")
    assert (await follower.next())["seq"] == said["seq"]


async def test_a_cursor_of_a_room_that_was_made_anew_resets(world: World, follow: Follow) -> None:
    """A room under an old id is another room, and says so."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    follower = follow(app.service, token)
    await follower.open("r")
    cursor = (await follower.snapshot())["cursor"]
    await follower.close()
    assert (await app.ask("DELETE", "/v1/rooms/r")).status_code in {202, 204}
    await app.room("r", ("ann",))
    again = follow(app.service, token)
    await again.open("r", cursor)
    frame = await again.next()
    assert (frame["type"], frame["reason"]) == ("reset", "room_recreated")


async def test_a_cursor_in_history_that_is_gone_resets(
    world: World, environment: dict[str, str], follow: Follow
) -> None:
    """What retention has taken cannot be gone on from."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    follower = follow(app.service, token)
    await follower.open("r")
    cursor = (await follower.snapshot())["cursor"]
    await follower.close()
    for number in range(3):
        last = await app.say("r", str(number), "ann")
    async with inside(environment) as here:
        async with here.as_owner() as owner:
            for statement in (
                "UPDATE events SET at = at - interval '1 day' WHERE app_id = :app",
                "UPDATE rooms SET retention_s = 3600 WHERE app_id = :app",
            ):
                await owner.execute(text(statement), {"app": parse_app_name(app.id)})
        while await here.wiring.retention.look():
            pass
    again = follow(app.service, token)
    await again.open("r", cursor)
    frame = await again.next()
    assert (frame["type"], frame["reason"]) == ("reset", "history_truncated")
    assert frame["snapshot"]["seq"] == last["seq"]


async def test_edits_arrive_and_deletions_redact(world: World, follow: Follow) -> None:
    """Live, each is an event with the full new state; resumed over, what was deleted has no words left."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    follower = follow(app.service, token)
    await follower.open("r")
    cursor = (await follower.snapshot())["cursor"]
    secret = await app.say("r", "a secret", "ann")
    path = f"/v1/rooms/r/messages/{secret['id']}"
    await app.ask("PATCH", path, {"parts": [{"type": "text", "text": "still a secret"}]}, user="ann")
    await app.ask("DELETE", path, user="ann")
    live = await follower.until_seq(secret["seq"] + 2)
    assert [frame["type"] for frame in live] == ["message.created", "message.edited", "message.deleted"]
    again = follow(app.service, token)
    await again.open("r", cursor)
    resumed = await again.until_seq(secret["seq"] + 2)
    assert seqs(resumed) == seqs(live)
    assert "secret" not in str(resumed)


async def test_what_was_before_ones_time_stays_hidden(world: World, follow: Follow) -> None:
    """An event about a message that is older than a member's history shows its place and nothing else."""
    app = world.app
    await app.room("p", ("ann",), private=True)
    old = await app.say("p", "old words", "ann")
    await app.token("bob")
    await app.ask("PUT", "/v1/rooms/p/members/bob", NEWCOMER)
    follower = follow(app.service, await app.token("bob"))
    await follower.open("p")
    assert "old words" not in str(await follower.snapshot())
    change = {"parts": [{"type": "text", "text": "old words, edited"}]}
    await app.ask("PATCH", f"/v1/rooms/p/messages/{old['id']}", change, user="ann")
    said = await app.say("p", "new", "ann")
    hidden, shown = await follower.until_seq(said["seq"])
    assert hidden == {"type": "hidden", "room": "p", "seq": said["seq"] - 1, "cursor": hidden["cursor"]}
    assert shown["type"] == "message.created"


async def test_a_removed_member_is_revoked_exactly_at_the_removal(world: World, follow: Follow) -> None:
    """Everything before it arrives, nothing from it on."""
    app = world.app
    await app.room("p", ("ann", "bob"), private=True)
    follower = follow(app.service, await app.token("bob"))
    await follower.open("p")
    await follower.snapshot()
    said = await app.say("p", "heard", "ann")
    assert (await follower.next())["seq"] == said["seq"]
    async with listening(follower) as next_frame:
        await app.ask("DELETE", "/v1/rooms/p/members/bob")
        await app.say("p", "unheard", "ann")
    assert await next_frame == {"type": "revoked", "room": "p", "seq": said["seq"] + 1, "reason": "removed"}
    assert await ends(follower)


async def test_a_room_made_private_revokes_its_readers(world: World, follow: Follow) -> None:
    """Who only read a public room is revoked by the event that closes it."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("eve"))
    await follower.open("r")
    seq = (await follower.snapshot())["seq"]
    async with listening(follower) as next_frame:
        await app.ask("PATCH", "/v1/rooms/r", {"private": True})
    assert await next_frame == {"type": "revoked", "room": "r", "seq": seq + 1, "reason": "room_private"}
    assert await ends(follower)


async def test_a_deleted_room_shows_its_deletion_and_ends(world: World, follow: Follow) -> None:
    """The deletion is the last event."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r")
    await follower.snapshot()
    async with listening(follower) as next_frame:
        await app.ask("DELETE", "/v1/rooms/r")
    assert (await next_frame)["type"] == "room.deleted"
    assert await follower.next() == {"type": "unsubscribed", "room": "r", "reason": "room_deleted"}
    assert await ends(follower)


@contextlib.asynccontextmanager
async def listening(follower: Follower) -> AsyncIterator["asyncio.Task[Frame]"]:
    """Ask for the next frame, and go on once the service has somebody who waits for it: a poll comes and goes."""
    task = asyncio.create_task(follower.next())
    async with asyncio.timeout(15), plain_client(follower.service.internal_url) as http:
        while (await http.get("/readyz")).json()["connections"] == 0:
            await asyncio.sleep(0.02)
    yield task


async def ends(follower: Follower) -> bool:
    """Tell whether nothing of the room follows: the stream ends, or another poll finds no such room."""
    try:
        frame = await follower.next(0.5)
    except (TimeoutError, Lost):
        return True
    except Refused as refused:
        return refused.status == 404
    return frame["type"] == "closed" and frame["code"] == 1000


async def test_who_opens_after_an_ack_sees_what_was_acked(
    world: World, environment: dict[str, str], own_service: Service, follow: Follow
) -> None:
    """On every process, by snapshot and by cursor."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    cursor = None
    for number in range(10):
        said = await app.say("r", str(number), "ann")
        fresh = follow(own_service, token)
        await fresh.open("r")
        assert (await fresh.snapshot())["seq"] == said["seq"]
        await fresh.close()
        if cursor is not None:
            resumed = follow(own_service, token)
            await resumed.open("r", cursor)
            assert (await resumed.next())["seq"] == said["seq"]
            await resumed.close()
        cursor = fresh.cursor


async def test_a_token_that_ends_ends_the_stream(world: World, follow: Follow) -> None:
    """No data after its end, and the code to fetch a new one."""
    app = world.app
    await app.room("r", ("ann",))
    token = (await app.mint("ann", ttl_s=5))["token"]
    follower = follow(app.service, token)
    await follower.open("r")
    await follower.snapshot()
    async with asyncio.timeout(50):
        assert (await follower.next(45))["code"] == 4401


async def test_a_revoked_key_ends_the_stream(world: World, follow: Follow) -> None:
    """Within a second, and it opens no other."""
    app = world.app
    await app.room("r", ("ann",))
    made = (await app.ask("POST", "/v1/keys", {"label": "second"})).json()
    follower = follow(app.service, made["key"])
    await follower.open("r")
    await follower.snapshot()
    waiting = asyncio.create_task(follower.next())
    await app.ask("DELETE", f"/v1/keys/{made['id']}")
    assert (await waiting)["code"] in {4401, 4403}
    with pytest.raises(Refused) as refused:
        await follow(app.service, made["key"]).open("r")
    assert refused.value.status == 401


async def test_what_others_have_does_not_exist(world: World, follow: Follow) -> None:
    """Unknown, private to others, another app's: the same answer, but for the request's id."""
    app = world.app
    await app.room("p", ("ann",), private=True)
    await world.other.room("theirs", ("ann",))
    problems = []
    for room in ("none", "p", "theirs"):
        with pytest.raises(Refused) as refused:
            await follow(app.service, await app.token("eve")).open(room)
        problems.append({**refused.value.problem, "request_id": None})
    assert [problem["code"] for problem in problems] == ["room_not_found"] * 3
    assert problems[0] == problems[1] == problems[2]
    with pytest.raises(Refused) as bad:
        await follow(app.service, await app.token("eve")).open("a b")
    assert bad.value.code == "bad_request"


async def test_without_redis_everything_is_delivered(without_redis: App, follow: Follow) -> None:
    """Rooms open and events arrive, once and in order."""
    app = without_redis
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r")
    start = (await follower.snapshot())["seq"]
    for number in range(10):
        last = await app.say("r", str(number), "ann")
    assert seqs(await follower.until_seq(last["seq"])) == list(range(start + 1, last["seq"] + 1))


async def test_a_slow_reader_has_everything_once_it_reads(world: World, follow: Follow) -> None:
    """Who leaves megabytes unread loses nothing, and holds up nobody."""
    app = world.app
    await app.room("r", ("ann",))
    follower = follow(app.service, await app.token("ann"))
    await follower.open("r")
    start = (await follower.snapshot())["seq"]
    words = "x" * 30_000
    for _ in range(300):
        last = await app.say("r", words, "ann")
    frames = await follow_through(follower, "r", last["seq"])
    assert seqs(frames) == list(range(start + 1, last["seq"] + 1))


async def test_a_process_that_is_told_to_stop_takes_its_followers_leave(
    own_app: App,
    own_service: Service,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    follow: Follow,
) -> None:
    """The other process carries on where this one left off."""
    await own_app.room("r", ("ann",))
    follower = follow(own_service, await own_app.token("ann"))
    await follower.open("r")
    start = (await follower.snapshot())["seq"]
    with running_service(environment, tmp_path_factory.mktemp("other") / "log") as other:
        following = asyncio.create_task(follow_through(follower, "r", start + 1))
        await asyncio.to_thread(own_service.end)
        follower.service = other
        async with public_client(other.url) as http:
            own_app.http = http
            await own_app.say("r", "elsewhere", "ann")
        assert seqs(await following) == [start + 1]
