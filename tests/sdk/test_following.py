"""Rooms that are followed, on the real service: what a client does about a newer server, a faulty one, a slow application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from roomlog import ApiError, AsyncRoom, AsyncRoomlog, ClientClosed, Roomlog
from roomlog.models import MessageCreated, TextPart
from roomlog.testing import async_assert_converged
from roomlog.unknown import Unknown
from tests.sdk.between import Between, Frame, between
from tests.support.world import World

WAIT_S = 20.0
"""A connection that was lost comes back at a random moment, and sooner at first."""


@pytest.fixture
async def middle(world: World) -> AsyncIterator[Between]:
    await world.app.room("r", ("ann", "bob"))
    async with between(world.app.service.socket_url) as standing:
        yield standing


@contextlib.asynccontextmanager
async def following(world: World, middle: Between, user: str = "bob", **more: Any) -> AsyncIterator[AsyncRoom]:
    async with AsyncRoomlog(token=await world.app.token(user), url=middle.url) as client:
        async with client.rooms.open("r", **more) as room:
            yield room


async def texts(room: AsyncRoom, count: int) -> list[str]:
    """Take out so many events; gives what messages say, and of others the type."""
    said = []
    async with asyncio.timeout(WAIT_S):
        for _ in range(count):
            event = await anext(room)
            match event:
                case MessageCreated(message=message):
                    said += [part.text for part in message.parts if isinstance(part, TextPart)]
                case Unknown():
                    said.append(event.kind)
                case _:
                    said.append(type(event).__name__)
    return said


async def test_an_event_that_goes_missing_is_noticed_and_asked_for(world: World, middle: Between) -> None:
    """The position is checked on every event: the room is asked for again from the last good one, and nothing is missed."""
    lost: list[Frame] = []

    def lose_one(frame: Frame) -> list[Frame]:
        if frame["type"] == "message.created" and not lost:
            lost.append(frame)
            return []
        return [frame]

    async with following(world, middle) as room:
        middle.change = lose_one
        for text in ("one", "two", "three"):
            await world.app.say("r", text, "ann")
        assert await texts(room, 3) == ["one", "two", "three"]
        assert room.faults == 1
        assert middle.opened == 1


async def test_an_event_that_comes_twice_comes_out_once(world: World, middle: Between) -> None:
    """As a faulty server would say it."""
    async with following(world, middle) as room:
        middle.change = lambda frame: [frame] * (2 if frame["type"] == "message.created" else 1)
        for text in ("one", "two"):
            await world.app.say("r", text, "ann")
        assert await texts(room, 2) == ["one", "two"]


async def test_what_a_newer_server_says_is_kept_and_never_fatal(world: World, middle: Between) -> None:
    """An unknown event takes its place in the log, unknown parts and fields are kept, unknown frames are passed over."""

    def modernize(frame: Frame) -> list[Frame]:
        if frame["type"] != "message.created":
            return [{**frame, "news": {"type": "anything"}}]
        (part,) = frame["message"]["parts"]
        if part["text"] == "new event":
            return [{"type": "party"}, {**frame, "type": "message.sung"}]
        if part["text"] == "new part":
            frame["message"]["parts"].append({"type": "hologram", "depth": 3})
            frame["message"]["mood"] = "good"
        return [frame]

    middle.change = modernize
    async with following(world, middle) as room:
        for text in ("new event", "new part", "old"):
            await world.app.say("r", text, "ann")
        assert await texts(room, 2) == ["message.sung", "new part"]
        assert room.state is not None
        hologram = room.state.messages[-1].parts[1]
        assert isinstance(hologram, Unknown)
        assert hologram.raw == {"type": "hologram", "depth": 3}
        assert await texts(room, 1) == ["old"]
        assert room.faults == 0
        assert middle.opened == 1


async def test_what_cannot_be_read_at_all_costs_a_connection_and_nothing_else(world: World, middle: Between) -> None:
    """A frame that is of no shape that was promised: another connection goes on from the cursor."""
    broken: list[Frame] = []

    def break_one(frame: Frame) -> list[Frame]:
        if frame["type"] == "message.created" and not broken:
            broken.append(frame)
            return [{**frame, "seq": "soon"}]
        return [frame]

    async with following(world, middle) as room:
        middle.change = break_one
        await world.app.say("r", "one", "ann")
        assert await texts(room, 1) == ["one"]
        assert middle.opened == 2


async def test_an_application_that_is_behind_loses_nothing(world: World, middle: Between) -> None:
    """Beyond its buffer the room is left off and asked for again where the buffer ended; the connection stays."""
    async with following(world, middle, buffer=4) as room:
        said = [f"{number}" for number in range(25)]
        for text in said:
            await world.app.say("r", text, "ann")
        async with asyncio.timeout(WAIT_S):
            while {"op": "unsubscribe", "rooms": ["r"]} not in middle.asked:
                await asyncio.sleep(0.01)
        assert await texts(room, 25) == said
        assert middle.opened == 1
        assert len([frame for frame in middle.asked if frame["op"] == "subscribe"]) > 2


@pytest.mark.parametrize("code", [4401, 4403])
async def test_a_token_that_ended_is_replaced_and_nothing_is_lost(world: World, middle: Between, code: int) -> None:
    """While much is being written: the provider is asked for one other token, and every write is done once."""
    given = 0
    tokens = [(await world.app.mint("bob"))["token"] for _ in range(4)]

    def provide() -> str:
        nonlocal given
        given += 1
        return str(tokens[given - 1])

    async with AsyncRoomlog(token=provide, url=middle.url) as client, client.rooms.open("r") as room:
        for turn in (1, 2):
            writing = [asyncio.create_task(room.send(f"{number}")) for number in range(40)]
            await middle.close_all(code, "revoked")
            async with asyncio.timeout(WAIT_S):
                await asyncio.gather(*writing)
            assert given == turn + 1
        assert sorted(await texts(room, 80), key=int) == sorted([f"{number}" for number in range(40)] * 2, key=int)


@pytest.mark.parametrize("has_another", [True, False])
async def test_tokens_that_ended_on_their_way_are_replaced(world: World, middle: Between, *, has_another: bool) -> None:
    """One after the other, while the provider has others; when it gives the same again, that is for good."""
    tokens = [(await world.app.mint("bob"))["token"] for _ in range(4)]
    for token in tokens[1:3]:
        await world.app.ask("POST", "/v1/tokens/revoke", {"token": token})
    given: list[str] = []

    def provide() -> str:
        given.append(tokens[len(given)] if has_another or len(given) < 3 else tokens[2])
        return given[-1]

    async with AsyncRoomlog(token=provide, url=middle.url) as client, client.rooms.open("r") as room:
        await middle.close_all(4401, "token_expired")
        if has_another:
            await room.send("Here I am")
            assert await texts(room, 1) == ["Here I am"]
            assert given == tokens
        else:
            with pytest.raises(ApiError):
                await texts(room, 1)
            assert given == [*tokens[:3], tokens[2]]


async def test_a_credential_that_is_refused_for_good_ends_the_room(world: World, middle: Between) -> None:
    """Without a provider there is no other: what had come is given first, then the refusal is raised."""
    async with following(world, middle) as room:
        await world.app.say("r", "one", "ann")
        async with asyncio.timeout(WAIT_S):
            while room.ahead() == room.state:
                await asyncio.sleep(0.01)
        await middle.close_all(4401, "token_expired")
        assert await texts(room, 1) == ["one"]
        with pytest.raises(ApiError, match="4401"):
            await texts(room, 1)


async def test_a_token_is_replaced_on_the_live_socket(world: World, middle: Between) -> None:
    """The service warns, the provider is asked, and the same socket goes on with another token."""
    given: list[str] = []

    async def provide() -> str:
        given.append((await world.app.mint("bob", 5 if not given else 3600))["token"])
        return given[-1]

    answered = asyncio.Event()

    def listen(frame: Frame) -> list[Frame]:
        if frame["type"] == "authenticated":
            answered.set()
        return [frame]

    middle.change = listen
    async with AsyncRoomlog(token=provide, url=middle.url) as client, client.rooms.open("r") as room:
        async with asyncio.timeout(WAIT_S):
            await answered.wait()
        await world.app.say("r", "one", "ann")
        assert await texts(room, 1) == ["one"]
        assert (len(given), middle.opened) == (2, 1)


async def test_the_folded_state_is_what_the_server_shows(world: World, middle: Between) -> None:
    """After every kind of event: messages sent, edited and deleted, members who come, go and rise, the room renamed."""
    app = world.app
    await app.token("carol")
    async with AsyncRoomlog(app.key, url=app.service.url) as server, following(world, middle) as room:
        ann = server.acting_as("ann")
        seen: list[int] = []
        room.on_change(lambda state: seen.append(state.seq))
        first = await ann.rooms.messages.send("r", parts=[TextPart(text="one")])
        second = await ann.rooms.messages.send("r", parts=[TextPart(text="two")])
        await ann.rooms.messages.edit("r", first.id, parts=[TextPart(text="one, edited")])
        await ann.rooms.messages.delete("r", second.id)
        await server.rooms.members.put("r", "carol", role="member")
        await server.rooms.members.put("r", "carol", role="admin")
        await server.rooms.members.put("r", "bob", role="admin")
        await ann.rooms.update("r", name="Renamed", data={"topic": "Everything"})
        await server.rooms.members.remove("r", "carol")
        with Roomlog(app.key, url=app.service.url) as fresh:
            await async_assert_converged(fresh, "r", room)
        assert room.state is not None
        async with asyncio.timeout(WAIT_S):
            while not seen or seen[-1] < room.state.seq:
                await asyncio.sleep(0.01)
        assert seen == list(range(seen[0], seen[-1] + 1))


async def test_rooms_open_and_come_back_with_the_connection(world: World, middle: Between) -> None:
    """The upgrade names them, from where they stand: there is no further round trip, and nothing is missed."""
    async with following(world, middle) as room:
        assert (middle.named, middle.asked) == ([[{"room": "r", "last": 50}]], [])
        await world.app.say("r", "one", "ann")
        assert await texts(room, 1) == ["one"]
        cursor = room.cursor
        await middle.close_all(1012, "restart")
        await world.app.say("r", "two", "ann")
        assert await texts(room, 1) == ["two"]
        assert (middle.named[1:], middle.asked) == ([[{"room": "r", "cursor": cursor}]], [])


async def test_more_rooms_than_an_address_holds_are_asked_for_by_frames(world: World, middle: Between) -> None:
    """All open, some with the upgrade and the others right behind it."""
    names = [f"{number:03}-" + "x" * 60 for number in range(60)]
    for name in names:
        await world.app.room(name, ("bob",))
    async with AsyncRoomlog(token=await world.app.token("bob"), url=middle.url) as client, asyncio.timeout(WAIT_S):
        rooms = [client.rooms.open(name) for name in names]
        await asyncio.gather(*(room.__aenter__() for room in rooms))
        asked = [wish["room"] for frame in middle.asked for wish in frame["rooms"]]
        named = [wish["room"] for wish in middle.named[0]]
        assert named
        assert asked
        assert sorted(named + asked) == names
        await asyncio.gather(*(room.close() for room in rooms))


async def test_where_no_long_address_is_taken_rooms_open_all_the_same(world: World, middle: Between) -> None:
    """What something on the way refuses is not tried again: rooms are asked for by frames alone."""
    middle.longest = 20
    async with asyncio.timeout(WAIT_S), following(world, middle) as room:
        await world.app.say("r", "one", "ann")
        assert await texts(room, 1) == ["one"]
        assert (middle.named, [frame["op"] for frame in middle.asked]) == ([[]], ["subscribe"])


async def test_a_room_that_is_closed_while_the_connection_opens_is_left(world: World, middle: Between) -> None:
    """The upgrade has named it: it is unsubscribed, and may be opened again at once."""
    await world.app.room("q", ("bob",))
    middle.door.clear()
    async with AsyncRoomlog(token=await world.app.token("bob"), url=middle.url) as client, asyncio.timeout(WAIT_S):
        closed, kept = client.rooms.open("r"), client.rooms.open("q")
        opening = [asyncio.create_task(room.__aenter__()) for room in (closed, kept)]
        await middle.came.wait()
        await closed.close()
        middle.door.set()
        await opening[1]
        assert isinstance((await asyncio.gather(opening[0], return_exceptions=True))[0], ClientClosed)
        async with client.rooms.open("r") as again:
            await world.app.say("r", "one", "ann")
            assert await texts(again, 1) == ["one"]
        assert {wish["room"] for wish in middle.named[0]} == {"r", "q"}
        assert middle.asked[0] == {"op": "unsubscribe", "rooms": ["r"]}
        await kept.close()
