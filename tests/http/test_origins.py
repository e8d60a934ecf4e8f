"""Web pages: whose are let in, what their browsers are told, and that no cookie counts for anything."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.sockets import Socket
from tests.support.world import App, World

GOOD = "https://chat.example"
EVIL = "https://evil.example"
READS = ["/v1/rooms", "/v1/rooms/r", "/v1/rooms/r/messages", "/v1/rooms/r/events?wait=0", "/v1/rooms/none"]


@pytest.fixture
async def app(world: World) -> App:
    """An app that lists one origin, with a room."""
    headers = {"Authorization": f"Bearer {world.app.service.operator_token}"}
    async with plain_client(world.app.service.internal_url, headers=headers) as operator:
        wish = {"allowed_origins": [GOOD]}
        assert (await operator.patch(f"/operator/apps/{world.app.id}", json=wish)).status_code == 200
    await world.app.room("r", ("ann",))
    # A process may remember the old list until it hears of the new one, within a second.
    for _ in range(100):
        answer = await world.app.ask("GET", "/v1/rooms", user="ann", headers={"Origin": EVIL})
        if answer.status_code == 403:
            break
    return world.app


@pytest.mark.parametrize("path", [*READS, "/v1/rooms/r/subscribe", "/v1/connect", "/v1/nothing/here"])
async def test_a_preflight_needs_no_credential(service: Service, path: str) -> None:
    """Every path answers it, for the origin that asks, with what may be sent; never with credentials allowed."""
    headers = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    async with public_client(service.url) as http:
        answer = await http.options(path, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == EVIL
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    wanted = ["authorization", "content-type", "idempotency-key", "roomlog-as", "last-event-id", "if-match"]
    assert allowed == set(wanted)
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", READS)
async def test_a_page_that_the_app_lists_may_read_every_answer(app: App, path: str) -> None:
    """Good answers and refusals alike name its origin, and the headers that it may look at."""
    answer = await app.ask("GET", path, user="ann", headers={"Origin": GOOD})
    assert answer.status_code == (404 if path.endswith("none") else 200)
    assert answer.headers["access-control-allow-origin"] == GOOD
    shown = answer.headers["access-control-expose-headers"].lower()
    for name in ("ratelimit", "retry-after", "x-request-id", "idempotent-replayed", "etag"):
        assert name in shown
    assert "access-control-allow-credentials" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", [EVIL, GOOD + ".evil.example", GOOD + ":8443", "http://chat.example", "null"])
@pytest.mark.parametrize("path", [*READS, "/v1/rooms/r/subscribe"])
async def test_a_page_that_the_app_does_not_list_is_refused(app: App, path: str, origin: str) -> None:
    """403 on every path, and nothing that would let the page read even that."""
    answer = await app.ask("GET", path, user="ann", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_a_refused_page_changes_nothing(app: App) -> None:
    """A write is refused before it is one; the same from a page that is listed, or from none, is taken."""
    body = {"parts": [{"type": "text", "text": "x"}]}
    for origin, status in ((EVIL, 403), (GOOD, 201), (None, 201)):
        headers = {} if origin is None else {"Origin": origin}
        answer = await app.ask("POST", "/v1/rooms/r/messages", body, user="ann", headers=headers)
        assert answer.status_code == status
    assert len((await app.ask("GET", "/v1/rooms/r/messages")).json()["messages"]) == 2


async def test_any_page_may_read_that_it_is_not_known(app: App) -> None:
    """A 401 says nothing of any app, and a client whose token has ended must be able to tell."""
    answer = await app.http.get("/v1/rooms", headers={"Origin": EVIL, "Authorization": "Bearer gone"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, EVIL)


async def test_a_socket_from_an_evil_page_is_refused_at_the_handshake(app: App) -> None:
    """With a credential in the header, or the app's name in the URL, there is no upgrade at all."""
    url = app.service.socket_url
    token = await app.token("ann")
    attempts = [
        (url, {"Authorization": f"Bearer {token}"}),
        (f"{url}?app={app.id}", {}),
        (f"{url}?app=app_00000000", {}),
        (f"{url}?app=nonsense", {}),
    ]
    for where, headers in attempts:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(where, additional_headers=headers, origin=EVIL):
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"{}")["code"] == "origin_not_allowed"


async def test_a_socket_from_an_evil_page_is_closed_once_its_app_is_known(app: App) -> None:
    """4403 with its reason, before anything of the app was said; a listed page is greeted."""
    token = await app.token("ann")
    for url in (app.service.socket_url, f"{app.service.socket_url}?app={app.id}"):
        async with connect(url, origin=GOOD) as raw:
            socket = Socket(raw)
            await socket.say(op="auth", token=token)
            assert (await socket.hear())["type"] == "connected"
    async with connect(app.service.socket_url, origin=EVIL) as raw:
        socket = Socket(raw)
        await socket.say(op="auth", token=token)
        with pytest.raises(ConnectionClosed):
            await socket.hear()
        assert (raw.close_code, raw.close_reason) == (4403, "origin_not_allowed")


async def test_naming_another_app_does_not_help(world: World, app: App) -> None:
    """The app that counts is the token's: one that lists everybody opens no door to one that does not."""
    async with connect(f"{app.service.socket_url}?app={world.other.id}", origin=EVIL) as raw:
        socket = Socket(raw)
        await socket.say(op="auth", token=await app.token("ann"))
        with pytest.raises(ConnectionClosed):
            await socket.hear()
        assert raw.close_code == 4403


async def test_cookies_are_no_credential(app: App) -> None:
    """A request or a handshake that brings nothing but cookies is anonymous, whatever they say."""
    token = await app.token("ann")
    cookie = f"token={token}; authorization=Bearer {token}; session={app.key}"
    for path in (*READS, "/v1/rooms/r/subscribe"):
        answer = await app.http.get(path, headers={"Cookie": cookie})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert "set-cookie" not in answer.headers
    async with connect(app.service.socket_url, additional_headers={"Cookie": cookie}) as raw:
        await raw.send('{"op":"subscribe","rooms":[{"room":"r"}]}')
        with pytest.raises(ConnectionClosed):
            await raw.recv()
        assert raw.close_code == 4401


async def test_every_answer_tells_browsers_to_be_careful(app: App) -> None:
    """Types are not guessed, nothing is kept or passed on; over plain HTTP nothing is said of HTTPS."""
    for path in ("/v1/rooms", "/v1/rooms/none", "/v1/nothing/here", "/v1/rooms/r/events?wait=0"):
        answer = await app.ask("GET", path, user="ann")
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-request-id"].startswith("req_"), path
        assert "strict-transport-security" not in answer.headers, path


async def test_a_problem_names_the_request_as_its_header_does(app: App) -> None:
    """One id for both, so that either can be asked about."""
    answer = await app.ask("GET", "/v1/rooms/none", user="ann")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
