"""The second factor in Chromium."""

import time

import asyncpg
from playwright.async_api import BrowserContext, expect

from tenants.totp import code_at, step_at
from tests.support.dashboard import PASSWORD, secret_in
from tests.support.pages import Watched, sign_up
from tests.support.processes import Service


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
