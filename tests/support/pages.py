"""The dashboard in Chromium: what each page must be, and the way to it.

`ROOMLOG_SCREENSHOTS` names a folder for pictures of each page: in light, in dark, and on a small phone.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ConsoleMessage, Page, expect

from tests.support.dashboard import PASSWORD
from tests.support.processes import Service

WAIT_MS = 15_000
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}

HEADINGS = {
    "sign-up": "Create your account",
    "sign-in": "Sign in",
    "forgotten": "Choose a new password",
    "reset": "Choose a new password",
    "invitation": "Join Ann & Co",
    "apps-empty": "Apps",
    "apps": "Apps",
    "app-new": "New app",
    "app-empty": "Support chat",
    "app-delete": "Delete Support chat?",
    "keys-empty": "API keys",
    "keys": "API keys",
    "keys-revoked": "API keys",
    "key-new": "New API key",
    "key-shown": "Copy your key now",
    "key-rotate": "Rotate Production server",
    "key-rotated": "Copy your key now",
    "key-revoke": "Revoke Production server?",
    "signing": "Signing keys",
    "limits": "Limits",
    "limits-wrong": "Limits",
    "settings": "Settings",
    "settings-wrong": "Settings",
    "dialog": "Settings",
    "team": "Team",
    "audit": "Audit log",
    "account": "Account",
    "signing-retire": "Retire ",
    "key-asked-already": "That was done already",
    "second-factor-off": "Second factor",
    "second-factor-new": "Set up your second factor",
    "second-factor-wrong": "Set up your second factor",
    "second-factor-on": "Second factor",
    "recovery-codes": "Copy your recovery codes now",
    "account-with-factor": "Account",
    "sign-in-code": "Your code",
    "prove": "Your password, once more",
    "prove-with-code": "Your password and a code, once more",
    "audit-wrong": "Audit log",
    "rooms": "Rooms",
    "rooms-empty": "Rooms",
    "room": "General",
    "users": "Users",
    "user": "Ann",
    "inspector": "Inspector",
    "playground": "Playground",
    "playground-cut": "Playground",
    "playground-back": "Playground",
    "playground-live": "Playground",
    "nothing": "Nothing here",
    "usage-empty": "Usage",
    "usage": "Usage",
    "usage-month": "Usage",
    "requests-empty": "Requests",
    "requests": "Requests",
    "requests-open": "Requests",
    "requests-filtered": "Requests",
}
# What a page must be, whatever it shows: gives what is wrong with it.
LOOK = """
() => {
  const wrong = [];
  const shown = (node) => node.getClientRects().length > 0;
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
  if (document.documentElement.lang !== "en" || !document.title) wrong.push("no language or title");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (field.labels.length === 0) wrong.push("no label: " + field.name);
  for (const thing of document.querySelectorAll("a, button"))
    if (shown(thing) && !(thing.ariaLabel || thing.textContent).trim()) wrong.push("no name: " + thing.outerHTML);
  for (const table of document.querySelectorAll("table"))
    if (table.caption === null) wrong.push("no caption");
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id twice: " + ids.filter((id, at) => ids.indexOf(id) !== at));
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push("wider than the window");
  return wrong;
}
"""


async def serious(page: Page) -> list[str]:
    """Give what axe finds that would keep somebody from using a page."""
    found = (await Axe().run(page)).response["violations"]
    return [
        f"{rule['id']}: {node['html']}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


class Watched:
    """A page that notes whatever browsers complain of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def _hear(self, said: ConsoleMessage) -> None:
        # Of an answer that refuses a form a browser says so of its own accord.
        if said.type in {"error", "warning"} and "status of 4" not in said.text:
            self.complaints.append(said.text)

    async def look(self, name: str) -> None:
        """See that a page is as pages must be, and take pictures of it."""
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text(HEADINGS[name])
        folder = os.environ.get("ROOMLOG_SCREENSHOTS")
        for colours, size, kind in (("light", DESK, "light"), ("dark", DESK, "dark"), ("light", PHONE, "phone")):
            await self.page.set_viewport_size(size)
            await self.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            assert await self.page.evaluate(LOOK) == [], (name, kind)
            if size is DESK:  # in both colours, as contrast is among what axe looks at
                assert await serious(self.page) == [], (name, kind)
            if folder is not None:
                await self.page.screenshot(path=f"{folder}/{name}-{kind}.png", full_page=True)
        await self.page.set_viewport_size(DESK)


async def sign_up(page: Page, organisation: str = "Ann & Co") -> str:
    email = f"{secrets.token_hex(5)}@example.com"
    await page.goto("/sign-up")
    await page.get_by_label("Organisation").fill(organisation)
    await page.get_by_label("Your name").fill("Ann")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await sign_in(page, email)
    return email


async def sign_in(page: Page, email: str) -> None:
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/apps")


async def make_app(page: Page, name: str) -> None:
    await page.goto("/apps/new")
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create app").click()
    await page.wait_for_url("**/apps/app_*")


def app_of(page: Page) -> str:
    """Give the app whose page this is."""
    return page.url.partition("/apps/")[2].partition("?")[0].partition("/")[0]


@contextlib.asynccontextmanager
async def away(service: Service) -> AsyncIterator[None]:
    """Have no service for as long as this lasts."""
    await asyncio.to_thread(service.end)
    try:
        yield
    finally:
        service.spawn()
        await asyncio.to_thread(service.await_ready)
