"""1:1 rooms: one for each pair of users, whoever asks, however often, at whatever moment."""

import asyncio
from typing import Any

import pytest

from tests.support.world import World


@pytest.fixture
async def direct(world: World) -> str:
    """The 1:1 room of ann and bob, by its id."""
    for user in ("ann", "bob", "eve"):
        await world.app.token(user)
    return str((await world.app.ask("POST", "/v1/rooms", {"direct_with": "bob"}, user="ann")).json()["id"])


async def test_a_pair_has_one_room_whoever_asks(world: World, direct: str) -> None:
    """Either user, a server in a user's name and a server in its own find the one that was made first."""
    app = world.app
    for wish, asks in (
        ({"direct_with": "bob"}, {"user": "ann"}),
        ({"direct_with": "ann"}, {"user": "bob"}),
        ({"direct_with": "ann"}, {"acting": "bob"}),
        ({"direct": ["ann", "bob"]}, {}),
        ({"direct": ["bob", "ann"]}, {}),
    ):
        answer = await app.ask("POST", "/v1/rooms", wish, **asks)
        room = answer.json()
        assert (answer.status_code, room["id"]) == (200, direct), wish
        assert (room["direct"], room["private"], room["member_count"]) == (["ann", "bob"], True, 2)
    members = (await app.ask("GET", f"/v1/rooms/{direct}/members", user="bob")).json()["members"]
    assert sorted((member["user"], member["role"]) for member in members) == [("ann", "member"), ("bob", "member")]
    other = await app.ask("POST", "/v1/rooms", {"direct": ["ann", "eve"]})
    assert (other.status_code, other.json()["direct"]) == (201, ["ann", "eve"])


async def test_both_at_the_same_moment_get_one_room(world: World) -> None:
    """Of twenty who ask at once exactly one makes it, and all get the same."""
    app = world.app
    for user in ("ann", "bob"):
        await app.token(user)
    asks = [
        app.ask("POST", "/v1/rooms", {"direct_with": other}, user=user)
        for user, other in (("ann", "bob"), ("bob", "ann")) * 10
    ]
    answers = await asyncio.gather(*asks)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_pair_s_room_is_for_the_two_alone_and_for_ever(world: World, direct: str) -> None:
    """Nobody comes in, nobody leaves, it does not become public; to others it is not there."""
    app = world.app
    path = f"/v1/rooms/{direct}"
    asks: list[tuple[str, str, Any, dict[str, str]]] = [
        ("PUT", "/members/eve", {}, {}),
        ("DELETE", "/members/ann", None, {}),
        ("DELETE", "/members/ann", None, {"user": "ann"}),
        ("POST", "/leave", None, {"user": "bob"}),
        ("POST", "/leave", None, {"acting": "bob"}),
        ("PATCH", "", {"private": False}, {}),
    ]
    for method, tail, body, who in asks:
        answer = await app.ask(method, path + tail, body, **who)
        assert (answer.status_code, answer.json()["code"]) == (409, "direct_room_fixed"), (method, tail)
    assert (await app.ask("PATCH", path, {"name": "We two"})).json()["name"] == "We two"
    for method, tail in (("GET", ""), ("POST", "/leave"), ("POST", "/join"), ("GET", "/members")):
        assert (await app.ask(method, path + tail, user="eve")).json()["code"] == "room_not_found", tail
    assert (await app.say(direct, "hello", "bob"))["number"] == 1


async def test_a_deleted_pair_s_room_makes_way_for_a_new_one(world: World, direct: str) -> None:
    """There is one at a time, and the old one stays deleted."""
    assert (await world.app.ask("DELETE", f"/v1/rooms/{direct}")).status_code == 204
    anew = await world.app.ask("POST", "/v1/rooms", {"direct_with": "ann"}, user="bob")
    assert anew.status_code == 201
    assert anew.json()["id"] != direct


async def test_a_deleted_user_s_pair_is_another_pair(world: World, direct: str) -> None:
    """Who is made under the id of a user deleted before gets a room of their own, and does not see the old one."""
    app = world.app
    await app.say(direct, "for the old bob", "ann")
    assert (await app.ask("DELETE", "/v1/users/bob")).status_code == 202
    assert (await app.ask("PUT", "/v1/users/bob", {})).status_code == 201
    anew = await app.ask("POST", "/v1/rooms", {"direct_with": "bob"}, user="ann")
    assert anew.status_code == 201
    assert anew.json()["id"] != direct
    assert (await app.ask("GET", f"/v1/rooms/{direct}", user="ann")).json()["direct"] == ["ann", "bob"]
    assert (await app.ask("GET", f"/v1/rooms/{direct}", acting="bob")).json()["role"] is None
    listed = (await app.ask("GET", "/v1/rooms?direct=true", acting="bob")).json()["rooms"]
    assert [room["id"] for room in listed] == [anew.json()["id"]]


@pytest.mark.parametrize(
    ("wish", "asks", "status", "pointer"),
    [
        ({"direct_with": "ann"}, {"user": "ann"}, 400, "/direct_with"),
        ({"direct": ["ann", "ann"]}, {}, 400, "/direct/1"),
        ({"direct": ["ann"]}, {}, 400, "/direct"),
        ({"direct": ["ann", "a b"]}, {}, 400, "/direct/1"),
        ({"direct": ["ann", "nobody"]}, {}, 404, "/direct/1"),
        ({"direct_with": "nobody"}, {"user": "ann"}, 404, "/direct_with"),
        ({"direct": ["bob", "eve"]}, {"user": "ann"}, 403, "/direct"),
        ({"direct_with": "bob"}, {}, 400, None),
        ({"direct_with": "bob", "id": "r"}, {"user": "ann"}, 400, None),
        ({"direct_with": "bob", "members": ["eve"]}, {"user": "ann"}, 400, None),
        ({"direct_with": "bob", "direct": ["ann", "bob"]}, {"acting": "ann"}, 400, None),
    ],
)
async def test_what_is_no_pair_is_refused(
    world: World, wish: dict[str, Any], asks: dict[str, str], status: int, pointer: str | None
) -> None:
    """The problem points at what is wrong, and no room is made."""
    for user in ("ann", "bob", "eve"):
        await world.app.token(user)
    answer = await world.app.ask("POST", "/v1/rooms", wish, **asks)
    assert (answer.status_code, answer.json().get("pointer")) == (status, pointer), answer.text
    assert (await world.app.ask("GET", "/v1/rooms")).json()["rooms"] == []


async def test_another_app_s_pair_is_not_there(world: World, direct: str) -> None:
    """The same names in another app are another pair."""
    assert (await world.other.ask("POST", "/v1/rooms", {"direct": ["ann", "bob"]})).json()["code"] == "user_not_found"
    for user in ("ann", "bob"):
        await world.other.token(user)
    theirs = await world.other.ask("POST", "/v1/rooms", {"direct": ["ann", "bob"]})
    assert theirs.status_code == 201
    assert theirs.json()["id"] != direct
    assert (await world.other.ask("GET", f"/v1/rooms/{direct}")).status_code == 404
