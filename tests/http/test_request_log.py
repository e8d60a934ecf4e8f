"""What the request log of an app has of what was asked, by every way in."""

import asyncio
import secrets

import asyncpg
import httpx2
import pytest
from websockets.asyncio.client import connect

from tenants.ids import AppId, parse_app_name
from tenants.postgres import Postgres
from tenants.request_log import Line, Wanted, lines_of
from tests.support.document import public_client
from tests.support.sockets import Socket
from tests.support.world import App, World, new_app

WAIT_S = 15.0
BODY = {"parts": [{"type": "text", "text": "hello"}]}


def number_of(app: App) -> AppId:
    number = parse_app_name(app.id)
    assert number is not None
    return number


async def line_of(postgres: Postgres, app: App, user: str | None = None, **wanted: object) -> Line:
    """Give the newest of the lines that are wanted, be it of one user, once there is one."""
    async with asyncio.timeout(WAIT_S):
        while True:
            for line in await lines_of(postgres, number_of(app), Wanted(**wanted)):  # type: ignore[arg-type]
                if user in {None, line.user}:
                    return line
            await asyncio.sleep(0.05)


async def everything(environment: dict[str, str]) -> str:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        return str(await connection.fetchval("SELECT string_agg(l::text, ' ') FROM request_lines l"))
    finally:
        await connection.close()


async def test_a_request_by_a_key_is_kept(world: World, postgres: Postgres) -> None:
    """With its answer's id, status and code, the key and whence it came; and the user in whose name it was."""
    app = world.app
    await app.token("ann")
    answer = await app.ask("GET", "/v1/rooms/none?limit=3", acting="ann")
    line = await line_of(postgres, app, words="/v1/rooms/none")
    assert line.request_id == answer.headers["x-request-id"] == answer.json()["request_id"]
    assert (line.method, line.status, line.code, line.query) == ("GET", 404, "room_not_found", "limit=3")
    assert (line.key, line.is_user, line.user, line.address) == (1, True, "ann", "127.0.0.1")


async def test_a_message_by_rest_is_kept_as_any_other_request(world: World, postgres: Postgres) -> None:
    """Sent or refused: it goes past the framework. Of a user nobody keeps whence it came."""
    app = world.app
    await app.room("r", ("ann",))
    await app.say("r", "hello", "ann")
    line = await line_of(postgres, app, words="POST /v1/rooms/r/messages")
    assert (line.status, line.code, line.key, line.user, line.address) == (201, None, None, "ann", None)
    await app.ask("POST", "/v1/rooms/r/messages", {"parts": []}, user="ann")
    line = await line_of(postgres, app, words="POST /v1/rooms/r/messages", status=4)
    assert (line.status, line.code, line.user) == (400, "bad_request", "ann")


async def test_what_is_over_a_limit_is_kept(world: World, postgres: Postgres) -> None:
    """As the app's own: its credential held."""
    app = await new_app(world.app.service, world.app.http, limits={"app_requests": {"per_s": 0.01, "burst": 1}})
    for _ in range(3):
        await app.ask("GET", "/v1/rooms")
    line = await line_of(postgres, app, status=4)
    assert (line.status, line.code) == (429, "rate_limited")


