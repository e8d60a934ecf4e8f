"""Deletions: at once for everybody, and then, step by step, from the tables."""

import asyncio
import secrets
from typing import Any

import asyncpg
import pytest

from tests.support.plain import plain_client
from tests.support.world import App, World, new_app

BODY = {"parts": [{"type": "text", "text": "x"}]}


@pytest.fixture
def canary() -> str:
    """A text that stands nowhere else."""
    return "canary-" + secrets.token_hex(8)


async def finished(app: App, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while job["finished_at"] is None:
            await asyncio.sleep(0.05)
            job = (await app.ask("GET", f"/v1/jobs/{job['id']}")).json()
    return job


async def tables_with(environment: dict[str, str], canary: str) -> list[str]:
    """Give the tables in which a text stands anywhere."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found: list[str] = []
        for (table,) in tables:
            rows = await connection.fetchval(f"SELECT count(*) FROM {table} t WHERE t::text LIKE $1", f"%{canary}%")
            if rows:
                found.append(table)
        return found
    finally:
        await connection.close()


async def delete_user(app: App, user: str, messages: str) -> dict[str, Any]:
    answer = await app.ask("DELETE", f"/v1/users/{user}?messages={messages}")
    assert answer.status_code == 202, answer.text
    return await finished(app, answer.json())


@pytest.mark.parametrize("messages", ["keep", "redact"])
async def test_a_deleted_user_leaves_its_rooms_by_events(world: World, messages: str) -> None:
    """Its token ends, each membership ends by an event, and its messages stay or are redacted as was wished."""
    app = world.app
    for room in ("r", "s"):
        await app.room(room, ("ann", "bob"))
        await app.say(room, "ann's", "ann")
        await app.say(room, "bob's", "bob")
    token = await app.token("ann")
    async with app.socket("bob") as socket:
        await socket.open("r")
        await delete_user(app, "ann", messages)
        kinds = [(await socket.hear())["type"]]
        if messages == "redact":
            kinds.append((await socket.hear())["type"])
        assert kinds == ["member.removed", "message.deleted"][: len(kinds)]
    for room in ("r", "s"):
        members = (await app.ask("GET", f"/v1/rooms/{room}/members")).json()
        assert [member["user"] for member in members["members"]] == ["bob"]
        page = (await app.ask("GET", f"/v1/rooms/{room}/messages")).json()["messages"]
        assert ["deleted_at" in message for message in page] == [messages == "redact", False]
    async with asyncio.timeout(10):
        while (await app.ask("GET", "/v1/rooms", headers={"Authorization": f"Bearer {token}"})).status_code != 401:
            await asyncio.sleep(0.02)
    assert (await app.ask("DELETE", "/v1/users/ann")).json()["code"] == "user_not_found"


async def test_a_user_made_again_is_somebody_else(world: World) -> None:
    """It is in none of the rooms of its namesake, and may not edit what that one has said."""
    app = world.app
    await app.room("r", ("ann", "bob"), private=True)
    said = await app.say("r", "hello", "ann")
    await delete_user(app, "ann", "keep")
    app.tokens.pop("ann")
    assert (await app.ask("GET", "/v1/rooms/r", user="ann")).status_code == 404
    await app.ask("PUT", "/v1/rooms/r/members/ann", {})
    answer = await app.ask("PATCH", f"/v1/rooms/r/messages/{said['id']}", BODY, user="ann")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_a_deleted_room_goes_from_the_tables(world: World, environment: dict[str, str], canary: str) -> None:
    """Its words and members go; what is left lets a repeated deletion be found, and spares a new room of its id."""
    app = world.app
    await app.room("r", ("ann",), name=canary, data={"a": canary})
    for number in range(30):
        await app.say("r", f"{canary} {number}", "ann")
    assert (await app.ask("DELETE", "/v1/rooms/r", key="k")).status_code == 204
    async with asyncio.timeout(20):
        while await tables_with(environment, canary):
            await asyncio.sleep(0.1)
    await app.room("r", ("ann",))
    assert (await app.ask("DELETE", "/v1/rooms/r", key="k")).status_code == 204
    assert (await app.ask("GET", "/v1/rooms/r")).status_code == 200


async def test_a_deleted_app_leaves_nothing_but_its_number(
    world: World, environment: dict[str, str], canary: str
) -> None:
    """Its credentials end within a second, and no table has anything of what it held."""
    service, http = world.app.service, world.app.http
    app = await new_app(service, http)
    await app.room(canary, (canary, "bob"), name=canary, data={"a": canary})
    await app.say(canary, canary, canary)
    await app.ask("PUT", f"/v1/users/{canary}", {"name": canary, "data": {"a": canary}})
    await app.ask("POST", "/v1/keys", {"label": canary})
    token = await app.token(canary)
    operator = {"Authorization": f"Bearer {service.operator_token}"}
    async with plain_client(service.internal_url, headers=operator) as asking:
        await asking.patch(f"/operator/apps/{app.id}", json={"name": canary, "limits": {}})
        assert await tables_with(environment, canary)
        job = (await asking.delete(f"/operator/apps/{app.id}")).json()
        for credential in (app.key, token):
            async with asyncio.timeout(10):
                bearer = {"Authorization": f"Bearer {credential}"}
                while (await app.ask("GET", "/v1/rooms", headers=bearer)).status_code != 401:
                    await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            while job["finished_at"] is None:
                await asyncio.sleep(0.1)
                job = (await asking.delete(f"/operator/apps/{app.id}")).json()
        assert job["done"] > 5
        assert await tables_with(environment, canary) == []
        assert (await asking.patch(f"/operator/apps/{app.id}", json={"name": "x"})).status_code == 404


async def test_an_app_deletes_itself_by_a_key_that_manages_it(world: World) -> None:
    """And by no other credential."""
    app = await new_app(world.app.service, world.app.http)
    narrow = (await app.ask("POST", "/v1/keys", {"label": "k"})).json()["key"]
    refused = await app.ask("DELETE", "/v1/app", headers={"Authorization": f"Bearer {narrow}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_grant")
    assert (await app.ask("DELETE", "/v1/app")).status_code == 202
    assert (await world.app.ask("GET", "/v1/rooms")).status_code == 200


async def test_another_app_s_job_does_not_exist(world: World) -> None:
    """Nor do ids that are none."""
    await world.app.token("ann")
    job = (await world.app.ask("DELETE", "/v1/users/ann")).json()
    for name in (job["id"], "job_00000000000", "job_zzzzzzzzzzz", "job_", "x"):
        answer = await world.other.ask("GET", f"/v1/jobs/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
