"""The pages that speak to the API: their tokens, whom they may ask, and that no other site gains by it."""

import json
from collections.abc import AsyncIterator
from datetime import datetime

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tenants.clock import now
from tests.support.dashboard import Browser
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.sockets import Socket
from tests.support.world import App

EVIL = "https://evil.example"
USER = "playground-ann"


@pytest.fixture
async def live(owner: Browser, service: Service) -> AsyncIterator[App]:
    """A live app, which lists no origins."""
    name = await owner.make_app(environment="live")
    _, key = await owner.make_key(name, grants=["rooms:read", "rooms:write", "tokens:create"])
    async with public_client(service.url) as http:
        yield App(name, key, service, http)


async def inspector_of(browser: Browser, app: str) -> str:
    answer = await browser.post(f"/apps/{app}/inspector/token")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


async def get(app: App, path: str, token: str, origin: str | None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} | ({} if origin is None else {"Origin": origin})
    return await app.http.get(path, headers=headers)


async def test_the_dashboard_s_pages_may_use_any_app_and_no_other_page_may(owner: Browser, live: App) -> None:
    """Though the app lists no origin: by REST and on a socket, named in the upgrade or not."""
    await live.room("closed", ("ann",), private=True)
    for token in (await inspector_of(owner, live.id), await live.token("ann")):
        answer = await get(live, "/v1/rooms/closed", token, owner.url)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, owner.url)
        for origin in (EVIL, owner.url + ".evil.example", owner.url.replace("http", "https"), "null"):
            refused = await get(live, "/v1/rooms/closed", token, origin)
            assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed"), origin
            assert "access-control-allow-origin" not in refused.headers
        for query in ("", f"?app={live.id}"):
            async with connect(live.service.socket_url + query, origin=owner.url) as raw:
                socket = Socket(raw)
                await socket.say(op="auth", token=token)
                await socket.hear_type("connected")
        with pytest.raises(InvalidStatus):
            async with connect(f"{live.service.socket_url}?app={live.id}", origin=EVIL):
                pass
    # An API key is for servers, wherever the page comes from.
    answer = await get(live, "/v1/rooms", live.key, owner.url)
    assert (answer.status_code, answer.json()["code"]) == (403, "api_key_in_browser")


async def test_pages_that_ask_the_api_may_ask_it_and_nobody_else(owner: Browser, live: App, service: Service) -> None:
    """Their policy names the API's origin, for HTTP and sockets; every other page's names nothing but itself."""
    test_app = await owner.make_app()
    policies = {}
    for path in (
        f"{live.id}/inspector",
        f"{test_app}/inspector",
        f"{test_app}/playground",
        test_app,
        f"{test_app}/rooms",
    ):
        answer = await owner.get(f"/apps/{path}")
        policy = answer.headers["content-security-policy"]
        policies[path] = next(part for part in policy.split("; ") if part.startswith("connect-src"))
        assert "default-src 'none'" in policy
        nonce = answer.text.partition('nonce="')[2].partition('"')[0]
        assert f"'nonce-{nonce}' 'strict-dynamic'" in policy
    api = f"connect-src 'self' {service.url} {service.url.replace('http', 'ws')}"
    assert list(policies.values()) == [api, api, api, "connect-src 'self'", "connect-src 'self'"]


async def test_a_token_is_given_to_forms_of_ours_alone(owner: Browser, live: App) -> None:
    """With the session's own token, from a page of ours, by who may; and it is kept nowhere."""
    for path in (f"/apps/{live.id}/inspector/token", f"/apps/{live.id}/playground/token"):
        assert (await owner.get(path)).status_code == 405
        assert (await owner.post(path, {"form_token": "0" * 64, "user": USER})).status_code == 403
        assert (await owner.post(path, {"user": USER}, Origin=EVIL)).status_code == 403
        viewer = await owner.invite("viewer")
        assert (await viewer.post(path, {"user": USER})).status_code == 403
        stranger = await Browser(owner.service).post(path, {"user": USER})
        assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in")
    answer = await owner.post(f"/apps/{live.id}/inspector/token")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert 0 < (datetime.fromisoformat(answer.json()["expires_at"]) - now()).total_seconds() <= 120


