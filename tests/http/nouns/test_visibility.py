"""Who may see what: a private room does not exist for strangers, whatever they ask of it."""

from typing import Any

import pytest

from tests.support.world import World

BODY = {"parts": [{"type": "text", "text": "x"}]}
ASKS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("PATCH", "", {"name": "x"}),
    ("PATCH", "", {"name": "x", "expected_seq": 1}),
    ("DELETE", "", None),
    ("GET", "/members", None),
    ("PUT", "/members/ann", {}),
    ("PUT", "/members/nobody", {}),
    ("PUT", "/members/eve", {"role": "admin"}),
    ("DELETE", "/members/ann", None),
    ("DELETE", "/members/nobody", None),
    ("DELETE", "/members/eve", None),
    ("POST", "/join", None),
    ("POST", "/leave", None),
    ("GET", "/messages", None),
    ("POST", "/messages", BODY),
    ("GET", "/messages/{message}", None),
    ("PATCH", "/messages/{message}", BODY),
    ("DELETE", "/messages/{message}", None),
    ("GET", "/read", None),
    ("PUT", "/read", {"seq": 1}),
]


@pytest.mark.parametrize("was_member", [False, True])
async def test_a_private_room_is_not_there_for_strangers(world: World, *, was_member: bool) -> None:
    """Each route answers who is not, or no longer, a member like for a room that never was, and does nothing."""
    app = world.app
    await app.room("p", ("ann", "eve") if was_member else ("ann",), private=True)
    message = (await app.say("p", "a secret", "ann"))["id"]
    if was_member:
        await app.ask("DELETE", "/v1/rooms/p/members/eve")
    before = (await app.ask("GET", "/v1/rooms/p")).json()
    for method, path, body in ASKS:
        answers = []
        for room in ("p", "never-was"):
            answer = await app.ask(method, f"/v1/rooms/{room}{path}".format(message=message), body, user="eve")
            answers.append((answer.status_code, {**answer.json(), "request_id": None}))
        assert answers[0] == answers[1], (method, path)
        assert answers[0][0] == 404
    assert (await app.ask("GET", "/v1/rooms/p")).json() == before
    assert (await app.ask("GET", "/v1/rooms", user="eve")).json()["rooms"] == []


async def test_another_app_s_public_room_is_not_there(world: World) -> None:
    """Neither its users nor its key, in its own name or a user's, tell it from a room that never was."""
    await world.app.room("theirs", ("ann",))
    message = (await world.app.say("theirs", "a secret", "ann"))["id"]
    await world.other.token("eve")
    for who in ({"user": "eve"}, {"acting": "eve"}, {}):
        for method, path, body in ASKS:
            answers = []
            for room in ("theirs", "never-was"):
                answer = await world.other.ask(method, f"/v1/rooms/{room}{path}".format(message=message), body, **who)
                answers.append((answer.status_code, {**answer.json(), "request_id": None}))
            assert answers[0] == answers[1], (method, path)
            assert answers[0][0] in ({404} if who else {404, 400}), (method, path)
    assert (await world.app.ask("GET", "/v1/rooms/theirs")).json()["seq"] == 3


async def test_a_public_room_is_read_by_all_and_written_by_members(world: World) -> None:
    """Who has not joined reads, and is told to join for the rest."""
    app = world.app
    await app.room("r", ("ann",))
    message = (await app.say("r", "x", "ann"))["id"]
    for method, path, body in ASKS:
        if path in {"/join", "/leave", "/members/eve"}:
            continue
        answer = await app.ask(method, f"/v1/rooms/r{path}".format(message=message), body, user="eve")
        if method == "GET" and path != "/read":
            assert answer.status_code == 200, path
        elif "nobody" in path:
            assert answer.json()["code"] == "user_not_found", path
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member"), (method, path)
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 3


async def test_a_member_manages_nothing(world: World) -> None:
    """What takes an admin or the message's sender says so to other members."""
    app = world.app
    await app.room("r", ("ann", "eve"))
    message = (await app.say("r", "x", "ann"))["id"]
    for method, path, body in (
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("PUT", "/members/ann", {"role": "admin"}),
        ("PUT", "/members/eve", {"role": "admin"}),
        ("DELETE", "/members/ann", None),
        ("PATCH", f"/messages/{message}", BODY),
        ("DELETE", f"/messages/{message}", None),
    ):
        answer = await app.ask(method, f"/v1/rooms/r{path}", body, user="eve")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (method, path)
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 4


async def test_an_admin_manages_and_a_former_one_does_not(world: World) -> None:
    """An admin brings in, promotes, takes out and tidies up, but edits nobody's words; with the role the right ends."""
    app = world.app
    for user in ("bob", "cid"):
        await app.token(user)
    await app.ask("POST", "/v1/rooms", {"id": "r", "private": True}, user="ann")
    for user in ("bob", "cid"):
        assert (await app.ask("PUT", f"/v1/rooms/r/members/{user}", {}, user="ann")).status_code == 200
    message = (await app.say("r", "x", "bob"))["id"]
    edit = await app.ask("PATCH", f"/v1/rooms/r/messages/{message}", BODY, user="ann")
    assert (edit.status_code, edit.json()["code"]) == (403, "not_allowed")
    assert (await app.ask("DELETE", f"/v1/rooms/r/messages/{message}", user="ann")).status_code == 204
    assert (await app.ask("PUT", "/v1/rooms/r/members/bob", {"role": "admin"}, user="ann")).status_code == 200
    assert (await app.ask("PUT", "/v1/rooms/r/members/ann", {"role": "member"}, user="bob")).json()["role"] == "member"
    assert (await app.ask("PATCH", "/v1/rooms/r", {"name": "x"}, user="ann")).json()["code"] == "not_allowed"
    assert (await app.ask("DELETE", "/v1/rooms/r/members/cid", user="bob")).status_code == 204
    members = (await app.ask("GET", "/v1/rooms/r/members", user="ann")).json()["members"]
    assert [(member["user"], member["role"]) for member in members] == [("ann", "member"), ("bob", "admin")]


async def test_a_user_s_rooms_are_those_of_its_memberships(world: World) -> None:
    """A server sees all of its app, or in a user's name the user's; deleted rooms are in no list."""
    app = world.app
    await app.room("both", ("ann", "bob"), private=True)
    await app.room("only-ann", ("ann",))
    await app.room("gone", ("ann",))
    await app.ask("DELETE", "/v1/rooms/gone")
    for asks, rooms in (
        ({"user": "bob"}, ["both"]),
        ({"user": "ann"}, ["only-ann", "both"]),
        ({"acting": "bob"}, ["both"]),
        ({}, ["only-ann", "both"]),
    ):
        page = (await app.ask("GET", "/v1/rooms", **asks)).json()
        assert ([room["id"] for room in page["rooms"]], page["next"]) == (rooms, None)
    assert (await world.other.ask("GET", "/v1/rooms")).json() == {"rooms": [], "next": None}
