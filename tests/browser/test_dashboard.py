"""The dashboard in Chromium: the whole way, with scripts and without, in light, dark and on a small phone.

`ROOMLOG_SCREENSHOTS` names a folder for a picture of each page.
"""

import asyncio
import json
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tenants.ids import parse_app_name
from tenants.totp import code_at, step_at
from tests.support.dashboard import PASSWORD, dashboard_url, link_to, secret_in
from tests.support.plain import plain_client
from tests.support.processes import Service, free_port, running_service

WAIT_MS = 15_000
WITHIN_S = 1.0
"""For so long a key that has been revoked may go on to be taken."""
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
EVIL = "<img src=x onerror=alert(1)>\"'{{7*7}}"

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


@pytest.fixture(scope="module")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service with a dashboard, which writes its mails into the log."""
    more = {"ROOMLOG_DASHBOARD_PORT": str(free_port()), "ROOMLOG_LOG_LEVEL": "info"}
    with running_service(environment | more, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


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

    async def _serious(self) -> list[str]:
        """Give what axe finds that would keep somebody from using the page."""
        found = (await Axe().run(self.page)).response["violations"]
        return [
            f"{rule['id']}: {node['html']}"
            for rule in found
            if rule["impact"] in {"serious", "critical"}
            for node in rule["nodes"]
        ]

    async def look(self, name: str) -> None:
        """See that a page is as pages must be, and take pictures of it."""
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text(HEADINGS[name])
        folder = os.environ.get("ROOMLOG_SCREENSHOTS")
        for colours, size, kind in (("light", DESK, "light"), ("dark", DESK, "dark"), ("light", PHONE, "phone")):
            await self.page.set_viewport_size(size)
            await self.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            assert await self.page.evaluate(LOOK) == [], (name, kind)
            if size is DESK:  # in both colours, as contrast is among what axe looks at
                assert await self._serious() == [], (name, kind)
            if folder is not None:
                await self.page.screenshot(path=f"{folder}/{name}-{kind}.png", full_page=True)
        await self.page.set_viewport_size(DESK)


@pytest.fixture
async def context(browser: Browser, service: Service) -> AsyncIterator[BrowserContext]:
    """A browser's window of its own, at the dashboard."""
    context = await browser.new_context(
        base_url=dashboard_url(service), permissions=["clipboard-read", "clipboard-write"]
    )
    yield context
    await context.close()


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


async def test_the_whole_way(context: BrowserContext, service: Service) -> None:  # noqa: PLR0915 - one way, page by page
    """From signing up to signing out: a heading, labels and captions on each page, none wider than a phone, no complaint."""
    watched = Watched(await context.new_page())
    page = watched.page
    for path in ("sign-up", "sign-in", "forgotten"):
        await page.goto(f"/{path}")
        await watched.look(path)
    email = await sign_up(page)
    await watched.look("apps-empty")

    await page.get_by_role("link", name="Create a test app").click()
    await watched.look("app-new")
    await page.get_by_label("Name").fill("Support chat")
    await page.get_by_role("button", name="Create app").click()
    await page.wait_for_url("**/apps/app_*")
    await watched.look("app-empty")
    app = page.url.partition("/apps/")[2].partition("?")[0]
    await page.get_by_role("button", name="Copy: Mint a token").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert app in await page.evaluate("navigator.clipboard.readText()")

    await page.get_by_role("link", name="API keys").click()
    await watched.look("keys-empty")
    await page.get_by_role("link", name="Create an API key").click()
    await watched.look("key-new")
    await page.get_by_label("Label").fill("Production server")
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    await watched.look("key-shown")
    await page.get_by_role("button", name="Copy: API key").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    key = await page.evaluate("navigator.clipboard.readText()")
    answer = await page.request.post(
        f"{service.url}/v1/tokens", data={"user": "alice"}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status == 201
    await page.get_by_role("link", name="I have copied it").click()
    await watched.look("keys")
    await page.get_by_role("link", name="Rotate Production server").click()
    await watched.look("key-rotate")
    await page.get_by_role("button", name="Rotate").click()
    await watched.look("key-rotated")
    await page.goto(f"/apps/{app}/keys")
    await page.get_by_role("link", name="Revoke Production server").click()
    await watched.look("key-revoke")
    await page.get_by_role("button", name="Revoke key").click()
    await expect(page.get_by_role("status")).to_contain_text("revoked")
    await watched.look("keys-revoked")

    await page.get_by_role("link", name="Signing keys").click()
    await page.get_by_label("Algorithm").select_option("EdDSA")
    await page.get_by_role("button", name="Create signing key").click()
    await expect(page.get_by_text("verifies", exact=True)).to_be_visible()
    await watched.look("signing")
    await page.get_by_role("link", name="Retire").first.click()
    await watched.look("signing-retire")
    await page.get_by_role("link", name="Limits").click()
    await watched.look("limits")
    await page.get_by_label("Messages of a user, at once").fill("1000")
    await page.get_by_role("button", name="Save limits").click()
    await expect(page.get_by_label("Messages of a user, at once")).to_have_attribute("aria-invalid", "true")
    await watched.look("limits-wrong")
    await page.get_by_role("link", name="Settings").click()
    await watched.look("settings")
    await page.get_by_label("Allowed origins").fill("nonsense")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Allowed origins")).to_have_attribute("aria-invalid", "true")
    await watched.look("settings-wrong")
    await page.get_by_label("Allowed origins").fill("https://example.com")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Suspend Support chat?")
    await watched.look("dialog")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Suspend").click()
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("status")).to_contain_text("suspended")
    await page.get_by_role("link", name="Apps", exact=True).first.click()
    await watched.look("apps")
    await page.goto(f"/apps/{app}/delete")
    await watched.look("app-delete")

    await page.get_by_role("link", name="Team").click()
    invited = f"{secrets.token_hex(5)}@example.com"
    await page.get_by_label("Email").fill(invited)
    await page.get_by_role("button", name="Send invitation").click()
    await expect(page.get_by_role("status")).to_contain_text("on its way")
    await watched.look("team")
    await page.get_by_role("link", name="Audit log").click()
    await watched.look("audit")
    await page.get_by_role("link", name="Account").click()
    await watched.look("account")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("signed out")

    await page.goto(await link_to(service, invited, "/invitation/"))
    await watched.look("invitation")
    await page.goto("/forgotten")
    await page.get_by_label("Email").fill(email)
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.get_by_role("status")).to_contain_text("on its way")
    await page.goto(await link_to(service, email, "/reset/"))
    await watched.look("reset")
    assert watched.complaints == []
    await page.goto("/nothing")
    await watched.look("nothing")


