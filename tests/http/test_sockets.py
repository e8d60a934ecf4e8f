"""The socket: its greeting, its frames, its ends."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.processes import Service
from tests.support.sockets import Socket
from tests.support.world import World


async def close_code(raw: Any) -> int:
    await asyncio.wait_for(raw.wait_closed(), 8)
    return int(raw.close_code)


async def test_a_browser_authenticates_with_its_first_frame(world: World) -> None:
    """An accepted socket is powerless until its first frame has brought a credential."""
    token = await world.app.token("ann")
    async with connect(world.app.service.socket_url) as raw:
        socket = Socket(raw)
        await socket.say(op="auth", token=token)
        greeting = await socket.hear()
        assert (greeting["type"], greeting["user"]) == ("connected", "ann")
        assert greeting["heartbeat_ms"] == 20_000


@pytest.mark.parametrize(
    "first",
    ['{"op":"auth","token":"wrong"}', '{"op":"subscribe","rooms":[{"room":"r"}]}', "{", '{"op":"auth"}'],
)
async def test_any_other_first_frame_closes_the_socket(service: Service, first: str) -> None:
    """Nothing is taken before a credential that holds."""
    async with connect(service.socket_url) as raw:
        await raw.send(first)
        assert await close_code(raw) == 4401


async def test_a_first_frame_over_8_kib_closes_the_socket(service: Service) -> None:
    """Strangers may not send much."""
    async with connect(service.socket_url) as raw:
        await raw.send(json.dumps({"op": "auth", "token": "x" * 8192}))
        assert await close_code(raw) == 4413


async def test_without_a_first_frame_the_socket_is_closed_after_5_s(service: Service) -> None:
    """Silence is no credential."""
    async with connect(service.socket_url) as raw:
        began = asyncio.get_running_loop().time()
        assert await close_code(raw) == 4401
        assert 4.5 < asyncio.get_running_loop().time() - began < 30


async def test_a_bad_header_is_refused_before_the_upgrade(service: Service) -> None:
    """A credential in the header that does not hold is a 401 problem."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(service.socket_url, additional_headers={"Authorization": "Bearer x"}):
            pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"{}")["code"] == "unauthenticated"


async def test_a_key_from_a_browser_is_refused_before_the_upgrade(world: World) -> None:
    """An API key with an Origin opens no socket."""
    headers = {"Authorization": f"Bearer {world.app.key}"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(world.app.service.socket_url, additional_headers=headers, origin="https://a.example"):
            pass
    assert refused.value.response.status_code == 403


BAD_FRAMES = {
    '{"op":"nope","id":1}': "/op",
    '{"id":1}': None,
    '{"op":"subscribe","id":1,"rooms":[]}': "/rooms",
    '{"op":"subscribe","id":1,"rooms":[{"room":5}]}': "/rooms/0/room",
    '{"op":"subscribe","id":1,"rooms":[{"room":"r","last":101}]}': "/rooms/0/last",
    '{"op":"subscribe","id":1,"rooms":[{"room":"r","more":1}]}': "/rooms/0",
    '{"op":"send","id":1,"room":"r","parts":[{"type":"text","text":"\\u0000"}]}': None,
    '{"op":"send","id":1,"room":"r","parts":[{"type":"text","text":"\\ud800"}]}': None,
    '{"op":"send","id":1,"room":"r","parts":"x"}': "/parts",
    '{"op":"send","id":1,"room":"r","key":"","parts":[{"type":"text","text":"x"}]}': "/key",
}


@pytest.mark.parametrize("frame", BAD_FRAMES)
async def test_a_bad_frame_is_answered_and_the_socket_goes_on(world: World, frame: str) -> None:
    """A frame that is an object has a problem for an answer, with its id and a pointer."""
    await world.app.room("r", ("ann",))
    async with world.app.socket("ann") as socket:
        await socket.raw.send(frame)
        error = await socket.hear_type("error")
        assert (error["id"], error["problem"]["code"]) == (1, "bad_request"), error
        assert error["problem"].get("pointer") == BAD_FRAMES[frame], error
        assert await socket.is_quiet()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 4400),
        ("[]", 4400),
        ('"x"', 4400),
        ("", 4400),
        (b"{}", 4400),
        ('{"op":"ping","id":"' + "x" * 131_072 + '"}', 4413),
        ('{"op":"ping","id":"' + "x" * 300_000 + '"}', 1009),
        ("[" * 60_000, 4400),
    ],
    ids=["half", "array", "string", "empty", "binary", "large", "huge", "deep"],
)
async def test_what_is_no_frame_closes_the_socket(world: World, frame: str | bytes, code: int) -> None:
    """Clients that cannot be talked to are told so by the close code."""
    async with world.app.socket("ann") as socket:
        await socket.raw.send(frame)
        assert await close_code(socket.raw) == code


