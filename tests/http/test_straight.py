"""Past the framework: what is asked most is answered as the framework would answer it."""

from typing import Any

import pytest

from tests.support.plain import plain_client
from tests.support.world import World

PATH = "/v1/rooms/r/messages"
GOOD = b'{"parts":[{"type":"text","text":"x"}]}'
ITS_OWN = {"date", "x-request-id", "ratelimit"}
"""Headers whose values are each answer's own."""
MOVES = {"id", "seq", "cursor", "number", "created_at", "updated_at", "updated_seq", "at", "request_id"}
CASES: dict[str, tuple[bytes, dict[str, str]]] = {
    "a message": (GOOD, {}),
    "a message under a key": (GOOD, {"Idempotency-Key": "k"}),
    "no credential": (GOOD, {"Authorization": ""}),
    "a wrong credential": (GOOD, {"Authorization": "Bearer rl_test_x"}),
    "another scheme": (GOOD, {"Authorization": "Basic eDp5"}),
    "a bad key": (GOOD, {"Idempotency-Key": "k k"}),
    "no JSON": (b"{", {}),
    "too much": (b'"' + b"x" * 200_000 + b'"', {}),
    "another type": (GOOD, {"Content-Type": "text/plain"}),
    "as somebody": (GOOD, {"Roomlog-As": "ann"}),
    "as nobody": (GOOD, {"Roomlog-As": "nobody"}),
    "from a page": (GOOD, {"Origin": "https://shop.example"}),
}


@pytest.mark.parametrize("name", CASES)
async def test_an_answer_is_the_framework_s(world: World, name: str) -> None:
    """Status, headers and body; the same path with a slash at its end goes through the framework."""
    await world.app.room("r", ("ann",))
    content, headers = CASES[name]
    sent = {"Authorization": f"Bearer {await world.app.token('ann')}", "Content-Type": "application/json", **headers}
    sent = {field: value for field, value in sent.items() if value}
    async with plain_client(world.app.service.url) as http:
        straight, framework = [
            await http.post(path, content=content, headers=sent | _own_key(sent, path)) for path in (PATH, PATH + "/")
        ]
    assert straight.status_code == framework.status_code
    assert _headers(straight.headers) == _headers(framework.headers)
    assert _without(straight.json(), MOVES) == _without(framework.json(), MOVES)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 200),
        ("PUT", PATH, 405),
        ("POST", "/v1/rooms//messages", 405),  # which the framework takes for the room `messages`
        ("POST", "/v1/rooms/messages", 405),
        ("POST", "/v1/rooms/a%2Fb/messages", 404),
    ],
)
async def test_what_only_looks_like_it_is_left_to_the_framework(
    world: World, method: str, path: str, status: int
) -> None:
    """Other methods, and paths whose middle is no id of a room."""
    await world.app.room("r", ("ann",))
    sent = {"Authorization": f"Bearer {await world.app.token('ann')}"}
    async with plain_client(world.app.service.url) as http:
        answer = await http.request(method, path, content=GOOD, headers=sent)
    assert (answer.status_code, answer.headers["content-type"].partition("/")[0]) == (status, "application")


def _own_key(sent: dict[str, str], path: str) -> dict[str, str]:
    key = sent.get("Idempotency-Key", "")
    return {"Idempotency-Key": f"{key}{len(path)}"} if key else {}


def _headers(headers: Any) -> dict[str, str]:
    return {name: "" if name in ITS_OWN else value for name, value in headers.items()}


def _without(value: Any, names: set[str]) -> Any:
    match value:
        case dict():
            return {name: "" if name in names else _without(each, names) for name, each in value.items()}
        case list():
            return [_without(each, names) for each in value]
    return value
