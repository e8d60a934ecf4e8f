"""What a message may be made of, and which ids name one."""

from typing import Any

import pytest
from msgspec.structs import replace

from api.ids import Epoch, Place, RoomNumber, Seq, read_message_id, write_message_id
from tests.support.world import World

PATH = "/v1/rooms/r/messages"


def url(value: str, **more: str) -> dict[str, Any]:
    return {"type": "url", "url": value, **more}


def data(media_type: str) -> dict[str, Any]:
    return {"type": "data", "media_type": media_type, "data": "x"}


@pytest.mark.parametrize(
    "part",
    [
        url("http://a"),
        url("https://example.org/a?b=c#d", media_type="text/html; charset=utf-8"),
        url("https://example.org/" + "x" * (2_048 - 20)),
        data("application/vnd.poll+json"),
        data("a/" + "b" * 125),
        {"type": "data", "media_type": "text/plain", "data": ""},
    ],
    ids=str,
)
async def test_a_good_part_is_kept(world: World, part: dict[str, Any]) -> None:
    """It comes back as it was given."""
    await world.app.room("r", ("ann",))
    sent = await world.app.ask("POST", PATH, {"parts": [part]}, user="ann")
    assert (sent.status_code, sent.json()["parts"]) == (201, [part])


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        (url("ftp://a"), "/parts/0/url"),
        (url("http://"), "/parts/0/url"),
        (url("https:///a"), "/parts/0/url"),
        (url("//a"), "/parts/0/url"),
        (url("https://a b"), "/parts/0/url"),
        (url("https://a\n"), "/parts/0/url"),
        (url("https://a\r\nSet-Cookie: a=b"), "/parts/0/url"),
        (url(" https://a"), "/parts/0/url"),
        (url("https://example.org/" + "x" * (2_048 - 19)), "/parts/0/url"),
        (url("https://a", media_type="html"), "/parts/0/media_type"),
        (data("text/plain\n"), "/parts/0/media_type"),
        (data("text/plain;\r\na: b"), "/parts/0/media_type"),
        (data("a/" + "b" * 126), "/parts/0/media_type"),
        ({"type": "data", "media_type": "a/b"}, "/parts/0"),
        ({"type": "data", "media_type": "a/b", "data": {}}, "/parts/0/data"),
        ({"text": "x"}, "/parts/0"),
        ({"type": "text", "text": "x", "media_type": "a/b"}, "/parts/0"),
    ],
    ids=str,
)
async def test_a_bad_part_is_pointed_at(world: World, part: dict[str, Any], pointer: str) -> None:
    """Sending and editing refuse it alike, and say where it stands."""
    app = world.app
    await app.room("r", ("ann",))
    said = await app.say("r", "x", "ann")
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{said['id']}")):
        answer = await app.ask(method, path, {"parts": [part]}, user="ann")
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "bad_request"), problem
        assert problem.get("pointer") == pointer, problem
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 3


@pytest.mark.parametrize(("size", "status"), [(8 * 1024, 201), (8 * 1024 + 1, 400)])
async def test_metadata_is_at_most_8_kib(world: World, size: int, status: int) -> None:
    """At the limit it passes, one byte more does not."""
    await world.app.room("r", ("ann",))
    metadata = b'{"a":"' + b"x" * (size - 8) + b'"}'
    content = b'{"parts":[{"type":"text","text":"x"}],"metadata":' + metadata + b"}"
    assert (await world.app.ask("POST", PATH, content=content, user="ann")).status_code == status


@pytest.mark.parametrize("expected", [0, -1, 2**63, 2**64, 10**40, 1.5, "3"])
async def test_an_expected_seq_is_a_seq(world: World, expected: object) -> None:
    """Anything else is a bad request, of messages and rooms."""
    app = world.app
    await app.room("r", ("ann",))
    said = await app.say("r", "x", "ann")
    edit = {"parts": [{"type": "text", "text": "y"}], "expected_seq": expected}
    for path, body in ((f"{PATH}/{said['id']}", edit), ("/v1/rooms/r", {"name": "N", "expected_seq": expected})):
        answer = await app.ask("PATCH", path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text


async def test_an_id_names_one_message_of_one_room_in_one_epoch(world: World) -> None:
    """Reading, editing and deleting know no message under an id that is off in any way."""
    app = world.app
    await app.room("r", ("ann",))
    await app.room("other", ("ann",))
    said = await app.say("r", "x", "ann")
    elsewhere = await app.say("other", "x", "ann")
    edit = {"parts": [{"type": "text", "text": "y"}]}
    edited = (await app.ask("PATCH", f"{PATH}/{said['id']}", edit, user="ann")).json()
    place = read_message_id(said["id"])
    assert place is not None
    wrong: list[Place] = [
        replace(place, room=RoomNumber(place.room + 1)),
        replace(place, epoch=Epoch(place.epoch.ordinal, place.epoch.tag ^ 1)),
        replace(place, epoch=Epoch(place.epoch.ordinal + 1, place.epoch.tag)),
        replace(place, seq=Seq(1)),
        replace(place, seq=edited["updated_seq"]),
        replace(place, seq=Seq(999)),
        replace(place, seq=Seq(2**63 - 1)),
    ]
    ids = [*map(write_message_id, wrong), elsewhere["id"], said["id"][:-1], "m", "x" * 500, "3", "ä"]
    for id in ids:  # noqa: A001
        for method, body in (("GET", None), ("PATCH", edit), ("DELETE", None)):
            answer = await app.ask(method, f"{PATH}/{id}", body, user="ann")
            assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found"), (id, method)
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 4
