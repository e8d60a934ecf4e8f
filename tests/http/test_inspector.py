"""The dashboard's inspector: it reads every room of one app, and can do nothing else whatever it asks for."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import jwt
import pytest

from api.asgi import ROUTES
from api.document.operations import method_of, path_of
from tenants.apps import get_app
from tenants.errors import NotFound
from tenants.ids import PersonId, parse_app_name
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys
from tenants.tokens import INSPECTOR_TTL_S, INSPECTOR_TYPE, TYPE, mint_inspector
from tests.support.secrets import signing_secret
from tests.support.sockets import connect
from tests.support.world import App, World

Mint = Callable[[App], Awaitable[str]]
TEXT = {"parts": [{"type": "text", "text": "x"}]}
PUBLIC = {"getJwks", "getDocument", "getRealtimeDocument", "getReference", "getReferenceScript"}
READS = {
    "getRoom",
    "listRooms",
    "listMembers",
    "listMessages",
    "getMessage",
    "pollRoom",
    "subscribeRoom",
    "getLimits",
}
"""What it may, apart from the tables that the code goes by."""
OF_USERS = {"createTicket", "getReadCursor"}
"""Of those who are users: it is none."""


@pytest.fixture
def mint(postgres: Postgres, environment: dict[str, str]) -> Mint:
    """Makes tokens as the dashboard does."""
    keys = MasterKeys.parse(environment["ROOMLOG_MASTER_KEYS"])

    async def mint(app: App) -> str:
        number = parse_app_name(app.id)
        assert number is not None
        found = await get_app(postgres, number)
        assert found is not None
        return (await mint_inspector(postgres, keys, found.scope, PersonId(7)))[0]

    return mint


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def ask(app: App, token: str, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
    return await app.http.request(method, path, json=body, headers=bearer(token, **headers))


async def status_of(app: App, token: str) -> int:
    return (await ask(app, token, "GET", "/v1/rooms")).status_code


async def test_it_reads_every_room_of_its_app(world: World, mint: Mint) -> None:
    """Private ones, whose members it is none of: by REST, by long poll and on a socket, with what comes next."""
    app = world.app
    await app.room("closed", ("ann",), private=True)
    said = await app.say("closed", "between us", "ann")
    token = await mint(app)
    assert (await ask(app, token, "GET", "/v1/rooms/closed")).json()["role"] is None
    assert [room["id"] for room in (await ask(app, token, "GET", "/v1/rooms")).json()["rooms"]] == ["closed"]
    members = (await ask(app, token, "GET", "/v1/rooms/closed/members")).json()["members"]
    assert [member["user"] for member in members] == ["ann"]
    assert "between us" in (await ask(app, token, "GET", "/v1/rooms/closed/messages")).text
    assert (await ask(app, token, "GET", f"/v1/rooms/closed/messages/{said['id']}")).status_code == 200
    assert "between us" in (await ask(app, token, "GET", "/v1/rooms/closed/events?wait=0")).text
    async with connect(app.service.socket_url, token) as socket:
        snapshot = (await socket.open("closed"))["snapshot"]
        assert (snapshot["membership"], snapshot["permissions"]) == (None, {"send": False, "manage": False})
        await app.say("closed", "and this", "ann")
        assert (await socket.until_seq(snapshot["seq"] + 1))[-1]["message"]["parts"][0]["text"] == "and this"
        await app.ask("DELETE", "/v1/rooms/closed/members/ann")
        assert (await socket.hear_type("member.removed"))["member"]["user"] == "ann"


async def test_it_does_nothing_else(world: World, mint: Mint) -> None:
    """Over all operations of the document: what is no read is refused, and leaves everything as it was."""
    app = world.app
    await app.room("r", ("ann",))
    said = await app.say("r", "x", "ann")
    token = await mint(app)
    before = await state(app)
    for handler in ROUTES:
        if handler.operation_id in PUBLIC:
            continue
        method, path = method_of(handler).upper(), path_of(handler)
        for name, value in (("room_id", "r"), ("user_id", "ann"), ("message_id", said["id"]), ("key_id", "k")):
            path = path.replace(f"{{{name}}}", value)
        path += "?wait=0" if path.endswith("/events") else ""
        body = {"seq": 1} if path.endswith("/read") else {}
        async with app.http.stream(method, path, json=body, headers=bearer(token)) as answer:
            is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
            text = "" if is_stream else (await answer.aread()).decode()
        if handler.operation_id in READS:
            assert answer.status_code == 200, (handler.operation_id, text)
        elif handler.operation_id in OF_USERS:
            assert (answer.status_code, json.loads(text)["code"]) == (400, "user_required"), handler.operation_id
        else:
            assert answer.status_code == 403, (handler.operation_id, text)
            assert json.loads(text)["code"] in {"missing_grant", "forbidden"}, handler.operation_id
    assert await state(app) == before


async def state(app: App) -> list[Any]:
    paths = ("rooms/r", "rooms/r/members", "rooms/r/messages", "users", "keys", "signing-keys")
    return [(await app.ask("GET", f"/v1/{path}")).json() for path in paths]


async def test_it_writes_nothing_on_a_socket(world: World, mint: Mint) -> None:
    """Not in its own name, for it has none, nor in a user's; and it becomes nobody else there."""
    app = world.app
    await app.room("r", ("ann",))
    said = await app.say("r", "x", "ann")
    token = await mint(app)
    async with connect(app.service.socket_url, token) as socket:
        writes: list[dict[str, Any]] = [
            {"op": "send", **TEXT},
            {"op": "edit", "message": said["id"], **TEXT},
            {"op": "delete", "message": said["id"]},
        ]
        for write in writes:
            for more in ({}, {"acting": "ann"}):
                await socket.say(id="w", room="r", **write, **more)
                refused = await socket.hear_answer("w")
                assert refused["problem"]["code"] == "missing_grant", write
        for other in (await app.token("ann"), app.key, await mint(world.other)):
            await socket.say(op="auth", id="a", token=other)
            assert (await socket.hear_answer("a"))["problem"]["code"] == "forbidden"
        await socket.say(op="auth", id="a", token=await mint(app))
        assert (await socket.hear_answer("a"))["type"] == "authenticated"
    async with app.socket("ann") as socket:
        await socket.say(op="auth", id="a", token=token)
        assert (await socket.hear_answer("a"))["problem"]["code"] == "forbidden"
    acting = await ask(app, token, "GET", "/v1/rooms", **{"Roomlog-As": "ann"})
    assert (acting.status_code, acting.json()["code"]) == (403, "forbidden")


