"""Tickets: what a browser's EventSource follows a room with."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.contract.followers import events_of
from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service, running_service
from tests.support.world import App, World, new_app

WAIT_S = 8.0
Events = AsyncIterator[tuple[str | None, dict[str, Any]]]


async def a_ticket(app: App, room: str, **who: Any) -> dict[str, Any]:
    answer = await app.ask("POST", f"/v1/rooms/{room}/tickets", **who)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@contextlib.asynccontextmanager
async def stream(service: Service, url: str, **headers: str) -> AsyncIterator[Events]:
    """Open a stream as a browser does: with the URL and no credential."""
    async with public_client(service.url) as http:
        async with http.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield events_of(answer.aiter_lines())


async def hear(events: Events, *kinds: str) -> dict[str, Any]:
    """Give the next frame of one of the kinds."""
    async with asyncio.timeout(WAIT_S):
        while True:
            _, frame = await anext(events)
            if frame["type"] in kinds:
                return frame


async def refusal(service: Service, url: str) -> tuple[int, str]:
    async with public_client(service.url) as http:
        async with http.stream("GET", url) as answer:
            if answer.status_code == 200:
                return 200, ""
            return answer.status_code, json.loads(await answer.aread())["code"]


async def age(environment: dict[str, str], app: App, column: str, by: str) -> None:
    """Put back the clock of all tickets of a user's room."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        await connection.execute(f"UPDATE tickets SET {column} = {column} - interval '{by}'")
    finally:
        await connection.close()


async def test_a_ticket_follows_one_room_as_its_user(world: World) -> None:
    """A URL is all it takes: the snapshot as that user sees it, then what comes; again from where one left off."""
    app = world.app
    await app.room("r", ("ann",))
    ticket = await a_ticket(app, "r", user="ann")
    assert ticket["url"] == f"/v1/rooms/r/subscribe?ticket={ticket['ticket']}"
    assert ticket["idle_s"] == 60
    async with stream(app.service, ticket["url"]) as events:
        snapshot = (await hear(events, "snapshot"))["snapshot"]
        assert snapshot["membership"]["user"] == "ann"
        said = await app.say("r", "x", "ann")
        cursor = (await hear(events, "message.created"))["cursor"]
    missed = await app.say("r", "missed", "ann")
    async with stream(app.service, ticket["url"], **{"Last-Event-ID": cursor}) as events:
        assert (await hear(events, "subscribed", "snapshot"))["resumed"] is True
        assert (await hear(events, "message.created"))["seq"] == missed["seq"] == said["seq"] + 1


async def test_a_ticket_from_a_key_has_the_rights_of_its_user(world: World) -> None:
    """Not those of the server: a private room is not there for a user who is no member. Without a user there is none."""
    app = world.app
    await app.room("p", ("ann",), private=True)
    await app.token("eve")
    ticket = await a_ticket(app, "p", acting="ann")
    async with stream(app.service, ticket["url"]) as events:
        assert (await hear(events, "snapshot"))["snapshot"]["permissions"] == {"send": True, "manage": False}
    refused = await app.ask("POST", "/v1/rooms/p/tickets", acting="eve")
    assert (refused.status_code, refused.json()["code"]) == (404, "room_not_found")
    nobody = await app.ask("POST", "/v1/rooms/p/tickets")
    assert (nobody.status_code, nobody.json()["code"]) == (400, "user_required")


