"""API keys in time: expiry, rotation, and a warning when one has been published."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.sockets import connect
from tests.support.world import App, World


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def holds(app: App, key: str) -> bool:
    answer = await app.ask("GET", "/v1/rooms", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200


async def until_refused(app: App, key: str, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while await holds(app, key):
            await asyncio.sleep(0.02)


async def made(app: App, **wish: Any) -> dict[str, Any]:
    answer = await app.ask("POST", "/v1/keys", {"label": "k", **wish})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_key_holds_until_it_expires(world: World) -> None:
    """Also where it has just been used and is remembered, and on what it has opened."""
    key = await made(world.app, expires_at=in_s(1.5))
    assert key["expires_at"] is not None
    async with connect(world.app.service.socket_url, key["key"]) as socket:
        assert await holds(world.app, key["key"])
        await until_refused(world.app, key["key"], 10)
        async with asyncio.timeout(10):
            await socket.raw.wait_closed()
        assert socket.raw.close_code == 4401
    answer = await world.app.ask("POST", "/v1/keys", {"label": "k", "expires_at": in_s(-1)})
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/expires_at")


async def test_a_rotated_key_holds_with_both_secrets_for_a_while(world: World) -> None:
    """During the overlap both hold; at its end the old one and what it has opened end, the new one goes on."""
    old = await made(world.app)
    assert await holds(world.app, old["key"])
    async with connect(world.app.service.socket_url, old["key"]) as socket:
        answer = await world.app.ask("POST", f"/v1/keys/{old['id']}/rotate", {"overlap_s": 2})
        new = answer.json()["key"]
        assert answer.json()["id"] == old["id"]
        assert new != old["key"]
        assert await holds(world.app, new)
        assert await holds(world.app, old["key"])
        await until_refused(world.app, old["key"], 10)
        async with asyncio.timeout(10):
            await socket.raw.wait_closed()
        assert socket.raw.close_code == 4401
    assert await holds(world.app, new)


async def test_a_rotation_without_overlap_ends_the_old_secret_within_a_second(world: World) -> None:
    """For a secret that has got into wrong hands."""
    old = await made(world.app)
    assert await holds(world.app, old["key"])
    answer = await world.app.ask("POST", f"/v1/keys/{old['id']}/rotate", {"overlap_s": 0})
    await until_refused(world.app, old["key"], 10)
    assert await holds(world.app, answer.json()["key"])


async def test_another_app_s_key_cannot_be_rotated(world: World) -> None:
    """It does not exist."""
    other = (await world.other.ask("GET", "/v1/keys")).json()["keys"][0]["id"]
    answer = await world.app.ask("POST", f"/v1/keys/{other}/rotate", {})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_no_request_is_refused_while_a_key_is_rotated(world: World) -> None:
    """Servers that take the new secret when they get it never notice."""
    key = await made(world.app)
    secrets = [key["key"]]
    refused = 0
    done = asyncio.Event()

    async def work() -> None:
        nonlocal refused
        while not done.is_set():
            refused += not await holds(world.app, secrets[-1])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(work())
        for _ in range(5):
            answer = await world.app.ask("POST", f"/v1/keys/{key['id']}/rotate", {"overlap_s": 60})
            await asyncio.sleep(0.1)
            secrets.append(answer.json()["key"])
        done.set()
    assert refused == 0


async def test_a_key_seen_in_a_browser_says_so(world: World) -> None:
    """Its owner sees in the list of keys that it has been published."""
    key = await made(world.app)
    assert key["seen_in_browser_at"] is None
    headers = {"Authorization": f"Bearer {key['key']}", "Origin": "https://chat.example"}
    answer = await world.app.ask("GET", "/v1/rooms", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "api_key_in_browser")
    keys = (await world.app.ask("GET", "/v1/keys")).json()["keys"]
    assert [other["seen_in_browser_at"] is not None for other in keys if other["id"] == key["id"]] == [True]
