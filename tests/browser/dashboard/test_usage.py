"""Usage and the request log in Chromium."""

import asyncio

import asyncpg
from playwright.async_api import BrowserContext, Page, expect

from tenants.ids import parse_app_name
from tests.support.pages import WAIT_MS, Watched, app_of, make_app, sign_up
from tests.support.processes import Service

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
    app = app_of(page)
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
    app = app_of(page)
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