async def test_an_inspector_s_token_reads_its_app_alone(owner: Browser, live: App) -> None:
    """The one that was asked for, private rooms too, and writes nothing there."""
    await live.room("closed", ("ann",), private=True)
    second = await owner.make_app("Second")
    token = await inspector_of(owner, second)
    assert (await get(live, "/v1/rooms/closed", token, None)).status_code == 404
    token = await inspector_of(owner, live.id)
    assert (await get(live, "/v1/rooms/closed", token, None)).status_code == 200
    headers = {"Authorization": f"Bearer {token}"}
    assert (await live.http.post("/v1/rooms", json={"id": "made"}, headers=headers)).status_code == 403


async def test_without_a_key_of_ours_there_is_no_inspector(owner: Browser, service: Service) -> None:
    """Whose app signs all its tokens itself gets 404, which the page explains, and no token such as the customer could make."""
    app = await owner.make_app()
    signing = (await owner.get(f"/apps/{app}/signing")).text.partition(f"/apps/{app}/signing/")[2].partition("/")[0]
    assert (await owner.post(f"/apps/{app}/signing/{signing}/retire")).status_code == 303
    assert (await owner.post(f"/apps/{app}/inspector/token")).status_code == 404
    assert (await owner.get(f"/apps/{app}/inspector")).status_code == 200


async def test_the_inspector_offers_what_is_going_on(owner: Browser, live: App) -> None:
    """Rooms that were written to of late come first, however old they are, then the newest; or the one that is named."""
    for number in range(60):
        await live.room(f"room-{number:02}", ("ann",))
    await live.ask("PUT", "/v1/rooms/room-03/members/ann", {"role": "admin"})
    page = (await owner.get(f"/apps/{live.id}/inspector")).text
    offered = [part.partition('"')[0] for part in page.split('<li data-room="')[1:]]
    assert len(offered) == len(set(offered)) == 50
    assert offered[:2] == ["room-03", "room-59"]
    page = (await owner.get(f"/apps/{live.id}/inspector?room=room-07")).text
    assert [part.partition('"')[0] for part in page.split('<li data-room="')[1:]] == ["room-07"]
    assert (await owner.get(f"/apps/{live.id}/inspector?room=none")).status_code == 404


async def test_the_playground_is_for_test_apps_alone(owner: Browser, live: App) -> None:
    """A live app gets no user of ours, and is told why; a test app gets two, each for one room."""
    page = await owner.get(f"/apps/{live.id}/playground")
    assert (page.status_code, "Not in a live app" in page.text) == (200, True)
    assert (await owner.post(f"/apps/{live.id}/playground/token", {"user": USER})).status_code == 403
    app = await owner.make_app()
    tokens = {}
    for user in (USER, "playground-bob"):
        answer = await owner.post(f"/apps/{app}/playground/token", {"user": user})
        assert answer.status_code == 200
        tokens[user] = answer.json()["token"]
    for user in ("", "ann", "admin"):
        assert (await owner.post(f"/apps/{app}/playground/token", {"user": user})).status_code == 404
    ann = {"Authorization": f"Bearer {tokens[USER]}", "Origin": owner.url}
    wish = {"id": "playground", "private": True, "members": ["playground-bob"]}
    assert (await live.http.post("/v1/rooms", json=wish, headers=ann)).status_code == 201
    said = {"parts": [{"type": "text", "text": "hello"}]}
    sent = await live.http.post("/v1/rooms/playground/messages", json=said, headers=ann)
    assert sent.status_code == 201
    bob = {"Authorization": f"Bearer {tokens['playground-bob']}"}
    read = await live.http.get("/v1/rooms/playground/messages", headers=bob)
    assert json.loads(read.text)["messages"][0]["sender"] == USER
    assert (await live.http.post("/v1/rooms", json={"id": "another"}, headers=ann)).status_code == 403


async def test_a_search_whose_session_has_ended_leads_to_signing_in(owner: Browser) -> None:
    """Not into the middle of a page: what asks for a part of one is sent away as a whole."""
    app = await owner.make_app()
    gone = Browser(owner.service)
    answer = await gone.get(f"/apps/{app}/rooms", **{"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (204, "/sign-in", "")