async def test_a_ticket_opens_nothing_else(world: World) -> None:
    """Another room, another path, another app's room of the same name, a changed ticket: refused."""
    app, other = world.app, world.other
    for one in (app, other):
        await one.room("r", ("ann",))
        await one.room("s", ("ann",))
    ticket = (await a_ticket(app, "r", user="ann"))["ticket"]
    theirs = (await a_ticket(other, "r", user="ann"))["ticket"]
    at = app.service
    assert await refusal(at, f"/v1/rooms/s/subscribe?ticket={ticket}") == (404, "room_not_found")
    assert await refusal(at, f"/v1/rooms/none/subscribe?ticket={ticket}") == (404, "room_not_found")
    # The other app's number with this app's secret.
    assert await refusal(at, f"/v1/rooms/r/subscribe?ticket={theirs[:11]}{ticket[11:]}") == (401, "unauthenticated")
    for wrong in (ticket[:-1] + ("A" if ticket[-1] != "A" else "B"), ticket + "0", "", "tk_", app.key):
        assert await refusal(at, f"/v1/rooms/r/subscribe?ticket={wrong}") == (401, "unauthenticated")
    for path in ("/v1/rooms/r/events", "/v1/rooms/r/messages", "/v1/rooms/r"):
        assert (await refusal(at, f"{path}?ticket={ticket}"))[0] == 401
        answer = await app.http.get(path, headers={"Authorization": f"Bearer {ticket}"})
        assert answer.status_code == 401
    async with stream(at, f"/v1/rooms/r/subscribe?ticket={ticket}") as events:
        await hear(events, "snapshot")
        await other.say("r", "theirs", "ann")
        said = await app.say("r", "ours", "ann")
        assert (await hear(events, "message.created"))["seq"] == said["seq"]


async def test_a_ticket_is_dead_a_minute_after_its_last_use(world: World, environment: dict[str, str]) -> None:
    """59 seconds are no matter, and a use renews it; after 61 it opens nothing any more."""
    app = world.app
    await app.room("r", ("ann",))
    url = (await a_ticket(app, "r", user="ann"))["url"]
    for _ in range(2):
        await age(environment, app, "used_at", "59 s")
        assert (await refusal(app.service, url))[0] == 200
    await age(environment, app, "used_at", "61 s")
    assert await refusal(app.service, url) == (401, "unauthenticated")


async def test_a_ticket_ends_with_the_token_that_made_it(world: World, environment: dict[str, str]) -> None:
    """However much it is used; one that a key made ends within a day."""
    app = world.app
    await app.room("r", ("ann",))
    token = await app.mint("ann", ttl_s=120)
    headers = {"Authorization": f"Bearer {token['token']}"}
    made = (await app.http.post("/v1/rooms/r/tickets", headers=headers)).json()
    assert made["expires_at"] == token["expires_at"]
    await age(environment, app, "ends_at", "119 s")
    async with stream(app.service, made["url"]) as events:
        assert (await hear(events, "closed"))["code"] == 4401
    assert await refusal(app.service, made["url"]) == (401, "unauthenticated")


async def test_a_ticket_dies_with_the_key_that_made_it(world: World) -> None:
    """The open stream is closed within a second, and no other opens."""
    app = world.app
    await app.room("r", ("ann",))
    made = (await app.ask("POST", "/v1/keys", {"label": "second"})).json()
    headers = {"Authorization": f"Bearer {made['key']}", "Roomlog-As": "ann"}
    url = (await app.http.post("/v1/rooms/r/tickets", headers=headers)).json()["url"]
    async with stream(app.service, url) as events:
        await hear(events, "snapshot")
        await app.ask("DELETE", f"/v1/keys/{made['id']}")
        assert (await hear(events, "closed"))["code"] == 4403
    assert await refusal(app.service, url) == (401, "unauthenticated")


async def test_a_ticket_of_a_key_that_is_rotated_ends_with_the_old_secret(world: World) -> None:
    """For all that is known, the old secret made it."""
    app = world.app
    await app.room("r", ("ann",))
    made = (await app.ask("POST", "/v1/keys", {"label": "second"})).json()
    headers = {"Authorization": f"Bearer {made['key']}", "Roomlog-As": "ann"}
    url = (await app.http.post("/v1/rooms/r/tickets", headers=headers)).json()["url"]
    rotated = await app.ask("POST", f"/v1/keys/{made['id']}/rotate", {"overlap_s": 0})
    assert rotated.status_code in {200, 201}, rotated.text
    assert await refusal(app.service, url) == (401, "unauthenticated")


