"""Members in batches and in pages."""

import asyncio
from typing import Any

import pytest

from tests.support.world import App, World


async def made(app: App, ids: list[str]) -> list[dict[str, Any]]:
    answer = await app.ask("POST", "/v1/users/batch", {"users": [{"id": name} for name in ids]})
    assert answer.status_code == 200, answer.text
    return [{"user": name} for name in ids]


async def walked(app: App, query: str, *, backwards: bool = False) -> list[str]:
    found: list[str] = []
    place = f"&before={2**63 - 1}" if backwards else ""
    while True:
        answer = await app.ask("GET", f"/v1/rooms/r/members?{query}{place}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        users = [member["user"] for member in page["members"]]
        found = users + found if backwards else found + users
        following = page["previous" if backwards else "next"]
        if following is None:
            return found
        place = f"&{'before' if backwards else 'after'}={following}"


async def test_a_thousand_are_added_in_order(world: World) -> None:
    """Each by an event in the log, in the order of the batch; a repetition under the key answers the same and adds nobody."""
    app = world.app
    await app.room("r", ("u5",))
    members = await made(app, [f"u{number}" for number in range(1000)])
    members[7] |= {"role": "admin", "history": "from_join"}
    first = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": members}, key="k")
    assert first.status_code == 200, first.text
    told = first.json()["members"]
    assert [member["user"] for member in told] == [member["user"] for member in members]
    assert [member["user"] for member in told if not member["added"]] == ["u5"]
    assert [member["seq"] for member in told if member["added"]] == list(range(3, 1002))
    again = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": members}, key="k")
    assert again.json() == first.json()
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 1001
    admins = (await app.ask("GET", "/v1/rooms/r/members?role=admin")).json()["members"]
    assert [(member["user"], member["history_visible_from"]) for member in admins] == [("u7", told[7]["seq"])]


async def test_an_interrupted_batch_goes_on_where_it_was(world: World) -> None:
    """Who was added by the first attempt is told as added by the second one, and stays out if removed since."""
    app = world.app
    await app.room("r")
    members = await made(app, ["a", "b", "c"])
    part = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": members[:2]}, key="k")
    await app.ask("DELETE", "/v1/rooms/r/members/a")
    whole = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": members}, key="k")
    assert whole.json()["members"][:2] == part.json()["members"]
    assert [member["added"] for member in whole.json()["members"]] == [True, True, True]
    assert await walked(app, "limit=9") == ["b", "c"]
    other = [{"user": "a", "role": "admin"}]
    reused = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": other}, key="k")
    assert reused.json()["code"] == "idempotency_key_reused"


async def test_batches_at_once_add_each_user_once(world: World) -> None:
    """Of racing batches each user is added by exactly one."""
    app = world.app
    await app.room("r")
    members = await made(app, [f"u{number}" for number in range(120)])
    batches = [members, members[::-1], members[60:] + members[:60]]
    answers = await asyncio.gather(
        *(app.ask("POST", "/v1/rooms/r/members/batch", {"members": batch}) for batch in batches)
    )
    added = [member["user"] for answer in answers for member in answer.json()["members"] if member["added"]]
    assert sorted(added) == sorted(member["user"] for member in members)
    assert (await app.ask("GET", "/v1/rooms/r")).json()["member_count"] == 120


@pytest.mark.parametrize(
    ("bad", "status", "pointer"),
    [
        ({"user": "b c"}, 400, "/members/1/user"),
        ({"user": "a"}, 400, "/members/1/user"),
        ({"user": "nobody"}, 404, "/members/1/user"),
        ({"user": "b", "role": "king"}, 400, "/members/1/role"),
        ({"user": "b", "history": "some"}, 400, "/members/1/history"),
        ({}, 400, "/members/1"),
    ],
)
async def test_one_bad_member_refuses_the_batch(world: World, bad: dict[str, str], status: int, pointer: str) -> None:
    """The problem points at it, and nobody is added."""
    app = world.app
    await app.room("r")
    await made(app, ["a", "b"])
    answer = await app.ask("POST", "/v1/rooms/r/members/batch", {"members": [{"user": "a"}, bad]})
    assert (answer.status_code, answer.json().get("pointer")) == (status, pointer), answer.text
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 1


async def test_a_batch_takes_what_adding_takes(world: World) -> None:
    """Admins and servers of the app add; members, strangers, and other apps do not; 1:1 rooms stay what they are."""
    app = world.app
    await made(app, ["new"])
    await app.ask("POST", "/v1/rooms", {"id": "r", "private": True}, user="ann")
    await app.token("bob")
    await app.ask("PUT", "/v1/rooms/r/members/bob", {})
    path, batch = "/v1/rooms/r/members/batch", {"members": [{"user": "new"}]}
    assert (await app.ask("POST", path, batch, user="bob")).json()["code"] == "not_allowed"
    assert (await app.ask("POST", path, batch, user="eve")).json()["code"] == "room_not_found"
    assert (await world.other.ask("POST", path, batch)).json()["code"] == "room_not_found"
    assert (await app.ask("POST", path, batch, user="ann")).json()["members"][0]["added"] is True
    pair = (await app.ask("POST", "/v1/rooms", {"direct_with": "bob"}, user="ann")).json()["id"]
    refused = await app.ask("POST", f"/v1/rooms/{pair}/members/batch", batch)
    assert refused.json()["code"] == "direct_room_fixed"
    assert (await app.ask("POST", "/v1/rooms/r/members/ann", batch)).status_code == 405


async def test_members_come_in_pages_both_ways(world: World) -> None:
    """By role, by what their ids begin with, in pages of any length, each once and in the order of joining."""
    app = world.app
    await app.room("r")
    ids = ["zed", "a1", "b", "a2", "A", "a", "batch"]
    members = await made(app, ids)
    for member in members:
        member["role"] = "admin" if member["user"] in {"a1", "b", "A"} else "member"
    await app.ask("POST", "/v1/rooms/r/members/batch", {"members": members})
    for limit in (1, 2, 3, 100):
        for backwards in (False, True):
            for query, wanted in (
                ("", ids),
                ("&role=admin", ["a1", "b", "A"]),
                ("&role=member", ["zed", "a2", "a", "batch"]),
                ("&prefix=a", ["a1", "a2", "a"]),
                ("&prefix=a&role=admin", ["a1"]),
                ("&prefix=x", []),
            ):
                assert await walked(app, f"limit={limit}{query}", backwards=backwards) == wanted, (limit, query)
    middle = (await app.ask("GET", "/v1/rooms/r/members?limit=2&after=3")).json()
    assert [member["user"] for member in middle["members"]] == ["b", "a2"]
    back = (await app.ask("GET", f"/v1/rooms/r/members?limit=9&before={middle['previous']}")).json()
    assert [member["user"] for member in back["members"]] == ["zed", "a1"]
    assert (back["previous"], back["member_count"]) == (None, len(ids))
    forth = (await app.ask("GET", f"/v1/rooms/r/members?limit=2&after={back['next']}")).json()
    assert forth["members"] == middle["members"]
    for query in ("after=1&before=9", "role=king", "prefix=a%20b", "before=-1"):
        assert (await app.ask("GET", f"/v1/rooms/r/members?{query}")).status_code == 400, query
    removed = await app.ask("DELETE", "/v1/rooms/r/members/batch")
    assert removed.status_code == 204
