"""The whole way in Chromium, with scripts and without, by the keyboard, and under attack."""

import re
import secrets

from playwright.async_api import Browser, BrowserContext, expect

from tests.support.dashboard import dashboard_url, link_to
from tests.support.pages import WAIT_MS, Watched, app_of, make_app, sign_up
from tests.support.processes import Service

EVIL = "<img src=x onerror=alert(1)>\"'{{7*7}}"


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
    app = app_of(page)
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
    app = app_of(page)
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