async def test_a_ticket_takes_the_right_to_read(world: World) -> None:
    """A credential without that grant makes none."""
    app = world.app
    await app.room("r", ("ann",))
    made = (await app.ask("POST", "/v1/keys", {"label": "writer", "grants": ["messages:write"]})).json()
    headers = {"Authorization": f"Bearer {made['key']}", "Roomlog-As": "ann"}
    refused = await app.http.post("/v1/rooms/r/tickets", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_grant")


async def test_a_ticket_is_of_the_room_and_not_of_its_name(world: World) -> None:
    """A room that is made anew under the old id is another room."""
    app = world.app
    await app.room("r", ("ann",))
    url = (await a_ticket(app, "r", user="ann"))["url"]
    await app.ask("DELETE", "/v1/rooms/r")
    await app.room("r", ("ann",))
    assert await refusal(app.service, url) == (404, "room_not_found")


async def test_a_ticket_survives_the_service(environment: dict[str, str], tmp_path: Any) -> None:
    """Killed and started anew, it takes the ticket from where its bearer left off."""
    with running_service(environment, tmp_path / "log") as own:
        async with public_client(own.url) as http:
            app = await new_app(own, http)
            await app.room("r", ("ann",))
            url = (await a_ticket(app, "r", user="ann"))["url"]
            async with stream(own, url) as events:
                cursor = (await hear(events, "snapshot"))["snapshot"]["cursor"]
                await asyncio.to_thread(own.end, signal.SIGKILL)
        own.spawn()
        await asyncio.to_thread(own.await_ready)
        async with public_client(own.url) as http:
            app.http = http
            said = await app.say("r", "after", "ann")
            async with stream(own, url, **{"Last-Event-ID": cursor}) as events:
                assert (await hear(events, "message.created"))["seq"] == said["seq"]


async def test_a_process_that_is_going_puts_an_eventsource_off(environment: dict[str, str], tmp_path: Any) -> None:
    """Any status but 200 would end it for good: it is told to come back later, while others are refused with 503."""
    slow = environment | {"ROOMLOG_DRAIN_S": "4"}
    with running_service(slow, tmp_path / "log") as own:
        async with public_client(own.url) as http:
            app = await new_app(own, http)
            await app.room("r", ("ann",))
            token = await app.token("ann")
            url = (await a_ticket(app, "r", user="ann"))["url"]
            async with app.socket("ann") as staying:
                own.send(signal.SIGTERM)
                await staying.hear_type("reconnect")
                async with stream(own, url) as events:
                    assert await hear(events, "closed") == {"type": "closed", "code": 1013, "reason": "overloaded"}
                refused = await http.get("/v1/rooms/r/subscribe", headers={"Authorization": f"Bearer {token}"})
                assert refused.status_code == 503


async def test_an_evil_page_has_no_use_for_a_ticket(world: World) -> None:
    """The app's origins hold for tickets too, and a listed page may read the stream."""
    app = world.app
    await app.room("r", ("ann",))
    url = (await a_ticket(app, "r", user="ann"))["url"]
    headers = {"Authorization": f"Bearer {app.service.operator_token}"}
    async with plain_client(app.service.internal_url, headers=headers) as operator:
        await operator.patch(f"/operator/apps/{app.id}", json={"allowed_origins": ["https://a.example"]})
    async with asyncio.timeout(WAIT_S):
        while True:
            async with app.http.stream("GET", url, headers={"Origin": "https://evil.example"}) as answer:
                if answer.status_code == 403:
                    break
    assert "access-control-allow-origin" not in answer.headers
    async with app.http.stream("GET", url, headers={"Origin": "https://a.example"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("query", ["?last=101", "?last=x", "?cursor=" + "c" * 300, "?" + "&".join(["a=1"] * 20)])
async def test_a_stream_that_is_asked_for_wrongly_is_refused(world: World, query: str) -> None:
    """As a problem, before anything is streamed."""
    await world.app.room("r", ("ann",))
    answer = await world.app.ask("GET", f"/v1/rooms/r/subscribe{query}", user="ann")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.headers["content-type"] == "application/problem+json"