async def test_without_scripts_everything_can_be_done(browser: Browser, service: Service) -> None:
    """Copy buttons are not there, and nothing else is missing."""
    context = await browser.new_context(base_url=dashboard_url(service), java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    await sign_up(page)
    await make_app(page, "Plain")
    await expect(page.locator("[data-copy]").first).to_be_hidden()
    app = page.url.partition("/apps/")[2].partition("?")[0]
    await page.goto(f"/apps/{app}/keys/new")
    await page.get_by_label("Label").fill("k")
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    await page.goto(f"/apps/{app}/settings")
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("status")).to_contain_text("suspended")
    await page.goto(f"/apps/{app}/delete")
    await page.get_by_label("Type the app's name").fill("Plain")
    await page.get_by_role("button", name="Delete for good").click()
    await expect(page.get_by_role("status")).to_contain_text("The app is gone")
    await context.close()


async def age_proof(service: Service, email: str) -> None:
    """Have somebody's password not been shown of late."""
    connection = await asyncpg.connect(service.environment["DATABASE_URL"])
    whose = "(SELECT person_id FROM people WHERE email = $1)"
    await connection.execute(
        f"UPDATE sessions SET proved_at = now() - interval '1 hour' WHERE person_id = {whose}", email
    )
    await connection.close()


async def test_a_second_factor_from_setting_up_to_removing(context: BrowserContext, service: Service) -> None:
    """The picture, the codes, the sign-in of two steps: each page as pages must be, and no complaint."""
    watched = Watched(await context.new_page())
    page = watched.page
    email = await sign_up(page)
    await age_proof(service, email)
    await page.goto("/account")
    await page.get_by_role("link", name="Set it up").click()
    await watched.look("prove")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Go on").click()
    await page.wait_for_url("**/account/second-factor")
    await watched.look("second-factor-off")
    await page.get_by_role("button", name="Set it up").click()
    await watched.look("second-factor-new")
    await expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = secret_in(await page.content())
    await page.get_by_label("Code", exact=True).fill("000000")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_label("Code", exact=True)).to_have_attribute("aria-invalid", "true")
    await watched.look("second-factor-wrong")
    assert secret_in(await page.content()) == secret
    await page.get_by_label("Code", exact=True).fill(code_at(secret, step_at(time.time())))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy your recovery codes now")
    await watched.look("recovery-codes")
    await page.get_by_role("button", name="Copy: Recovery codes").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    codes = (await page.evaluate("navigator.clipboard.readText()")).split()
    assert len(codes) == 10
    await page.get_by_role("link", name="I have copied them").click()
    await watched.look("second-factor-on")
    await page.goto("/account")
    await watched.look("account-with-factor")
    await age_proof(service, email)
    await page.get_by_role("link", name="See to it").click()
    await watched.look("prove-with-code")
    await page.get_by_role("button", name="Sign out", exact=True).click()

    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await watched.look("sign-in-code")
    await page.get_by_label("Code").fill(codes[0])
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/apps")
    await page.goto("/account/second-factor")
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("status")).to_contain_text("removed")
    assert watched.complaints == []


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


