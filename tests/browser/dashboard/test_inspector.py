"""The inspector in Chromium: events as they arrive, sifted, paused, gone on with after a restart, and all of them text."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import jwt
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tenants.tokens import INSPECTOR_TYPE
from tests.support.document import public_client
from tests.support.pages import WAIT_MS, Watched, app_of, away, make_app, serious, sign_up
from tests.support.processes import Service
from tests.support.secrets import signing_secret
from tests.support.world import App

SHORT_S = 8
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'{{7*7}}"


@pytest.fixture
async def watched(context: BrowserContext) -> Watched:
    """A page of somebody who has just signed up."""
    watched = Watched(await context.new_page())
    await sign_up(watched.page)
    return watched


@pytest.fixture
async def app(watched: Watched, service: Service) -> AsyncIterator[App]:
    """An app of that person's, with a key that may do everything."""
    page = watched.page
    await make_app(page, "Watched")
    name = app_of(page)
    await page.goto(f"/apps/{name}/keys/new")
    await page.get_by_label("Label").fill("server")
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    await page.get_by_role("button", name="Create key").click()
    key = re.search(r"rl_test_\w{12}_\w{49}", await page.locator("main").inner_text())
    assert key is not None
    async with public_client(service.url) as http:
        yield App(name, key[0], service, http)


async def inspect(page: Page, app: App, query: str = "") -> None:
    await page.goto(f"/apps/{app.id}/inspector{query}")
    await expect(page.locator("#state")).to_have_text("Live", timeout=WAIT_MS)


async def seqs(page: Page) -> list[int]:
    """Give the seqs of the events shown, the newest first."""
    return [int(seq) for seq in await page.locator("#events .event:visible .seq").all_inner_texts()]


async def test_events_appear_as_they_arrive_and_are_sifted(watched: Watched, app: App) -> None:
    """Of private rooms as well, each with its room, seq, kind, author and words, and whole on demand."""
    page = watched.page
    await app.room("general", ("ann",))
    await app.room("closed", ("bob",), private=True)
    await inspect(page, app)
    await app.say("general", "Hello, everybody", "ann")
    await app.say("closed", "between us", "bob")
    await app.ask("PUT", "/v1/rooms/closed/members/ann", {})
    await app.ask("PATCH", "/v1/rooms/general", {"name": "Town hall"})
    events = page.locator("#events .event")
    await expect(events).to_have_count(4, timeout=WAIT_MS)
    row = events.filter(has_text="between us")
    for part in ("closed", "message.created", "bob"):
        await expect(row).to_contain_text(part)
    await row.locator("summary").click()
    await expect(row.locator("pre")).to_contain_text('"type": "message.created"')
    await watched.look("inspector")
    await page.get_by_label("Kind").select_option("members")
    await expect(page.locator("#events .event:visible")).to_have_count(1)
    await page.get_by_label("Kind").select_option("all")
    await page.get_by_label("Contains").fill("TOWN")
    await expect(page.locator("#events .event:visible")).to_have_count(1)
    await page.get_by_label("Contains").fill("")
    await page.get_by_role("button", name="Pause").click()
    await app.say("general", "while paused", "ann")
    await expect(page.get_by_role("button", name="Go on (1)")).to_be_visible(timeout=WAIT_MS)
    await expect(events).to_have_count(4)
    await page.get_by_role("button", name="Go on (1)").click()
    await expect(events.filter(has_text="while paused")).to_have_count(1)
    await page.get_by_role("button", name="Clear").click()
    await expect(events).to_have_count(0)
    assert await serious(page) == []
    assert watched.complaints == []