async def test_another_app_does_not_exist_for_it(world: World, mint: Mint) -> None:
    """Its answers there are those for rooms that never were."""
    for app in (world.app, world.other):
        await app.room("here", ("ann",))
    await world.app.room("mine", ("ann",))
    token = await mint(world.other)
    for path in ("", "/messages", "/members", "/events?wait=0"):
        theirs = await ask(world.app, token, "GET", f"/v1/rooms/mine{path}")
        nobody = await ask(world.app, token, "GET", f"/v1/rooms/never{path}")
        assert theirs.status_code == nobody.status_code == 404
        assert {**theirs.json(), "request_id": 0} == {**nobody.json(), "request_id": 0}
    listed = (await ask(world.app, token, "GET", "/v1/rooms")).json()["rooms"]
    assert [room["id"] for room in listed] == ["here"]


async def test_it_holds_for_two_minutes(world: World, mint: Mint) -> None:
    """So long at most somebody goes on to see who has just lost the role for it."""
    claims = jwt.decode(await mint(world.app), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] <= INSPECTOR_TTL_S <= 600
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti"}


@pytest.mark.parametrize("ending", ["token", "tokens", "key", "suspension", "deletion"])
async def test_what_ends_tokens_ends_it(world: World, mint: Mint, ending: str) -> None:
    """By REST it is refused within a second, and its socket is closed."""
    app = world.app
    await app.room("r", ("ann",))
    token = await mint(app)
    assert await status_of(app, token) == 200
    operator = {"Authorization": f"Bearer {app.service.operator_token}"}
    async with connect(app.service.socket_url, token) as socket:
        match ending:
            case "token":
                jti = jwt.decode(token, options={"verify_signature": False})["jti"]
                await app.ask("POST", "/v1/tokens/revoke", {"jti": jti})
            case "tokens":
                await app.ask("POST", "/v1/tokens/revoke", {"all": True})
            case "key":
                key = (await app.ask("GET", "/v1/signing-keys")).json()["signing_keys"][0]["id"]
                await app.ask("DELETE", f"/v1/signing-keys/{key}")
            case _:
                async with httpx2.AsyncClient(base_url=app.service.internal_url, headers=operator) as http:
                    if ending == "suspension":
                        await http.patch(f"/operator/apps/{app.id}", json={"suspended": True})
                    else:
                        await http.delete(f"/operator/apps/{app.id}")
        await asyncio.wait_for(socket.raw.wait_closed(), 10)
        assert socket.raw.close_code == (4404 if ending == "deletion" else 4403)
    deadline = time.monotonic() + 5
    while await status_of(app, token) == 200 and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert await status_of(app, token) == (403 if ending == "suspension" else 401)


