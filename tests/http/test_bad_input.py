"""Bad input: each kind its own clear answer, never a 500, and nothing done."""

import json
from typing import Any

import pytest

from tests.support.world import World

PATH = "/v1/rooms/r/messages"
GOOD = '{"parts":[{"type":"text","text":"x"}]}'

BODIES: dict[str, tuple[bytes, int, str, str | None]] = {
    "not JSON": (b"{", 400, "bad_request", None),
    "empty": (b"", 400, "bad_request", None),
    "not an object": (b"[]", 400, "bad_request", None),
    "not UTF-8": (b'{"parts":"\xff"}', 400, "bad_request", None),
    "missing": (b"{}", 400, "bad_request", None),
    "wrong type": (b'{"parts":[{"type":"text","text":5}]}', 400, "bad_request", "/parts/0/text"),
    "unknown field": (b'{"parts":[{"type":"text","text":"x"}],"more":1}', 400, "bad_request", None),
    "unknown part": (b'{"parts":[{"type":"poll"}]}', 400, "bad_request", "/parts/0/type"),
    "no parts": (b'{"parts":[]}', 400, "bad_request", "/parts"),
    "empty text": (b'{"parts":[{"type":"text","text":""}]}', 400, "bad_request", "/parts/0/text"),
    "bad url": (b'{"parts":[{"type":"url","url":"javascript:alert(1)"}]}', 400, "bad_request", "/parts/0/url"),
    "bad media type": (
        b'{"parts":[{"type":"data","media_type":"x","data":""}]}',
        400,
        "bad_request",
        "/parts/0/media_type",
    ),
    "NUL": (b'{"parts":[{"type":"text","text":"a\\u0000b"}]}', 400, "bad_request", None),
    "NUL in metadata": (GOOD[:-1].encode() + b',"metadata":{"a":"\\u0000"}}', 400, "bad_request", None),
    "lone surrogate": (b'{"parts":[{"type":"text","text":"\\ud800"}]}', 400, "bad_request", None),
    "lone surrogate in metadata": (
        GOOD[:-1].encode() + b',"metadata":{"a":"\\udfff"}}',
        400,
        "bad_request",
        None,
    ),
    "metadata no object": (GOOD[:-1].encode() + b',"metadata":[1]}', 400, "bad_request", "/metadata"),
    "number out of range": (GOOD[:-1].encode() + b',"metadata":{"a":1e999}}', 400, "bad_request", "/metadata"),
    "integer out of range": (
        GOOD[:-1].encode() + b',"metadata":{"a":' + b"9" * 30 + b"}}",
        400,
        "bad_request",
        "/metadata",
    ),
    "deep": (
        GOOD[:-1].encode() + b',"metadata":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
        400,
        "bad_request",
        "/metadata",
    ),
    "very deep": (b"[" * 50_000 + b"]" * 50_000, 400, "bad_request", None),
    "too large": (b'{"parts":[{"type":"text","text":"' + b"x" * 140_000 + b'"}]}', 413, "too_large", None),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_has_its_own_answer_and_does_nothing(world: World, name: str) -> None:
    """Status, code and pointer are as documented, the sentence says what is wrong, and nothing is written."""
    content, status, code, pointer = BODIES[name]
    await world.app.room("r", ("ann",))
    answer = await world.app.ask("POST", PATH, user="ann", content=content)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("pointer")) == (status, code, pointer), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    page = (await world.app.ask("GET", PATH, user="ann")).json()
    assert (page["messages"], page["seq"]) == ([], 2)


async def test_words_that_only_look_dangerous_are_kept(world: World) -> None:
    """What is no NUL and no lone surrogate passes as it is."""
    await world.app.room("r", ("ann",))
    for words in ("\\u0000", "\\\\u0000", "'; DROP TABLE events; --", "<script>", "\u202e\u200b\ufeff", "𝕏", "\x7f"):
        said = await world.app.say("r", words, "ann")
        assert said["parts"][0]["text"] == words