async def test_openings_are_kept(world: World, postgres: Postgres) -> None:
    """A socket by header and by first frame, a stream, a poll, and those that were refused."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.token("ann")
    async with app.socket("ann"):
        line = await line_of(postgres, app, status=1)
        assert (line.method, line.path, line.status, line.user) == ("GET", "/v1/connect", 101, "ann")
    async with connect(f"{app.service.socket_url}?app={app.id}") as raw:
        await Socket(raw).say(op="auth", token=await app.token("bob"))
        await Socket(raw).hear_type("connected")
        line = await line_of(postgres, app, "bob", words="/v1/connect")
        assert (line.status, line.query, line.request_id) == (101, "app=…", "")
    bearer = {"Authorization": f"Bearer {token}"}
    async with app.http.stream("GET", "/v1/rooms/r/subscribe", headers=bearer) as stream:
        assert stream.status_code == 200
        assert (await line_of(postgres, app, words="/subscribe")).status == 200
    await app.ask("GET", "/v1/rooms/r/events?wait=0", user="ann")
    line = await line_of(postgres, app, words="/events")
    assert (line.status, line.query) == (200, "wait=0")
    await app.ask("GET", "/v1/rooms/none/subscribe", user="ann")
    assert (await line_of(postgres, app, words="/v1/rooms/none/subscribe")).code == "room_not_found"


async def test_a_socket_that_is_refused_is_kept(world: World, postgres: Postgres) -> None:
    """At its upgrade and at its first frame, with the code that it was refused by."""
    limits = {"app_connections": 0}
    app = await new_app(world.app.service, world.app.http, limits=limits)
    with pytest.raises(Exception, match="403"):
        async with app.socket():
            pass
    line = await line_of(postgres, app, words="/v1/connect")
    assert (line.status, line.code, line.key) == (403, "quota_exceeded", 1)
    assert line.request_id.startswith("req_")
    async with connect(app.service.socket_url) as raw:
        await Socket(raw).say(op="auth", token=await app.token("ann"))
        await raw.wait_closed()
    line = await line_of(postgres, app, "ann", words="/v1/connect")
    assert (line.status, line.code) == (403, "quota_exceeded")


async def test_who_has_no_credential_stands_in_nobody_s_log(world: World, postgres: Postgres) -> None:
    """Nor who has a wrong one, be it of an app that there is: anybody could fill another's log."""
    app = world.app
    wrong = app.key[:-10] + "AAAAAAAAAA"
    for headers in ({}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Bearer nonsense"}):
        async with public_client(app.service.url) as http:
            assert (await http.get("/v1/rooms/unheard-of", headers=headers)).status_code == 401
    # What comes later is written later.
    await app.ask("GET", "/v1/rooms/of-note")
    await line_of(postgres, app, words="/of-note")
    for each in (app, world.other):
        assert await lines_of(postgres, number_of(each), Wanted(words="unheard-of")) == []
    assert await lines_of(postgres, number_of(world.other), Wanted(words="of-note")) == []


async def test_no_secret_and_no_word_of_a_body_gets_in(
    world: World, postgres: Postgres, environment: dict[str, str]
) -> None:
    """Keys, tokens, tickets and idempotency keys stand in no line, wherever in a request they were put; nor do texts."""
    app, canary = world.app, "canary-" + secrets.token_hex(8)
    await app.room("r", ("ann",))
    token = await app.token("ann")
    said = await app.ask(
        "POST", "/v1/rooms/r/messages", {"parts": [{"type": "text", "text": canary}]}, user="ann", key=canary
    )
    assert said.status_code == 201
    ticket = (await app.ask("POST", "/v1/rooms/r/tickets", user="ann")).json()
    async with app.http.stream("GET", ticket["url"]) as stream:
        assert stream.status_code == 200
    secrets_ = [app.key, token, ticket["ticket"], canary]
    async with httpx2.AsyncClient(base_url=app.service.url) as http:
        for secret in secrets_:
            for path in (f"/v1/rooms?prefix={secret}", f"/v1/rooms?{secret}=1"):
                await http.get(path, headers={"Authorization": f"Bearer {app.key}", "X-Secret": secret})
        for secret in secrets_[:3]:
            await http.get(f"/v1/rooms/{secret}", headers={"Authorization": f"Bearer {app.key}"})
    await app.ask("GET", "/v1/rooms/last")
    await line_of(postgres, app, words="/last")
    line = await line_of(postgres, app, words="/subscribe")
    assert (line.query, line.user) == ("ticket=…", "ann")
    kept = await everything(environment)
    for secret in secrets_:
        assert secret not in kept
        assert secret[12:40] not in kept