async def test_rooms_are_picked(watched: Watched, app: App) -> None:
    """One that is taken out is followed no more; one is added by its id; one that is not there is said not to be."""
    page = watched.page
    for room in ("one", "two"):
        await app.room(room, ("ann",))
    await inspect(page, app)
    events = page.locator("#events .event")
    await page.get_by_role("checkbox", name="one").uncheck()
    await app.say("one", "unheard", "ann")
    await app.say("two", "heard", "ann")
    await expect(events.filter(has_text="heard")).to_have_count(1, timeout=WAIT_MS)
    await app.room("later", ("ann",))
    for room in ("later", "never"):
        await page.get_by_label("Follow a room by its id").fill(room)
        await page.get_by_role("button", name="Follow").click()
    await expect(page.get_by_text("never: No such room")).to_be_visible(timeout=WAIT_MS)
    await expect(page.get_by_role("checkbox", name="never")).to_have_count(0)
    await app.say("later", "come lately", "ann")
    await expect(events.filter(has_text="come lately")).to_have_count(1, timeout=WAIT_MS)
    await expect(events.filter(has_text="unheard")).to_have_count(0)
    assert watched.complaints == []


async def test_it_goes_on_where_it_was_after_a_restart(watched: Watched, app: App, service: Service) -> None:
    """What was said while the page was cut off comes by its cursor, each event once and in order."""
    page = watched.page
    await app.room("general", ("ann",))
    await inspect(page, app)
    await app.say("general", "before", "ann")
    await expect(page.locator("#events .event")).to_have_count(1, timeout=WAIT_MS)
    async with away(service):
        await expect(page.locator("#state")).not_to_have_text("Live", timeout=WAIT_MS)
    async with public_client(service.url) as http:
        app.http = http
        for number in range(10):
            await app.say("general", f"meanwhile {number}", "ann")
    await expect(page.locator("#events .event")).to_have_count(11, timeout=2 * WAIT_MS)
    shown = await seqs(page)
    assert shown == list(range(shown[0], shown[0] - 11, -1))


async def test_a_token_is_renewed_before_it_ends(watched: Watched, app: App, environment: dict[str, str]) -> None:
    """By another from the dashboard, on the same socket, which goes on past the end of the first."""
    page = watched.page
    await app.room("general", ("ann",))
    key_id, secret = await signing_secret(environment, app)
    now = int(time.time())
    claims = {"iss": app.id, "aud": "roomlog", "sub": "per_00000001", "iat": now, "exp": now + SHORT_S}
    short = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id, "typ": INSPECTOR_TYPE})
    asked: list[str] = []
    heard: list[str] = []

    async def give(route: Route) -> None:
        asked.append(route.request.url)
        # The first one is soon to end, all others are the dashboard's own.
        await (
            route.fulfill(json={"token": short, "expires_at": "2026-01-01"}) if len(asked) == 1 else route.continue_()
        )

    await page.route("**/inspector/token", give)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda payload: heard.append(str(payload))))
    await inspect(page, app)
    async with asyncio.timeout(WAIT_MS / 1000):
        while not any('"type":"authenticated"' in frame for frame in heard) or time.time() < now + SHORT_S + 1:
            await asyncio.sleep(0.1)
    await app.say("general", "after its end", "ann")
    await expect(page.locator("#events .event", has_text="after its end")).to_have_count(1, timeout=WAIT_MS)
    assert len(asked) == 2
    assert sum('"type":"connected"' in frame for frame in heard) == 1
    assert watched.complaints == []


async def test_tokens_that_are_revoked_end_it(watched: Watched, app: App) -> None:
    """The page says so and does not come back by itself; loaded anew it has another one."""
    page = watched.page
    await app.room("general", ("ann",))
    await inspect(page, app)
    await app.ask("POST", "/v1/tokens/revoke", {"all": True})
    await expect(page.locator("#state")).to_contain_text("takes no credential", timeout=WAIT_MS)
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Live", timeout=WAIT_MS)


async def test_what_users_write_runs_no_script(watched: Watched, app: App) -> None:
    """On the inspector and on every page of rooms and users, as name, words, metadata and data; browsers complain of nothing."""
    page = watched.page
    data = {"html": EVIL, EVIL: 1}
    await app.ask("PUT", "/v1/users/ann", {"name": EVIL, "data": data})
    await app.room("general", ("ann",), name=EVIL, data=data)
    await inspect(page, app)
    body = {"parts": [{"type": "text", "text": EVIL}], "metadata": data}
    assert (await app.ask("POST", "/v1/rooms/general/messages", body, user="ann")).status_code == 201
    await app.ask("PATCH", "/v1/rooms/general", {"name": EVIL + EVIL})
    await expect(page.locator("#events .event", has_text="onerror")).to_have_count(2, timeout=WAIT_MS)
    for row in await page.locator("#events summary").all():
        await row.click()
    await expect(page.locator("#events img, #events script")).to_have_count(0)
    for path in ("rooms", "rooms/general", "users", "users/ann"):
        await page.goto(f"/apps/{app.id}/{path}")
        await expect(page.get_by_text("onerror").first).to_be_visible()
        for summary in await page.locator("main summary").all():
            await summary.click()
        await expect(page.locator("main img, main script")).to_have_count(0)
        assert await serious(page) == [], path
    assert watched.complaints == []