@pytest.mark.parametrize("count", [20, 21])
async def test_a_message_has_at_most_twenty_parts(world: World, count: int) -> None:
    """Twenty pass, twenty-one do not."""
    await world.app.room("r", ("ann",))
    body = {"parts": [{"type": "text", "text": "x"}] * count}
    answer = await world.app.ask("POST", PATH, body, user="ann")
    assert answer.status_code == (201 if count == 20 else 400)


@pytest.mark.parametrize(
    ("id", "status"),
    [
        ("a" * 128, 201),
        ("A-z_0.~:@+9", 201),
        ("a" * 129, 400),
        ("", 400),
        (".", 400),
        ("..", 400),
        ("a b", 400),
        ("a/b", 400),
        ("ä", 400),
        ("a\n", 400),
        ("{x}", 400),
        ("*", 400),
        (5, 400),
    ],
)
async def test_ids_are_of_the_documented_characters(world: World, id: object, status: int) -> None:  # noqa: A002
    """What passes as an id is found again under it; what does not is told so, with a pointer."""
    answer = await world.app.ask("POST", "/v1/rooms", {"id": id})
    assert answer.status_code == status
    if status == 201:
        assert (await world.app.ask("GET", f"/v1/rooms/{id}")).json()["id"] == id
    else:
        assert answer.json()["pointer"] == "/id"


async def test_custom_data_is_kept_to_8_kib(world: World) -> None:
    """At the limit it passes, one byte more does not."""
    for size, status in ((8 * 1024, 201), (8 * 1024 + 1, 400)):
        data = json.dumps({"a": "x" * (size - 8)}, separators=(",", ":"))
        assert len(data) == size
        answer = await world.app.ask("POST", "/v1/rooms", content=b'{"data":' + data.encode() + b"}")
        assert answer.status_code == status


async def test_strange_requests_are_answered_by_the_book(world: World) -> None:
    """Paths, methods, types and headers that are not documented have their codes."""
    await world.app.room("r", ("ann",))
    cases: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("GET", "/", {}, 404, "not_found"),
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("PUT", "/v1/rooms", {}, 405, "method_not_allowed"),
        ("GET", "/v1/rooms/r%00", {}, 400, "bad_request"),
        ("GET", "/v1/rooms/%ff", {}, 400, "bad_request"),
        (
            "POST",
            PATH,
            {"content": b"<a/>", "headers": {"Content-Type": "application/xml"}},
            415,
            "unsupported_media_type",
        ),
        ("POST", PATH, {"content": GOOD.encode(), "headers": {"Idempotency-Key": ""}}, 400, "bad_request"),
        ("POST", PATH, {"content": GOOD.encode(), "headers": {"Idempotency-Key": "k" * 256}}, 400, "bad_request"),
        ("POST", "/v1/tokens", {"content": b'{"user":"a","ttl_s":1}'}, 400, "bad_request"),
        ("POST", "/v1/tokens", {"content": b'{"user":"a","ttl_s":86401}'}, 400, "bad_request"),
    ]
    for method, path, more, status, code in cases:
        headers = {"Roomlog-As": "ann", **more.pop("headers", {})} if path == PATH else more.pop("headers", {})
        answer = await world.app.ask(method, path, headers=headers, **more)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path, answer.text)


@pytest.mark.parametrize("id", ["a%2Fmessages", "a%2fmembers", "a%2F..%2Fb"])
async def test_a_slash_in_an_id_leads_nowhere_else(world: World, id: str) -> None:  # noqa: A002
    """Encoded it stays part of the id, which is none; it is not taken as the path of another route."""
    await world.app.room("a", ("ann",))
    answer = await world.app.ask("GET", f"/v1/rooms/{id}")
    assert (answer.status_code, answer.json()["code"]) in {(400, "bad_request"), (404, "not_found")}


@pytest.mark.parametrize("query", ["private=null", "direct=null", "limit=10&limit=20", "limit=null"])
async def test_a_query_that_can_be_taken_in_two_ways_is_refused(world: World, query: str) -> None:
    """Neither is a parameter's second value dropped, nor `null` taken as absent."""
    answer = await world.app.ask("GET", f"/v1/rooms?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert query.partition("=")[0] in answer.json()["detail"]
    # A name may begin with it.
    assert (await world.app.ask("GET", "/v1/rooms?prefix=null")).status_code == 200
