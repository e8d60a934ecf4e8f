"""Users: made by servers, changed by servers and by themselves."""

import asyncio

import pytest

from tests.support.world import World


async def test_what_a_change_does_not_mention_stays(world: World) -> None:
    """A new user has its id for a name and no data; each change sets what it names and nothing else."""
    ask = world.app.ask
    made = await ask("PUT", "/v1/users/ann", {})
    assert (made.status_code, made.json()["name"], made.json()["data"]) == (201, "ann", {})
    await ask("PUT", "/v1/users/ann", {"data": {"a": [1, {"b": None}]}})
    named = await ask("PUT", "/v1/users/ann", {"name": "Ann"})
    assert (named.status_code, named.json()["name"]) == (200, "Ann")
    emptied = (await ask("PUT", "/v1/users/ann", {"data": {}})).json()
    assert (emptied["name"], emptied["data"]) == ("Ann", {})
    assert emptied["created_at"] == made.json()["created_at"]
    assert emptied["updated_at"] >= named.json()["updated_at"]


async def test_twenty_at_once_are_one_user(world: World) -> None:
    """Exactly one of racing requests makes the user."""
    answers = await asyncio.gather(*(world.app.ask("PUT", "/v1/users/ann", {"name": f"N{n}"}) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["created_at"] for answer in answers}) == 1


async def test_a_user_is_its_own_to_change_and_others_to_see(world: World) -> None:
    """A token changes its own user, sees any of the app, and makes none."""
    app = world.app
    await app.ask("PUT", "/v1/users/bob", {"name": "Bob"})
    assert (await app.ask("PUT", "/v1/users/ann", {"data": {"x": 1}}, user="ann")).json()["data"] == {"x": 1}
    assert (await app.ask("GET", "/v1/users/bob", user="ann")).json()["name"] == "Bob"
    for other in ("bob", "new"):
        answer = await app.ask("PUT", f"/v1/users/{other}", {"name": "x"}, user="ann")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    missing = await app.ask("GET", "/v1/users/new", user="ann")
    assert (missing.status_code, missing.json()["code"]) == (404, "user_not_found")


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"name":""}', "/name"),
        (b'{"name":5}', "/name"),
        (b'{"name":"' + b"x" * 256 + b'"}', "/name"),
        (b'{"name":"a\\u0000"}', None),
        (b'{"data":[]}', "/data"),
        (b'{"data":null}', "/data"),
        (b'{"data":"x"}', "/data"),
        (b'{"data":{"a":"' + b"x" * (8 * 1024 - 7) + b'"}}', "/data"),
        (b'{"id":"ann"}', None),
        (b"[]", None),
    ],
)
async def test_a_bad_change_is_refused_and_makes_nobody(world: World, content: bytes, pointer: str | None) -> None:
    """The problem points at what is wrong."""
    answer = await world.app.ask("PUT", "/v1/users/ann", content=content)
    assert (answer.status_code, answer.json()["code"], answer.json().get("pointer")) == (400, "bad_request", pointer)
    assert (await world.app.ask("GET", "/v1/users/ann")).status_code == 404


async def test_a_name_counts_characters_and_data_bytes(world: World) -> None:
    """255 characters of any script and 8 KiB of data are taken."""
    data = b'{"a":"' + b"x" * (8 * 1024 - 8) + b'"}'
    content = b'{"name":"' + "ф".encode() * 255 + b'","data":' + data + b"}"
    answer = await world.app.ask("PUT", "/v1/users/ann", content=content)
    assert (answer.status_code, len(answer.json()["name"])) == (201, 255)


@pytest.mark.parametrize("id", ["a" * 129, "a%20b", "%2e%2e", "%00", "ä", "a%2Fb"])
async def test_an_id_of_other_characters_names_nobody(world: World, id: str) -> None:  # noqa: A002
    """It is refused before anything is asked or made."""
    for method, body in (("GET", None), ("PUT", {})):
        answer = await world.app.ask(method, f"/v1/users/{id}", body)
        assert answer.status_code in {400, 404, 405}, answer.text
        assert answer.json()["code"] in {"bad_request", "not_found", "method_not_allowed"}
