"""Followers that are not ours, native EventSource, WebSocket and curl, through a restart of the service."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service, running_service
from tests.support.world import App, new_app

WAIT_S = 15.0
PageUrl = Callable[..., str]


@pytest.fixture
async def app(environment: dict[str, str], tmp_path: Path, good_origin: str) -> AsyncIterator[App]:
    """An app that lists one origin, with a room, on a service of the test's own."""
    with running_service(environment, tmp_path / "log") as service:
        async with public_client(service.url) as http:
            made = await new_app(service, http, "live")
            headers = {"Authorization": f"Bearer {service.operator_token}"}
            async with plain_client(service.internal_url, headers=headers) as operator:
                wish = {"allowed_origins": [good_origin]}
                assert (await operator.patch(f"/operator/apps/{made.id}", json=wish)).status_code == 200
            await made.room("general", ("ann",))
            # Until the process has heard of the list, within a second.
            async with asyncio.timeout(WAIT_S):
                while (await made.ask("GET", "/v1/rooms", user="ann", headers={"Origin": good_origin})).is_error:
                    await asyncio.sleep(0.05)
            yield made


async def say(service: Service, app: App, *texts: str) -> None:
    async with public_client(service.url) as http:
        app.http = http
        for text in texts:
            await app.say("general", text, "ann")


async def restart(service: Service, ending: signal.Signals) -> None:
    await asyncio.to_thread(service.end, ending)
    await asyncio.sleep(1)  # long enough for clients to knock at a closed door
    service.spawn()
    await asyncio.to_thread(service.await_ready)


async def shown(page: Page, transport: str, upto: str) -> list[str]:
    """Wait for a message to be shown, and give all that are, in their order."""
    await page.locator(f"#{transport} li", has_text=upto).first.wait_for(timeout=WAIT_S * 1000)
    return await page.locator(f"#{transport} li").all_inner_texts()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_page_shows_every_message_once_and_in_order(
    app: App, browser: Browser, page_url: PageUrl, good_origin: str, tmp_path: Path, ending: signal.Signals
) -> None:
    """By native EventSource and by WebSocket, before, while and after the service is gone and started anew."""
    service = app.service
    page = await browser.new_page()
    await say(service, app, "said before the page came")
    await page.goto(page_url(good_origin, app, await app.token("ann")))
    for transport in ("sse", "ws"):
        await shown(page, transport, "said before the page came")
    live = [f"live {number}" for number in range(5)]
    await say(service, app, *live)
    for transport in ("sse", "ws"):
        await shown(page, transport, live[-1])
    await restart(service, ending)
    later = [f"after {number}" for number in range(5)]
    await say(service, app, *later)
    expected = ["said before the page came", *live, *later]
    for transport in ("sse", "ws"):
        assert await shown(page, transport, later[-1]) == expected
    await asyncio.sleep(1)  # nothing more comes, above all nothing again
    for transport in ("sse", "ws"):
        assert await shown(page, transport, later[-1]) == expected
        assert await page.locator(f"#{transport}-state").inner_text() == "open"
    await page.screenshot(path=tmp_path / "followed.png")
    assert (tmp_path / "followed.png").stat().st_size > 0


async def test_an_evil_page_follows_nothing(
    app: App, browser: Browser, page_url: PageUrl, evil_origin: str, tmp_path: Path
) -> None:
    """Not with a user's token, nor with a ticket, nor by a socket, whether or not it names the app."""
    token = await app.token("ann")
    ticket = (await app.ask("POST", "/v1/rooms/general/tickets", user="ann")).json()["url"]
    await say(app.service, app, "a secret")
    page = await browser.new_page()

    async def states(**more: str) -> tuple[str, str]:
        await page.goto(page_url(evil_origin, app, token, **more))
        texts = []
        for transport in ("sse", "ws"):
            state = page.locator(f"#{transport}-state", has_text="refused").or_(
                page.locator(f"#{transport}-state", has_text="dead").or_(
                    page.locator(f"#{transport}-state", has_text="closed")
                )
            )
            await state.wait_for(timeout=WAIT_S * 1000)
            texts.append(await state.inner_text())
        assert await page.locator("li").count() == 0
        return texts[0], texts[1]

    assert await states() == ("refused: TypeError", "closed 1006 before opening")
    assert await states(ticket=ticket) == ("dead", "closed 1006 before opening")
    assert await states(unnamed="") == ("refused: TypeError", "closed 4403 origin_not_allowed after opening")
    await page.screenshot(path=tmp_path / "refused.png")


async def curl(url: str, *headers: str) -> "asyncio.subprocess.Process":
    options = [part for header in headers for part in ("-H", header)]
    return await asyncio.create_subprocess_exec("curl", "-sN", url, *options, stdout=asyncio.subprocess.PIPE)


async def events(process: "asyncio.subprocess.Process", upto: str) -> tuple[str, list[dict[str, Any]]]:
    """Read a stream up to a message; gives the last id and the frames."""
    assert process.stdout is not None
    last_id, frames = "", []
    async with asyncio.timeout(WAIT_S):
        async for raw in process.stdout:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "id":
                last_id = value
            elif name == "data":
                frames.append(json.loads(value))
                if upto in value:
                    break
    return last_id, frames


async def test_curl_follows_and_goes_on_where_it_was(app: App) -> None:
    """With a header and `-N`; after a restart `Last-Event-ID` brings what was missed, and no snapshot."""
    service = app.service
    url = f"{service.url}/v1/rooms/general/subscribe"
    credential = f"Authorization: Bearer {await app.token('ann')}"
    first = await curl(url, credential)
    await say(service, app, "one", "two")
    last_id, frames = await events(first, '"two"')
    seen = [frame for frame in frames if frame["type"] in {"snapshot", "message.created"}]
    assert seen[0]["type"] == "snapshot"
    await restart(service, signal.SIGKILL)
    assert await first.wait() != 0  # curl tells that the stream broke
    await say(service, app, "three")
    second = await curl(url, credential, f"Last-Event-ID: {last_id}")
    try:
        await say(service, app, "four")
        _, resumed = await events(second, '"four"')
    finally:
        second.kill()
        await second.wait()
    said = [frame["message"]["parts"][0]["text"] for frame in resumed if frame["type"] == "message.created"]
    assert said == ["three", "four"]
    assert "snapshot" not in {frame["type"] for frame in resumed}