async def test_no_customer_can_make_one(world: World, mint: Mint, environment: dict[str, str]) -> None:
    """Not with a key whose secret the customer has: neither a token of that type, nor one with such claims, inspects anything."""
    app = world.app
    await app.room("closed", ("ann",), private=True)
    await app.token("bob")
    made = (await app.ask("POST", "/v1/signing-keys", {"reveal": True})).json()
    theirs = base64.urlsafe_b64decode(made["secret"] + "==")
    own_id, _ = await signing_secret(environment, app)
    now = int(time.time())
    claims = {"iss": app.id, "aud": "roomlog", "iat": now + 1, "exp": now + 60, "inspects": True, "inspector": True}

    def sign(kind: str, subject: str, key_id: str) -> str:
        headers = {"kid": key_id, "typ": kind}
        return jwt.encode({**claims, "sub": subject}, theirs, algorithm="HS256", headers=headers)

    good = sign(TYPE, "bob", made["id"])
    assert (await ask(app, good, "GET", "/v1/rooms/closed")).status_code == 404
    for subject in ("bob", "per_00000007"):
        assert await status_of(app, sign(INSPECTOR_TYPE, subject, made["id"])) == 401
        assert await status_of(app, sign(INSPECTOR_TYPE, subject, own_id)) == 401
    # The key that only we sign with goes on to make them, though it is the older one; without it there are none.
    assert await status_of(app, await mint(app)) == 200
    await app.ask("DELETE", f"/v1/signing-keys/{own_id}")
    with pytest.raises(NotFound):
        await mint(app)


async def test_a_user_s_token_is_none(world: World, environment: dict[str, str]) -> None:
    """It is the type that tells them apart, signed by a key of ours alone: no claim makes the one the other."""
    app = world.app
    await app.room("closed", ("ann",), private=True)
    await app.token("bob")
    key_id, secret = await signing_secret(environment, app)
    now = int(time.time())
    claims = {"iss": app.id, "aud": "roomlog", "sub": "bob", "iat": now + 1, "exp": now + 60, "grants": ["users:write"]}
    for kind, status in ((TYPE, 403), (INSPECTOR_TYPE, 200), ("roomlog-other+jwt", 401), ("JWT", 401)):
        token = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id, "typ": kind})
        assert (await ask(app, token, "GET", "/v1/rooms/closed")).status_code == status, kind
        assert (await ask(app, token, "PUT", "/v1/users/bob", {})).status_code != 200 or kind == TYPE