async def test_rooms_are_found_as_one_types(watched: Watched, app: App) -> None:
    """With scripts the list follows the field, and the address with it; a page of a room takes in only the part that changes."""
    page = watched.page
    await page.goto(f"/apps/{app.id}/rooms")
    await watched.look("rooms-empty")
    for number in range(3):
        await app.room(f"room-{number}", ("ann",), name=f"Support {number}")
    await app.room("general", ("ann",), name="General", data={"topic": "news"})
    await app.ask("PUT", "/v1/users/ann", {"name": "Ann"})
    message = {"parts": [{"type": "text", "text": "Hello"}, {"type": "url", "url": "https://example.com/a"}]}
    message["metadata"] = {"mood": "good"}
    await app.ask("POST", "/v1/rooms/general/messages", message, user="ann")
    doomed = await app.say("general", "Oops", "ann")
    await app.ask("DELETE", f"/v1/rooms/general/messages/{doomed['id']}", user="ann")
    await page.goto(f"/apps/{app.id}/rooms")
    await watched.look("rooms")
    await expect(page.locator("#found tbody tr")).to_have_count(4)
    await page.get_by_label("Find a room").press_sequentially("Support", delay=20)
    await expect(page.locator("#found tbody tr")).to_have_count(3)
    await expect(page.get_by_label("Find a room")).to_be_focused()
    await expect(page).to_have_url(re.compile(r"\?q=Support$"))
    await page.reload()
    await expect(page.locator("#found tbody tr")).to_have_count(3)
    await page.goto(f"/apps/{app.id}/rooms/general")
    await watched.look("room")
    for number in range(60):
        await app.ask(
            "POST", "/v1/rooms/general/messages", {"parts": [{"type": "text", "text": f"n {number}"}]}, acting="ann"
        )
    await page.reload()
    await page.locator("main").evaluate("main => { main.dataset.kept = 'yes'; }")
    await page.get_by_role("link", name="Older").click()
    await expect(page.get_by_text("The room was made")).to_be_visible()
    assert await page.locator("main").get_attribute("data-kept") == "yes"
    await expect(page).to_have_url(re.compile(r"\?before=\d+$"))
    await page.goto(f"/apps/{app.id}/users")
    await watched.look("users")
    await page.get_by_role("link", name="ann").click()
    await watched.look("user")
    await expect(page.locator("tbody tr")).to_have_count(4)
    assert watched.complaints == []


async def test_without_scripts_rooms_are_found_and_read(app: App, watched: Watched, service: Service) -> None:
    """By the form and plain links; the live pages say that they need scripts, and where to go instead."""
    await app.room("general", ("ann",), name="General")
    await app.room("other", ("ann",), name="Other")
    browser = watched.page.context.browser
    assert browser is not None
    state = await watched.page.context.storage_state()
    base = watched.page.url.partition("/apps")[0]
    plain = await browser.new_context(base_url=base, java_script_enabled=False, storage_state=state)
    page = await plain.new_page()
    await page.goto(f"/apps/{app.id}/rooms")
    await page.get_by_label("Find a room").fill("Gen")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#found tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="general").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("General")
    await page.get_by_role("link", name="Watch it live").click()
    # Told to run no scripts, Chromium still hides what stands there for those that cannot.
    assert "needs scripts" in await page.locator("main noscript").inner_html()
    await page.get_by_role("link", name="Playground").click()
    assert "needs scripts" in await page.locator("main noscript").inner_html()
    await plain.close()
