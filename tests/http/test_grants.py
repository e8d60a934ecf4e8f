"""What a credential may do: seen to at each operation, whatever the credential."""

from typing import Any

import pytest

from api.asgi import ROUTES
from api.document.operations import method_of, path_of
from tenants.grants import ALL, BY_DEFAULT, Grant
from tests.support.sockets import connect
from tests.support.world import App, World

TEXT = {"parts": [{"type": "text", "text": "x"}]}
PUBLIC = {"getJwks", "getDocument", "getRealtimeDocument", "getReference", "getReferenceScript"}
"""What is for everybody, and asks nobody who he is."""
FOR_ANY_GRANT = {"getLimits"}
OPERATIONS: list[tuple[str, str, Grant]] = sorted(
    (method_of(handler).upper(), path_of(handler), handler.opt["grant"])
    for handler in ROUTES
    # The deletion of the app would end the app that all is tried on.
    if handler.operation_id not in {*PUBLIC, *FOR_ANY_GRANT, "deleteOwnApp"}
)


def filled(path: str) -> str:
    for name, value in (("room_id", "r"), ("user_id", "ann"), ("message_id", "m"), ("key_id", "k")):
        path = path.replace(f"{{{name}}}", value)
    return path


async def made(app: App, grants: list[str]) -> str:
    answer = await app.ask("POST", "/v1/keys", {"label": "narrow", "grants": grants})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


async def asked(app: App, credential: str, method: str, path: str) -> Any:
    # A poll that waits for nothing, and of a stream the answer's head alone.
    path += "?wait=0" if path.endswith("/events") else ""
    headers = {"Authorization": f"Bearer {credential}"}
    async with app.http.stream(method, path, json={}, headers=headers) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
        return answer


def test_every_operation_says_what_it_takes() -> None:
    """No operation of the public service is without a grant."""
    assert len(OPERATIONS) > 20
    assert {handler.operation_id for handler in ROUTES if "grant" not in handler.opt} == PUBLIC
    assert {handler.operation_id for handler in ROUTES if handler.opt.get("grant", "") is None} == FOR_ANY_GRANT
    assert {grant for _, _, grant in OPERATIONS} <= set(ALL)


@pytest.mark.parametrize("grant", sorted(ALL))
async def test_a_key_does_what_its_grants_say_and_nothing_else(world: World, grant: Grant) -> None:
    """Over all operations: the one grant opens exactly those that ask for it, all the others refuse."""
    await world.app.room("r", ("ann",))
    key = await made(world.app, [grant])
    for method, path, wanted in OPERATIONS:
        answer = await asked(world.app, key, method, filled(path))
        is_refused = answer.status_code == 403 and answer.json()["code"] == "missing_grant"
        assert is_refused == (wanted is not grant), (method, path, answer.text)
        # What was deleted or revoked in passing is made anew.
        world.app.tokens.clear()
        await world.app.room("r", ("ann",))


@pytest.mark.parametrize("grant", sorted(ALL))
async def test_a_token_does_what_its_grants_say_and_nothing_else(world: World, grant: Grant) -> None:
    """A user's token can be narrowed in the same way, and is never more than its user."""
    await world.app.room("r", ("ann",))
    wish = {"user": "ann", "grants": [grant]}
    token = (await world.app.ask("POST", "/v1/tokens", wish)).json()["token"]
    for method, path, wanted in OPERATIONS:
        answer = await asked(world.app, token, method, filled(path))
        if wanted is not grant:
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_grant"), (method, path, answer.text)
        elif grant is Grant.APP_MANAGE or grant is Grant.TOKENS_CREATE:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path, answer.text)
        await world.app.room("r", ("ann",))


async def test_the_socket_sees_to_grants_at_each_frame(world: World) -> None:
    """A connection may do what its credential may, not more for having been opened."""
    await world.app.room("r", ("ann",))
    for grant, read, written in ((Grant.MESSAGES_READ, "subscribed", "error"), (Grant.MESSAGES_WRITE, "error", "ack")):
        wish = {"user": "ann", "grants": [grant]}
        token = (await world.app.ask("POST", "/v1/tokens", wish)).json()["token"]
        async with connect(world.app.service.socket_url, token) as socket:
            await socket.say(op="subscribe", id="s", rooms=[{"room": "r"}])
            assert (await socket.hear_answer("s"))["type"] == read
            await socket.say(op="send", id="w", room="r", **TEXT)
            assert (await socket.hear_answer("w"))["type"] == written


async def test_a_token_for_certain_rooms_reaches_no_other(world: World) -> None:
    """To such a token all other rooms do not exist, by REST, in lists and on the socket."""
    for room in ("r", "s"):
        await world.app.room(room, ("ann",))
    token = (await world.app.ask("POST", "/v1/tokens", {"user": "ann", "rooms": ["r"]})).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await world.app.ask("GET", "/v1/rooms/r", headers=bearer)).status_code == 200
    hidden = await world.app.ask("GET", "/v1/rooms/s", headers=bearer)
    unknown = await world.app.ask("GET", "/v1/rooms/never", headers=bearer)
    assert hidden.status_code == 404
    assert hidden.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    listed = (await world.app.ask("GET", "/v1/rooms", headers=bearer)).json()["rooms"]
    assert [room["id"] for room in listed] == ["r"]
    assert (await world.app.ask("POST", "/v1/rooms", {"id": "t"}, headers=bearer)).status_code == 403
    async with connect(world.app.service.socket_url, token) as socket:
        await socket.say(op="subscribe", id="a", rooms=[{"room": "s"}])
        assert (await socket.hear())["problem"]["code"] == "room_not_found"
        await socket.say(op="send", id="b", room="s", **TEXT)
        assert (await socket.hear())["problem"]["code"] == "room_not_found"
        await socket.say(op="send", id="c", room="r", **TEXT)
        assert (await socket.hear())["type"] == "ack"


async def test_a_key_gives_out_no_more_than_it_has(world: World) -> None:
    """By default a new key gets what its maker may do but `app:manage`, and never more."""
    made_by_default = (await world.app.ask("POST", "/v1/keys", {"label": "k"})).json()
    assert set(made_by_default["grants"]) == BY_DEFAULT
    manager = await made(world.app, ["app:manage", "rooms:read"])
    bearer = {"Authorization": f"Bearer {manager}"}
    answer = await world.app.ask("POST", "/v1/keys", {"label": "k", "grants": ["users:read"]}, headers=bearer)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (403, "missing_grant", "/grants")
    narrow = await world.app.ask("POST", "/v1/keys", {"label": "k"}, headers=bearer)
    assert narrow.json()["grants"] == ["rooms:read"]