async def test_refusals_on_the_socket_are_those_of_rest(world: World) -> None:
    """The same code for the same thing: unknown room, not a member, another app's, too large, no user."""
    app = world.app
    await app.room("r", ("ann",))
    await app.room("p", ("ann",), private=True)
    await world.other.room("theirs", ("ann",))
    text = [{"type": "text", "text": "x"}]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"op": "send", "room": "none", "parts": text}, "room_not_found"),
        ({"op": "send", "room": "theirs", "parts": text}, "room_not_found"),
        ({"op": "send", "room": "p", "parts": text}, "room_not_found"),
        ({"op": "send", "room": "r", "parts": text}, "not_a_member"),
        ({"op": "send", "room": "a b", "parts": text}, "bad_request"),
        ({"op": "send", "room": "r", "parts": text, "acting": "ann"}, "forbidden"),
        ({"op": "send", "room": "r", "parts": [{"type": "text", "text": "x" * 65_536}]}, "too_large"),
        ({"op": "edit", "room": "r", "message": "mAAAA", "parts": text}, "message_not_found"),
        ({"op": "delete", "room": "r", "message": "nonsense"}, "message_not_found"),
        ({"op": "subscribe", "rooms": [{"room": "p"}]}, "room_not_found"),
        ({"op": "subscribe", "rooms": [{"room": "theirs"}]}, "room_not_found"),
        ({"op": "auth", "token": "x"}, "unauthenticated"),
    ]
    async with app.socket("eve") as socket:
        for number, (frame, code) in enumerate(cases):
            await socket.say(id=number, **frame)
            answer = await socket.hear_answer(number)  # type: ignore[arg-type]
            assert answer["problem"]["code"] == code, (frame, answer)
    async with app.socket() as server:
        await server.say(op="send", id="s", room="r", parts=text)
        assert (await server.hear())["problem"]["code"] == "user_required"
        await server.say(op="send", id="s", room="r", parts=text, acting="ann")
        assert (await server.hear())["type"] == "ack"


async def test_writing_on_the_socket_is_writing_by_rest(world: World) -> None:
    """A key used on the socket is known to REST; edits and deletions work on both."""
    app = world.app
    await app.room("r", ("ann",))
    body = {"parts": [{"type": "text", "text": "x"}], "metadata": {"a": 1}}
    async with app.socket("ann") as socket:
        await socket.say(op="send", id="a", room="r", key="k", **body)
        ack = await socket.hear_type("ack")
        assert (ack["id"], ack["seq"], ack["number"], ack["replayed"]) == ("a", 3, 1, False)
        by_rest = await app.ask("POST", "/v1/rooms/r/messages", body, user="ann", key="k")
        assert (by_rest.status_code, by_rest.json()["id"]) == (200, ack["message"])
        await socket.say(op="send", id="b", room="r", key="k", **body)
        again = await socket.hear_type("ack")
        assert (again["seq"], again["message"], again["replayed"]) == (ack["seq"], ack["message"], True)
        await socket.say(
            op="edit", id="c", room="r", message=ack["message"], key="e", expected_seq=3, parts=body["parts"]
        )
        assert (await socket.hear_type("ack"))["seq"] == 4
        await socket.say(op="delete", id="d", room="r", message=ack["message"])
        assert (await socket.hear_type("ack"))["seq"] == 5
        await socket.say(op="delete", id="e", room="r", message=ack["message"])
        assert await socket.hear_type("ack") == {"id": "e", "type": "ack", "room": "r"}


