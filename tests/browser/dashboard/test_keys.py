"""API keys in Chromium and by curl."""

import asyncio
import json
import time
from collections import Counter

from playwright.async_api import BrowserContext, Page, expect

from tests.support.pages import WAIT_MS, Watched, app_of, make_app, sign_up
from tests.support.plain import plain_client
from tests.support.processes import Service

WITHIN_S = 1.0
"""For so long a key that has been revoked may go on to be taken."""


class Load:
    """A customer's server that asks without a pause, and takes its key's new secret when it is given one."""

    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self.answers: Counter[int] = Counter()
        self.last_s: dict[int, float] = {}
        """When each status was last answered."""
        self._url = url

    async def run(self) -> None:
        async with plain_client(self._url) as http:
            while True:
                answer = await http.get("/v1/rooms", headers={"Authorization": f"Bearer {self.key}"})
                self.answers[answer.status_code] += 1
                self.last_s[answer.status_code] = time.monotonic()

    async def go_on(self, status: int, *, times: int = 20) -> None:
        """Wait until some more have been answered so."""
        wanted = self.answers[status] + times
        async with asyncio.timeout(WAIT_MS / 1000):
            while self.answers[status] < wanted:
                await asyncio.sleep(0.005)


async def key_on(page: Page) -> str:
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    return await page.locator("#key-text").inner_text()


async def test_a_key_from_its_making_to_its_end(context: BrowserContext, service: Service) -> None:
    """It works by curl at once and its use appears; rotated under load it fails no request; revoked, it ends in a second."""
    page = await context.new_page()
    await sign_up(page)
    await make_app(page, "Shop")
    app = app_of(page)
    await page.goto(f"/apps/{app}/keys/new")
    await page.get_by_label("Label").fill("server")
    await page.get_by_role("button", name="Create key").click()
    first = await key_on(page)
    command = ["curl", "-sS", "--fail", "-H", f"Authorization: Bearer {first}", f"{service.url}/v1/rooms"]
    by_curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await by_curl.communicate()
    assert (by_curl.returncode, json.loads(printed)["rooms"]) == (0, [])

    async with plain_client(service.url, headers={"Authorization": f"Bearer {first}"}) as http:
        await http.put("/v1/users/alice", json={})
        await http.post("/v1/rooms", json={"id": "general", "members": ["alice"]})
        for _ in range(3):
            wish = {"parts": [{"type": "text", "text": "Hello"}]}
            said = await http.post("/v1/rooms/general/messages", json=wish, headers={"Roomlog-As": "alice"})
            assert said.status_code == 201, said.text
    await page.goto(f"/apps/{app}/usage")
    async with asyncio.timeout(WAIT_MS / 1000):
        while await page.locator(".tile .figure").all_inner_texts() != ["3", "0", "0", "1"]:
            await page.reload()

    load = Load(service.url, first)
    asking = [asyncio.create_task(load.run()) for _ in range(4)]
    await load.go_on(200)
    await page.goto(f"/apps/{app}/keys")
    await page.get_by_role("link", name="Rotate server").click()
    await page.get_by_role("button", name="Rotate").click()
    second = await key_on(page)
    await load.go_on(200)
    load.key = second
    await load.go_on(200, times=100)
    assert set(load.answers) == {200}

    await page.goto(f"/apps/{app}/keys")
    await page.get_by_role("link", name="Revoke server").click()
    clicked_s = time.monotonic()
    await page.get_by_role("button", name="Revoke key").click()
    await expect(page.get_by_role("status")).to_contain_text("revoked")
    revoked_s = time.monotonic()
    await load.go_on(401)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert set(load.answers) == {200, 401}
    assert clicked_s < load.last_s[200] < revoked_s + WITHIN_S


async def test_a_page_loaded_anew_makes_no_second_key(context: BrowserContext) -> None:
    """A browser sends the form again, and is told that the key was made."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await make_app(page, "Chat")
    await page.get_by_role("link", name="Create an API key").click()
    await page.get_by_label("Label").fill("server")
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    await page.reload()
    await watched.look("key-asked-already")
    await page.get_by_role("link", name="See the keys").click()
    await expect(page.get_by_role("link", name="Rotate server")).to_have_count(1)
    assert watched.complaints == []
