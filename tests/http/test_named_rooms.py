"""Rooms that are named in the upgrade: open as soon as the caller is known, a round trip earlier."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.sockets import Socket
from tests.support.world import World


def url(world: World, rooms: object) -> str:
    text = rooms if isinstance(rooms, str) else json.dumps(rooms)
    return f"{world.app.service.socket_url}?rooms={quote(text)}"


async def bearer(world: World, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await world.app.token(user)}"}


async def hear(raw: Any, count: int) -> list[dict[str, Any]]:
    socket = Socket(raw)
    return [await socket.hear() for _ in range(count)]


async def test_they_come_with_the_greeting_and_live_on(world: World) -> None:
    """The client says nothing, and has `connected`, each room's snapshot, and then what comes."""
    app = world.app
    for room in ("one", "two"):
        await app.room(room, ("ann",))
    await app.say("one", "before", "ann")
    wanted = [{"room": "one", "last": 1}, {"room": "two", "last": 0}]
    async with connect(url(world, wanted), additional_headers=await bearer(world, "ann")) as raw:
        frames = await hear(raw, 5)
        kinds = [frame["type"] for frame in frames]
        assert kinds == ["connected", "subscribed", "snapshot", "subscribed", "snapshot"]
        assert [part["text"] for part in frames[2]["snapshot"]["messages"][0]["parts"]] == ["before"]
        said = await app.say("two", "after", "ann")
        [event] = await hear(raw, 1)
        assert (event["type"], event["room"], event["seq"]) == ("message.created", "two", said["seq"])


async def test_a_cursor_goes_on_and_a_credential_may_come_with_the_first_frame(world: World) -> None:
    """A page that comes back names its room and cursor in the URL, and shows its token in its first frame."""
    app = world.app
    await app.room("r", ("ann",))
    async with app.socket("ann") as socket:
        cursor = (await socket.open("r"))["snapshot"]["cursor"]
    said = await app.say("r", "missed", "ann")
    async with connect(url(world, [{"room": "r", "cursor": cursor}])) as raw:
        await raw.send(json.dumps({"op": "auth", "token": await app.token("ann")}))
        greeting, subscribed, event = await hear(raw, 3)
        assert (greeting["type"], subscribed["resumed"], event["seq"]) == ("connected", True, said["seq"])


async def test_another_app_s_room_is_a_room_that_never_was(world: World) -> None:
    """The same answer, and the other rooms open all the same."""
    await world.other.room("theirs")
    await world.app.room("ours", ("ann",))
    answers = []
    for foreign in ("theirs", "never-was"):
        wanted = [{"room": foreign}, {"room": "ours"}]
        async with connect(url(world, wanted), additional_headers=await bearer(world, "ann")) as raw:
            _, refused, opened, _ = await hear(raw, 4)
        assert (refused["problem"]["status"], opened["room"]) == (404, "ours")
        del refused["room"]
        answers.append(refused)
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("rooms", "pointer"),
    [
        ("", None),
        ("general", None),
        ("{}", None),
        ("[]", None),
        ('["general"]', "/0"),
        ('[{"room":"r","last":101}]', "/0/last"),
        ('[{"room":"r","first":1}]', "/0"),
        (json.dumps([{"room": "r"}] * 1_001), None),
    ],
)
async def test_what_is_no_list_of_rooms_is_refused_before_the_upgrade(
    world: World, rooms: str, pointer: str | None
) -> None:
    """With a 400 that says where, or by the bound of a request's head."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url(world, rooms), additional_headers=await bearer(world, "ann")):
            pass
    response = refused.value.response
    if response.status_code != 431:
        problem = json.loads(response.body or b"{}")
        assert (response.status_code, problem["code"], problem.get("pointer")) == (400, "bad_request", pointer)
        assert "rooms" in problem["detail"]


async def test_a_room_that_cannot_be_an_id_is_refused_by_itself(world: World) -> None:
    """As in a `subscribe` frame."""
    async with connect(url(world, [{"room": "no room"}]), additional_headers=await bearer(world, "ann")) as raw:
        _, refused = await hear(raw, 2)
        assert (refused["type"], refused["problem"]["status"]) == ("error", 400)