async def test_many_rooms_open_in_one_frame_and_resume_in_one(world: World) -> None:
    """Each room of a frame is answered on its own, and one frame brings them all back."""
    app = world.app
    rooms = [f"r{number}" for number in range(30)]
    for room in rooms:
        await app.room(room, ("ann",))
    cursors: dict[str, str] = {}
    async with app.socket("ann") as socket:
        await socket.say(op="subscribe", id=1, rooms=[{"room": room} for room in [*rooms, "none"]])
        for _ in rooms:
            subscribed = await socket.hear_type("subscribed")
            snapshot = await socket.hear_type("snapshot")
            assert subscribed["room"] == snapshot["room"]
            cursors[snapshot["room"]] = snapshot["snapshot"]["cursor"]
        assert (await socket.hear_type("error"))["room"] == "none"
    for room in rooms:
        await app.say(room, "while away", "ann")
    async with app.socket("ann") as socket:
        await socket.say(op="subscribe", rooms=[{"room": room, "cursor": cursors[room]} for room in rooms])
        frames = [await socket.hear() for _ in range(60)]
    resumed = [frame["room"] for frame in frames if frame["type"] == "subscribed" and frame["resumed"]]
    told = [frame["room"] for frame in frames if frame["type"] == "message.created"]
    assert sorted(resumed) == sorted(told) == sorted(rooms)


async def test_after_unsubscribed_nothing_of_the_room_comes(world: World) -> None:
    """The answer to `unsubscribe` is the boundary."""
    app = world.app
    await app.room("r", ("ann",))
    await app.room("s", ("ann",))
    async with app.socket("ann") as socket:
        await socket.open("r")
        await socket.open("s")
        await socket.say(op="unsubscribe", id=2, rooms=["r"])
        assert await socket.hear() == {"id": 2, "type": "unsubscribed", "room": "r", "reason": "requested"}
        await app.say("r", "unheard", "ann")
        said = await app.say("s", "heard", "ann")
        event = await socket.hear()
        assert (event["room"], event["seq"]) == ("s", said["seq"])


async def test_a_deleted_room_ends_its_subscriptions(world: World) -> None:
    """The deletion itself is shown, then the subscription is over."""
    app = world.app
    await app.room("r", ("ann",))
    async with app.socket("ann") as socket:
        await socket.open("r")
        await app.ask("DELETE", "/v1/rooms/r")
        assert (await socket.hear())["type"] == "room.deleted"
        assert await socket.hear() == {"type": "unsubscribed", "room": "r", "reason": "room_deleted"}


async def test_a_room_that_becomes_private_is_closed_to_readers(world: World) -> None:
    """Who only read a public room is revoked by the event that makes it private; members stay."""
    app = world.app
    await app.room("r", ("ann",))
    async with app.socket("eve") as reader, app.socket("ann") as member:
        await reader.open("r")
        await member.open("r")
        await app.ask("PATCH", "/v1/rooms/r", {"private": True})
        assert await reader.hear() == {"type": "revoked", "room": "r", "seq": 3, "reason": "room_private"}
        assert (await member.hear())["type"] == "room.updated"


async def test_a_token_that_ends_ends_its_socket(world: World) -> None:
    """No data after the token's end; the code says to fetch a new one."""
    token = (await world.app.mint("ann", ttl_s=5))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(world.app.service.socket_url, additional_headers=headers) as raw:
        assert await close_code(raw) == 4401


async def test_too_many_frames_close_the_socket(world: World) -> None:
    """Frames other than writes are limited to 50/s, after a burst."""
    async with world.app.socket("ann") as socket:
        with pytest.raises(ConnectionClosed):
            for number in range(1000):
                await socket.say(op="ping", id=number)
            await asyncio.sleep(1)
            while True:
                await socket.hear()
        assert socket.raw.close_code == 4429