async def test_the_audit_log_is_downloaded(context: BrowserContext) -> None:
    """For some days or all of it, by a form that needs no script."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await page.goto("/audit")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download").click()
    download = await downloading.value
    assert re.fullmatch(r"audit-begin-now\.csv", download.suggested_filename)
    assert "tenant.made" in (await download.path()).read_text()
    await page.goto("/audit/export?since=yesterday")
    await watched.look("audit-wrong")


async def test_names_run_no_scripts(context: BrowserContext) -> None:
    """Of a person, an organisation, an app and a key: they are shown as they were typed, and browsers complain of nothing."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page, EVIL)
    await make_app(page, EVIL)
    await expect(page.get_by_role("heading", level=1)).to_have_text(EVIL)
    await page.get_by_role("link", name="Create an API key").click()
    await page.get_by_label("Label").fill(EVIL)
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text(EVIL, exact=True).last).to_be_visible()
    keys = page.url
    await page.goto("/account")
    await page.get_by_label("Your name").fill(EVIL)
    await page.get_by_role("button", name="Save name").click()
    await expect(page.get_by_label("Your name")).to_have_value(EVIL)
    for path in ("/apps", "/team", "/audit", "/account", keys):
        await page.goto(path)
        await expect(page.locator(".organisation")).to_have_text(EVIL)
    await expect(page.get_by_role("cell", name=EVIL).first).to_have_text(EVIL)
    await page.get_by_role("link", name=f"Revoke {EVIL}").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Revoke {EVIL}?")
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"Suspend {EVIL}?")
    assert watched.complaints == []


async def test_another_site_s_page_can_send_no_form(
    context: BrowserContext, evil_origin: str, service: Service
) -> None:
    """What a page of another origin sends for somebody who is signed in, by a form or a script, makes nothing."""
    page = await context.new_page()
    await sign_up(page)
    await page.goto(f"{evil_origin}/page.html")
    form = """(url) => {
      const field = (name, value) => `<input name=${name} value=${value}>`;
      const fields = field("name", "Forged") + field("environment", "test");
      document.body.innerHTML = `<form method=post action="${url}/apps">${fields}</form>`;
      document.forms[0].submit();
    }"""
    async with page.expect_navigation() as navigation:
        await page.evaluate(form, dashboard_url(service))
    answer = await navigation.value
    assert answer is not None
    # By SameSite the session does not even come along.
    assert answer.status == 403
    await page.goto(f"{evil_origin}/page.html")
    fetched = """async (url) => {
      const body = new URLSearchParams({name: "Forged", environment: "test"});
      const told = [];
      for (const mode of ["no-cors", "cors"]) {
        try {
          const answer = await fetch(`${url}/apps`, {method: "POST", mode, credentials: "include", body});
          told.push(`${answer.type} ${answer.status}`);
        } catch (error) {
          told.push(error.name);
        }
      }
      return told;
    }"""
    # Nothing of the answer is to be seen there, in either way.
    assert await page.evaluate(fetched, dashboard_url(service)) == ["TypeError", "TypeError"]
    await page.goto("/apps")
    await expect(page.get_by_text("Your first app")).to_be_visible()


