"""Members whose history begins at their joining see nothing older, whatever way they ask."""

from typing import Any

import pytest

from tests.support.world import App, World

EDITED = {"parts": [{"type": "text", "text": "secret, edited"}]}


async def came(app: App, room: str, user: str) -> int:
    await app.token(user)
    path = f"/v1/rooms/{room}/members/{user}"
    member = (await app.ask("PUT", path, {"history": "from_join"})).json()
    assert member["history_visible_from"] == member["joined_seq"]
    return int(member["joined_seq"])


@pytest.mark.parametrize("private", [False, True])
async def test_a_snapshot_begins_with_the_joining(world: World, *, private: bool) -> None:
    """No older message is in it, and the membership says from where on they are; counts and numbers are the room's."""
    app = world.app
    await app.room("r", ("ann",), private=private)
    for _ in range(3):
        await app.say("r", "secret", "ann")
    joined = await came(app, "r", "new")
    await app.say("r", "hello", "ann")
    async with app.socket("new") as socket:
        snapshot = (await socket.open("r"))["snapshot"]
    assert "secret" not in str(snapshot)
    assert [message["number"] for message in snapshot["messages"]] == [4]
    assert snapshot["membership"]["history_visible_from"] == joined
    assert (snapshot["message_count"], snapshot["member_count"]) == (4, 2)
    async with app.socket("ann") as socket:
        whole = (await socket.open("r"))["snapshot"]
    assert (len(whole["messages"]), whole["membership"]["history_visible_from"]) == (4, 0)


async def changed_after(app: App, messages: list[dict[str, Any]]) -> None:
    path = "/v1/rooms/r/messages"
    assert (await app.ask("PATCH", f"{path}/{messages[0]['id']}", EDITED, user="ann")).status_code == 200
    assert (await app.ask("DELETE", f"{path}/{messages[1]['id']}", user="ann")).status_code == 204
    await app.say("r", "hello", "ann")


@pytest.mark.parametrize("ring", [True, False])
async def test_changes_of_older_messages_show_their_place_alone(world: World, *, ring: bool) -> None:
    """Live, on resuming from the ring, and from PostgreSQL beyond it: seq and cursor, nothing else."""
    app = world.app
    await app.room("r", ("ann",), private=True)
    messages = [await app.say("r", f"secret {number}", "ann") for number in range(2)]
    await came(app, "r", "new")
    async with app.socket("new") as socket:
        cursor = (await socket.open("r"))["snapshot"]["cursor"]
        await changed_after(app, messages)
        live = await socket.until_seq(8)
    if not ring:
        for number in range(300):
            await app.say("r", str(number), "ann")
    async with app.socket("new") as socket:
        assert (await socket.open("r", cursor=cursor))["resumed"]
        resumed = (await socket.until_seq(8))[: len(live)]
    assert resumed == live
    assert [event["type"] for event in live] == ["hidden", "hidden", "message.created"]
    assert [set(event) for event in live[:2]] == [{"type", "room", "seq", "cursor"}] * 2
    assert "secret" not in str(live)


async def test_no_page_and_no_id_leads_to_what_is_older(world: World) -> None:
    """Before, after, around and by id: as if nothing had been said before."""
    app = world.app
    await app.room("r", ("ann",), private=True)
    messages = [await app.say("r", f"secret {number}", "ann") for number in range(5)]
    joined = await came(app, "r", "new")
    said = [await app.say("r", f"hello {number}", "ann") for number in range(3)]
    for query in (
        "limit=50",
        "limit=2",
        f"before={joined}",
        f"before={said[1]['seq']}",
        "after=0",
        f"after={messages[1]['seq']}",
        "around=1",
        f"around={joined}",
    ):
        page = (await app.ask("GET", f"/v1/rooms/r/messages?{query}", user="new")).json()
        assert "secret" not in str(page), query
        assert all(message["number"] > 5 for message in page["messages"]), query
    for message in messages:
        path = f"/v1/rooms/r/messages/{message['id']}"
        assert (await app.ask("GET", path, user="new")).json()["code"] == "message_not_found"
    assert (await app.ask("GET", f"/v1/rooms/r/messages/{said[0]['id']}", user="new")).status_code == 200


async def test_who_comes_again_sees_from_the_second_joining(world: World) -> None:
    """What was seen the first time is hidden the second time, in snapshots, pages and resumes."""
    app = world.app
    await app.room("r", ("ann", "new"), private=True)
    early = await app.say("r", "secret", "ann")
    async with app.socket("new") as socket:
        cursor = (await socket.open("r"))["snapshot"]["cursor"]
    await app.ask("DELETE", "/v1/rooms/r/members/new")
    await app.say("r", "secret too", "ann")
    joined = await came(app, "r", "new")
    late = await app.say("r", "hello", "ann")
    async with app.socket("new") as socket:
        reset = await socket.open("r", cursor=cursor)
        assert (reset["type"], reset["reason"]) == ("reset", "membership")
        assert [message["seq"] for message in reset["snapshot"]["messages"]] == [late["seq"]]
        assert reset["snapshot"]["membership"]["history_visible_from"] == joined
    page = (await app.ask("GET", "/v1/rooms/r/messages", user="new")).json()
    assert [message["seq"] for message in page["messages"]] == [late["seq"]]
    path = f"/v1/rooms/r/messages/{early['id']}"
    assert (await app.ask("GET", path, user="new")).json()["code"] == "message_not_found"


async def test_in_a_pair_s_room_both_see_everything(world: World) -> None:
    """A 1:1 room begins with its two members: there is nothing older for either."""
    app = world.app
    for user in ("ann", "bob"):
        await app.token(user)
    room = (await app.ask("POST", "/v1/rooms", {"direct_with": "bob"}, user="ann")).json()["id"]
    await app.say(room, "hello", "ann")
    for user in ("ann", "bob"):
        async with app.socket(user) as socket:
            snapshot = (await socket.open(room))["snapshot"]
        assert (len(snapshot["messages"]), snapshot["membership"]["history_visible_from"]) == (1, 0)
