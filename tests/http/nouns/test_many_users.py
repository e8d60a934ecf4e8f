"""Users in batches, in pages, and under conditions."""

import asyncio
from typing import Any

import pytest

from tests.support.world import App, World


async def pages(app: App, query: str) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = (await app.ask("GET", f"/v1/users?{query}{after}")).json()
        found += [user["id"] for user in page["users"]]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


async def test_a_batch_makes_and_changes_a_thousand(world: World) -> None:
    """Each user is answered for in the order of the batch; what is not named of one stays; a repetition changes nothing."""
    await world.app.ask("PUT", "/v1/users/u7", {"name": "Seven", "data": {"x": 7}})
    users: list[dict[str, Any]] = [{"id": f"u{number}"} for number in range(1000)]
    users[3] = {"id": "u3", "name": "Three", "data": {"y": 3}}
    users[7] = {"id": "u7", "data": {"x": 8}}
    for is_new in (True, False):
        answer = await world.app.ask("POST", "/v1/users/batch", {"users": users})
        assert answer.status_code == 200, answer.text
        told = answer.json()["users"]
        assert [user["id"] for user in told] == [user["id"] for user in users]
        assert [user["id"] for user in told if user["is_new"] is not is_new] == (["u7"] if is_new else [])
        assert (told[3]["name"], told[3]["data"]) == ("Three", {"y": 3})
        assert (told[7]["name"], told[7]["data"]) == ("Seven", {"x": 8})
        assert (told[8]["name"], told[8]["data"]) == ("u8", {})


async def test_batches_at_once_over_the_same_users_all_succeed(world: World) -> None:
    """Whatever order each names them in, none waits for another in a ring."""
    users = [{"id": f"u{number}", "name": "N"} for number in range(300)]
    batches = [users, users[::-1], users[150:] + users[:150]] * 3
    answers = await asyncio.gather(*(world.app.ask("POST", "/v1/users/batch", {"users": batch}) for batch in batches))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(user["is_new"] for answer in answers for user in answer.json()["users"]) == 300


@pytest.mark.parametrize(
    ("users", "pointer"),
    [
        ([{"id": "a"}, {"id": "b c"}], "/users/1/id"),
        ([{"id": "a"}, {"id": "b"}, {"id": "a"}], "/users/2/id"),
        ([{"id": "a"}, {"id": "b", "data": []}], "/users/1/data"),
        ([{"id": "a"}, {"id": "b", "name": ""}], "/users/1/name"),
        ([{"id": "a"}, {"name": "b"}], "/users/1"),
        ([], "/users"),
        ([{"id": f"u{number}"} for number in range(1001)], "/users"),
    ],
)
async def test_one_bad_user_refuses_the_batch(world: World, users: list[Any], pointer: str) -> None:
    """The problem points at it, and nobody is made."""
    answer = await world.app.ask("POST", "/v1/users/batch", {"users": users})
    assert (answer.status_code, answer.json()["code"], answer.json().get("pointer")) == (400, "bad_request", pointer)
    assert await pages(world.app, "limit=1") == []


async def test_a_user_may_be_called_batch(world: World) -> None:
    """The path of the batch takes no user's id away, and other ids take no POST."""
    assert (await world.app.ask("PUT", "/v1/users/batch", {})).status_code == 201
    assert (await world.app.ask("GET", "/v1/users/batch")).json()["id"] == "batch"
    assert (await world.app.ask("POST", "/v1/users/ann", {"users": []})).status_code == 405


async def test_users_come_in_pages_by_prefix(world: World) -> None:
    """Each once, byte by byte, those of the app alone; who comes in between shifts nobody."""
    ids = ["A", "a", "a+b", "a.b", "ab", "abc", "a~", "b"]
    await world.app.ask("POST", "/v1/users/batch", {"users": [{"id": name} for name in ids]})
    await world.other.ask("PUT", "/v1/users/ab-other", {})
    assert await pages(world.app, "limit=3") == sorted(ids)
    assert await pages(world.app, "limit=1&prefix=a") == [name for name in sorted(ids) if name.startswith("a")]
    assert await pages(world.app, "prefix=ab") == ["ab", "abc"]
    first = (await world.app.ask("GET", "/v1/users?limit=2")).json()
    for new in ("0", "ZZZ", "aa"):
        await world.app.ask("PUT", f"/v1/users/{new}", {})
    second = (await world.app.ask("GET", f"/v1/users?limit=3&after={first['next']}")).json()
    assert [user["id"] for user in second["users"]] == ["a+b", "a.b", "aa"]
    for query in ("after=nonsense", "prefix=a%20b", "limit=0", "limit=201"):
        assert (await world.app.ask("GET", f"/v1/users?{query}")).status_code == 400, query


async def test_lists_and_batches_of_users_take_an_api_key(world: World) -> None:
    """A user sees others one by one, by their ids."""
    for method, path, body in (("GET", "/v1/users", None), ("POST", "/v1/users/batch", {"users": [{"id": "x"}]})):
        assert (await world.app.ask(method, path, body, user="ann")).json()["code"] == "forbidden"


async def test_a_change_is_made_only_of_the_state_it_is_meant_for(world: World) -> None:
    """Each change gives a new ETag; an older one, another user's or that of a user who is not there yet refuses."""
    ask = world.app.ask
    path = "/v1/users/ann"
    for tag in ("*", '"u1-1"'):
        refused = await ask("PUT", path, {}, headers={"If-Match": tag})
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert (await ask("GET", path)).status_code == 404
    made = await ask("PUT", path, {"name": "Ann"})
    tag = made.headers["etag"]
    assert (await ask("GET", path)).headers["etag"] == tag
    changed = await ask("PUT", path, {"name": "Änn"}, headers={"If-Match": f'"x", {tag}'})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    late = await ask("PUT", path, {"name": "Late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    other = (await ask("PUT", "/v1/users/bob", {})).headers["etag"]
    assert (await ask("PUT", path, {"name": "Late"}, headers={"If-Match": other})).status_code == 412
    assert (
        await ask("PUT", path, {"name": "Late"}, headers={"If-Match": f"W/{changed.headers['etag']}"})
    ).status_code == 412
    assert (await ask("GET", path)).json()["name"] == "Änn"
    assert (await ask("PUT", path, {}, headers={"If-Match": "*"})).status_code == 200
    assert (await ask("PUT", path, {}, headers={"If-Match": "u1-1"})).status_code == 400


async def test_of_changes_at_once_under_one_tag_one_is_made(world: World) -> None:
    """Twenty who have read the same state write once."""
    tag = (await world.app.ask("PUT", "/v1/users/ann", {})).headers["etag"]
    answers = await asyncio.gather(
        *(world.app.ask("PUT", "/v1/users/ann", {"name": f"N{n}"}, headers={"If-Match": tag}) for n in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
