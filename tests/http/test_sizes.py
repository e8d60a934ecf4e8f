"""Every size limit, on either side of it: what just fits is taken, one more is refused and nothing is done."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.sockets import Socket
from tests.support.world import App, World

ROOM = "/v1/rooms/r"
MESSAGES = f"{ROOM}/messages"


@dataclass(frozen=True)
class Limit:
    """A request made to a size, and the largest that is taken."""

    method: str
    path: Callable[[int], str]
    body: Callable[[int], object]
    most: int
    code: str = "bad_request"
    refused: int = 400


def fixed(path: str) -> Callable[[int], str]:
    return lambda _: path


def nothing(_: int) -> None:
    return None


def text(size: int) -> object:
    return {"parts": [{"type": "text", "text": "x" * size}]}


def metadata(value: object) -> object:
    return {"parts": [{"type": "text", "text": "x"}], "metadata": value}


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


# What a message weighs besides its text: the members `parts` and `metadata` as they are stored.
FRAME = len('"parts":[{"type":"text","text":""}],"metadata":{}')
CUSTOM = len('{"a":""}')

LIMITS = {
    "message, 64 KiB": Limit("POST", fixed(MESSAGES), lambda n: text(n - FRAME), 64 * 1024, "too_large", 413),
    "parts, 20": Limit("POST", fixed(MESSAGES), lambda n: {"parts": [{"type": "text", "text": "x"}] * n}, 20),
    "url, 2048": Limit(
        "POST",
        fixed(MESSAGES),
        lambda n: {"parts": [{"type": "url", "url": "https://" + "x" * (n - 8)}]},
        2_048,
    ),
    "media type, 127": Limit(
        "POST",
        fixed(MESSAGES),
        lambda n: {"parts": [{"type": "data", "media_type": "a/" + "b" * (n - 2), "data": ""}]},
        127,
    ),
    "metadata, 8 KiB": Limit("POST", fixed(MESSAGES), lambda n: metadata({"a": "x" * (n - CUSTOM)}), 8 * 1024),
    "metadata, 32 levels": Limit("POST", fixed(MESSAGES), lambda n: metadata(nested(n)), 32),
    "room id, 128": Limit("POST", fixed("/v1/rooms"), lambda n: {"id": "i" * n}, 128),
    "room name, 255": Limit("PATCH", fixed(ROOM), lambda n: {"name": "n" * n}, 255),
    "room data, 8 KiB": Limit("PATCH", fixed(ROOM), lambda n: {"data": {"a": "x" * (n - CUSTOM)}}, 8 * 1024),
    "first members, 100": Limit("POST", fixed("/v1/rooms"), lambda n: {"members": ["ann"] * n}, 100),
    "user id, 128": Limit("PUT", lambda n: "/v1/users/" + "u" * n, lambda _: {}, 128),
    "user name, 255": Limit("PUT", fixed("/v1/users/ann"), lambda n: {"name": "n" * n}, 255),
    "user data, 8 KiB": Limit("PUT", fixed("/v1/users/ann"), lambda n: {"data": {"a": "x" * (n - CUSTOM)}}, 8 * 1024),
    "key label, 100": Limit("POST", fixed("/v1/keys"), lambda n: {"label": "l" * n}, 100),
    "token, 24 hours": Limit("POST", fixed("/v1/tokens"), lambda n: {"user": "ann", "ttl_s": n}, 86_400),
    "messages in a page, 200": Limit("GET", lambda n: f"{MESSAGES}?limit={n}", nothing, 200),
    "members in a page, 200": Limit("GET", lambda n: f"{ROOM}/members?limit={n}", nothing, 200),
    "rooms in a page, 100": Limit("GET", lambda n: f"/v1/rooms?limit={n}", nothing, 100),
}


async def ask(app: App, limit: Limit, size: int) -> Any:
    # In a user's name, for messages have a sender.
    acting = "ann" if limit.path(size).startswith(MESSAGES) else None
    body = limit.body(size)
    content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
    return await app.ask(limit.method, limit.path(size), acting=acting, content=content)


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_takes_what_fits_and_refuses_one_more(world: World, name: str) -> None:
    """The largest size is taken; one more gets the documented refusal and changes nothing."""
    limit = LIMITS[name]
    await world.app.room("r", ("ann",))
    fits = await ask(world.app, limit, limit.most)
    assert fits.status_code in {200, 201}, fits.text
    before = (await world.app.ask("GET", ROOM)).json()
    over = await ask(world.app, limit, limit.most + 1)
    assert (over.status_code, over.json()["code"]) == (limit.refused, limit.code), over.text
    assert (await world.app.ask("GET", ROOM)).json() == before


@pytest.mark.parametrize(("size", "status"), [(255, 201), (256, 400)])
async def test_an_idempotency_key_has_at_most_255_characters(world: World, size: int, status: int) -> None:
    """So by REST."""
    await world.app.room("r", ("ann",))
    answer = await world.app.ask("POST", MESSAGES, text(1), user="ann", key="k" * size)
    assert answer.status_code == status


@pytest.mark.parametrize(("size", "status"), [(128 * 1024, 400), (128 * 1024 + 1, 413)])
async def test_a_body_has_at_most_128_kib(world: World, size: int, status: int) -> None:
    """What fits is read, and refused for what it says; one byte more is not read at all."""
    content = b'{"name":1' + b" " * (size - 10) + b"}"
    answer = await world.app.ask("PUT", "/v1/users/ann", content=content)
    assert (len(content), answer.status_code) == (size, status)


async def framed(socket: Socket, size: int) -> None:
    frame = '{"op":"ping","id":"p"}'
    await socket.raw.send(frame[:-1] + " " * (size - len(frame)) + "}")


async def test_a_frame_has_at_most_128_kib(world: World) -> None:
    """What fits is answered; one byte more closes the socket with 4413."""
    async with world.app.socket("ann") as socket:
        await framed(socket, 128 * 1024)
        assert (await socket.hear())["type"] == "pong"
        await framed(socket, 128 * 1024 + 1)
        await socket.raw.wait_closed()
        assert socket.raw.close_code == 4413


@pytest.mark.parametrize(("count", "kind"), [(1_000, "unsubscribed"), (1_001, "error")])
async def test_a_frame_names_at_most_1000_rooms(world: World, count: int, kind: str) -> None:
    """So for all frames that name rooms."""
    async with world.app.socket("ann") as socket:
        await socket.say(op="unsubscribe", id="u", rooms=[str(number) for number in range(count)])
        assert (await socket.hear())["type"] == kind


@pytest.mark.parametrize(("size", "kind"), [(255, "ack"), (256, "error")])
async def test_a_frame_s_key_has_at_most_255_characters(world: World, size: int, kind: str) -> None:
    """So on the socket."""
    await world.app.room("r", ("ann",))
    async with world.app.socket("ann") as socket:
        await socket.say(op="send", id="s", room="r", key="k" * size, parts=[{"type": "text", "text": "x"}])
        assert (await socket.hear())["type"] == kind


@pytest.mark.parametrize(("last", "kind"), [(100, "subscribed"), (101, "error")])
async def test_a_snapshot_has_at_most_100_messages(world: World, last: int, kind: str) -> None:
    """More are read by pages."""
    await world.app.room("r", ("ann",))
    async with world.app.socket("ann") as socket:
        await socket.say(op="subscribe", id="s", rooms=[{"room": "r", "last": last}])
        assert (await socket.hear())["type"] == kind