async def test_the_keyboard_is_enough(context: BrowserContext) -> None:
    """The first stop leads past the navigation, and whatever has the focus shows it."""
    page = await context.new_page()
    await sign_up(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Create a test app")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


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
    """It works by curl at once; rotating it under load fails no request; a second after it is revoked it is refused."""
    page = await context.new_page()
    await sign_up(page)
    await make_app(page, "Shop")
    app = page.url.partition("/apps/")[2].partition("?")[0]
    await page.goto(f"/apps/{app}/keys/new")
    await page.get_by_label("Label").fill("server")
    await page.get_by_role("button", name="Create key").click()
    first = await key_on(page)
    command = ["curl", "-sS", "--fail", "-H", f"Authorization: Bearer {first}", f"{service.url}/v1/rooms"]
    by_curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await by_curl.communicate()
    assert (by_curl.returncode, json.loads(printed)["rooms"]) == (0, [])

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


DRAWN = """
() => [...document.querySelectorAll(".plot canvas")].filter((canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  const accent = document.createElement("i");
  accent.style.color = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  document.body.append(accent);
  const [red, green, blue] = getComputedStyle(accent).color.match(/\\d+/g).map(Number);
  accent.remove();
  for (let at = 0; at < pixels.length; at += 4)
    if (pixels[at] === red && pixels[at + 1] === green && pixels[at + 2] === blue) return true;
  return false;
}).length
"""
FILL_TALLIES = """
INSERT INTO tallies
SELECT $1, date_trunc('hour', now(), 'UTC') - make_interval(hours => hour), 40 + 30 * (hour % 7),
       900 * (1 + hour % 5), 12 + hour % 4
  FROM generate_series(0, 59 * 24) AS hour
    ON CONFLICT (app_id, hour) DO UPDATE SET messages = excluded.messages
"""
FILL_USERS = """
INSERT INTO active_users SELECT $1, (now() AT TIME ZONE 'UTC')::date - day, 1000000 + user_number, 16777215
  FROM generate_series(0, 59) AS day, generate_series(1, 10 + (day % 6)) AS user_number
"""


async def fill_usage(service: Service, app: str) -> None:
    """Give an app two months of use."""
    connection = await asyncpg.connect(service.environment["DATABASE_URL"])
    for statement in (FILL_TALLIES, FILL_USERS):
        await connection.execute(statement, parse_app_name(app))
    await connection.close()


async def make_key(page: Page, app: str, label: str) -> str:
    await page.goto(f"/apps/{app}/keys/new")
    await page.get_by_label("Label").fill(label)
    await page.get_by_role("button", name="Create key").click()
    return await page.locator("pre").first.inner_text()


async def test_usage_is_drawn_from_its_table(context: BrowserContext, service: Service) -> None:
    """Four charts in the page's colours, light and dark; what one points at is told, and the table has all of it."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await make_app(page, "Support chat")
    app = page.url.partition("/apps/")[2].partition("?")[0]
    await page.get_by_role("link", name="Usage").click()
    await watched.look("usage-empty")
    await fill_usage(service, app)
    await page.reload()
    await expect(page.locator(".plot canvas")).to_have_count(4)
    for colours in ("dark", "light"):
        await page.emulate_media(color_scheme=colours)
        async with asyncio.timeout(WAIT_MS / 1000):
            while await page.evaluate(DRAWN) < 4:
                await asyncio.sleep(0.05)
    await watched.look("usage")
    await page.get_by_role("link", name="30 days").click()
    await expect(page.locator("#tallies tbody tr")).to_have_count(30)
    await watched.look("usage-month")
    await page.locator(".plot .u-over").first.hover()
    label = page.locator(".told-of").first
    day, _, figure = (await label.inner_text()).partition(": ")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=day, exact=True))
    await expect(row.get_by_role("cell").first).to_have_text(figure)
    assert watched.complaints == []


async def test_the_request_log_is_filtered_and_renewed_in_place(context: BrowserContext, service: Service) -> None:
    """A line opens to all that is known of it; what came since is put in without a new page; a copied line runs."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await make_app(page, "Support chat")
    app = page.url.partition("/apps/")[2].partition("?")[0]
    key = await make_key(page, app, "Production server")
    await page.goto(f"/apps/{app}/requests")
    await watched.look("requests-empty")
    headers = {"Authorization": f"Bearer {key}"}
    await page.request.post(f"{service.url}/v1/tokens", data={"user": "alice"}, headers=headers)
    await page.request.get(f"{service.url}/v1/rooms?limit=20&prefix=support", headers=headers)
    await page.request.get(f"{service.url}/v1/rooms/{'a-room-with-a-long-id-' * 4}/messages?before=12", headers=headers)
    await page.evaluate("window.isOld = true")
    lines = page.locator(".lines > li")
    await expect(lines).to_have_count(0)
    async with asyncio.timeout(WAIT_MS / 1000):
        while await lines.count() < 3:
            async with page.expect_response(f"**/apps/{app}/requests"):
                await page.get_by_role("link", name="Refresh").click()
            await asyncio.sleep(0.1)
    assert await page.evaluate("window.isOld")
    await watched.look("requests")
    await page.locator(".lines summary").first.click()
    opened = page.locator(".lines details[open]")
    await expect(opened.get_by_text("Production server")).to_be_visible()
    await opened.get_by_role("button", name="Copy: The request as curl").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert "$ROOMLOG_API_KEY" in await page.evaluate("navigator.clipboard.readText()")
    await watched.look("requests-open")
    await page.get_by_label("Status").select_option("4xx")
    await page.get_by_role("button", name="Filter").click()
    await expect(lines).to_have_count(1)
    await expect(page.get_by_label("Status")).to_have_value("4")
    await watched.look("requests-filtered")
    assert watched.complaints == []
