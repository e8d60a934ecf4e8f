"""What ends a credential before its time, and what goes on; tokens replaced on a live socket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import jwt
import pytest
from websockets.asyncio.client import connect as raw_connect

from tests.support.plain import plain_client
from tests.support.sockets import Socket, connect
from tests.support.world import App, World

WITHIN_S = 1.0


@pytest.fixture
async def operator(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """The operator's REST."""
    service = world.app.service
    headers = {"Authorization": f"Bearer {service.operator_token}"}
    async with plain_client(service.internal_url, headers=headers) as http:
        yield http


async def answer_to(app: App, token: str) -> tuple[int, str]:
    answer = await app.http.get("/v1/rooms", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("code", "")


async def until_refused(app: App, token: str, code: str = "unauthenticated") -> None:
    deadline = time.monotonic() + 5
    while (found := await answer_to(app, token))[0] == 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert found[1] == code


async def closed(socket: Socket) -> int:
    async with asyncio.timeout(10):
        await socket.raw.wait_closed()
    return int(socket.raw.close_code or 0)


@pytest.mark.parametrize("by", ["token", "jti"])
async def test_a_revoked_token_ends_alone(world: World, by: str) -> None:
    """The token is refused and its socket closed with 4403; the same user's others go on."""
    app = world.app
    gone, stays = (await app.mint("ann"))["token"], (await app.mint("ann"))["token"]
    jti = jwt.decode(gone, options={"verify_signature": False})["jti"]
    async with connect(app.service.socket_url, gone) as socket, connect(app.service.socket_url, stays) as other:
        body = {"token": gone} if by == "token" else {"jti": jti}
        assert (await app.ask("POST", "/v1/tokens/revoke", body)).status_code == 204
        assert await closed(socket) == 4403
        await until_refused(app, gone)
        assert await other.is_quiet()
    assert (await answer_to(app, stays))[0] == 200
    assert (await world.other.ask("POST", "/v1/tokens/revoke", {"token": stays})).json()["code"] == "not_a_token"
    assert (await app.ask("POST", "/v1/tokens/revoke", {})).status_code == 400


async def test_a_user_s_tokens_end_and_the_next_one_holds_at_once(world: World) -> None:
    """Whatever was issued before holds no more; what is issued after, be it in the same second, does."""
    app = world.app
    before = (await app.mint("ann"))["token"]
    bystander = await app.token("bob")
    async with connect(app.service.socket_url, before) as socket:
        assert (await app.ask("POST", "/v1/users/ann/revoke")).status_code == 204
        after = (await app.mint("ann"))["token"]
        assert (await answer_to(app, after))[0] == 200
        assert await closed(socket) == 4403
    await until_refused(app, before)
    for token in (after, bystander):
        assert (await answer_to(app, token))[0] == 200
    assert (await app.ask("POST", "/v1/users/nobody/revoke")).status_code == 404
    assert (await app.ask("POST", "/v1/users/ann/revoke", user="bob")).status_code == 403


async def test_all_of_an_app_s_tokens_end(world: World) -> None:
    """Its keys go on, and so does the other app."""
    app = world.app
    before, theirs = await app.token("ann"), await world.other.token("ann")
    assert (await app.ask("POST", "/v1/tokens/revoke", {"all": True})).status_code == 204
    await until_refused(app, before)
    assert (await answer_to(app, (await app.mint("ann"))["token"]))[0] == 200
    assert (await answer_to(world.other, theirs))[0] == 200


async def test_a_deleted_and_remade_user_is_not_the_old_one(world: World) -> None:
    """No token of the old one ever works for the new one, whose own does at once."""
    app = world.app
    old = (await app.mint("ann"))["token"]
    async with connect(app.service.socket_url, old) as socket:
        assert (await app.ask("DELETE", "/v1/users/ann")).status_code == 202
        assert await closed(socket) == 4403
    new = (await app.mint("ann"))["token"]
    assert (await answer_to(app, new))[0] == 200
    await until_refused(app, old)
    assert (await answer_to(app, new))[0] == 200


async def test_a_suspended_app_stands_still_and_comes_back(world: World, operator: httpx2.AsyncClient) -> None:
    """Keys and tokens answer 403 app_suspended, sockets close with 4403; all hold again afterwards."""
    app = world.app
    token = await app.token("ann")
    async with connect(app.service.socket_url, token) as socket:
        await operator.patch(f"/operator/apps/{app.id}", json={"suspended": True})
        assert await closed(socket) == 4403
    for credential in (token, app.key):
        await until_refused(app, credential, "app_suspended")
    assert (await world.other.ask("GET", "/v1/rooms")).status_code == 200
    await operator.patch(f"/operator/apps/{app.id}", json={"suspended": False})
    async with asyncio.timeout(15):
        while (await answer_to(app, token))[0] != 200:
            await asyncio.sleep(0.02)


async def test_a_socket_that_names_a_suspended_app_first_is_told_so(world: World, operator: httpx2.AsyncClient) -> None:
    """Its first frame closes it with 4403 and the reason, as a page needs to know that coming back is no use."""
    app = world.app
    token = await app.token("ann")
    await operator.patch(f"/operator/apps/{app.id}", json={"suspended": True})
    await until_refused(app, token, "app_suspended")
    async with raw_connect(app.service.socket_url) as raw:
        await raw.send(json.dumps({"op": "auth", "token": token}))
        await asyncio.wait_for(raw.wait_closed(), 10)
        assert (raw.close_code, raw.close_reason) == (4403, "app_suspended")


async def test_a_token_is_replaced_on_the_live_socket(world: World) -> None:
    """Subscriptions stay, another user's token is refused, and a narrower one ends what it does not cover."""
    app = world.app
    for room in ("r", "s"):
        await app.room(room, ("ann",))
    await app.token("bob")
    async with app.socket("ann") as socket:
        for room in ("r", "s"):
            await socket.open(room)
        await socket.say(op="auth", id=1, token=await app.token("bob"))
        assert (await socket.hear_answer(1))["problem"]["code"] == "forbidden"  # type: ignore[arg-type]
        renewed = (await app.mint("ann"))["token"]
        await socket.say(op="auth", id=2, token=renewed)
        assert (await socket.hear_answer(2))["type"] == "authenticated"  # type: ignore[arg-type]
        said = await app.say("r", "x", "ann")
        assert (await socket.hear())["seq"] == said["seq"]
        narrow: dict[str, Any] = {"user": "ann", "rooms": ["s"]}
        token = (await app.ask("POST", "/v1/tokens", narrow)).json()["token"]
        await socket.say(op="auth", id=3, token=token)
        ended = {"type": "unsubscribed", "room": "r", "reason": "not_granted"}
        assert await socket.hear() == ended
        assert (await socket.hear())["type"] == "authenticated"
        await app.ask("POST", "/v1/tokens/revoke", {"token": renewed})
        said = await app.say("s", "x", "ann")
        assert (await socket.hear())["seq"] == said["seq"]
        await app.ask("POST", "/v1/tokens/revoke", {"token": token})
        assert await closed(socket) == 4403


async def test_a_client_is_warned_and_nothing_comes_after_the_end(world: World) -> None:
    """At a quarter of the token's life before its end; with another token the connection goes on."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    minted = await app.mint("ann", ttl_s=5)
    ends_at = jwt.decode(minted["token"], options={"verify_signature": False})["exp"]
    async with connect(app.service.socket_url, minted["token"]) as stays:
        async with connect(app.service.socket_url, minted["token"]) as ends:
            await ends.open("r")
            warning = await ends.hear(8)
            assert (warning["type"], warning["expires_at"]) == ("auth.expiring", minted["expires_at"])
            assert 0 < warning["in_ms"] <= 1500
            assert (await stays.hear(8))["type"] == "auth.expiring"
            await stays.say(op="auth", id=1, token=await app.token("ann"))
            assert (await stays.hear())["type"] == "authenticated"
            assert await closed(ends) == 4401
            assert ends_at <= time.time() <= ends_at + 5
        await app.say("r", "x", "bob")
        assert await stays.is_quiet()
