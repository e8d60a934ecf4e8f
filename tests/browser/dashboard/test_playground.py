"""The playground in Chromium: two users on the real API, one cut off while the other writes on."""

import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.support.pages import WAIT_MS, Watched, app_of, away, make_app, serious, sign_up
from tests.support.processes import Service


class Side:
    """One of the two, as the page shows it."""

    def __init__(self, page: Page, name: str) -> None:
        self.name = name
        self.pane = page.locator(f'.pane[data-name="{name}"]')
        self.page = page

    async def until_live(self) -> None:
        await expect(self.pane.locator(".state")).to_have_text("Live", timeout=WAIT_MS)

    async def say(self, text: str) -> None:
        await self.pane.get_by_label(f"Message of {self.name}").fill(text)
        await self.pane.get_by_role("button", name="Send", exact=True).click()

    async def cut(self) -> None:
        await self.pane.get_by_role("button", name=f"Cut {self.name}'s connection").click()
        await expect(self.pane.locator(".state")).to_have_text("Cut off")

    async def come_back(self) -> None:
        await self.pane.get_by_role("button", name=f"Bring {self.name} back").click()

    async def heard(self, text: str) -> None:
        await expect(self.lines.filter(has_text=text)).to_have_count(1, timeout=WAIT_MS)

    @property
    def lines(self) -> Locator:
        return self.pane.locator(".line:not(.note):not(.waiting) .bubble")

    async def seqs(self) -> list[int]:
        """Give the seqs of the messages shown, in their order."""
        metas = await self.pane.locator(".line:not(.note):not(.waiting) .meta").all_inner_texts()
        return [int(re.findall(r"seq (\d+)", meta)[0]) for meta in metas]

    async def tally(self) -> tuple[str, str, str]:
        """Give at which seq it stands, and how many events it missed and had twice."""
        return (
            await self.pane.locator(".at").inner_text(),
            await self.pane.locator(".missed").inner_text(),
            await self.pane.locator(".twice").inner_text(),
        )


async def opened(page: Page) -> tuple[Side, Side]:
    await page.get_by_role("link", name="Playground").first.click()
    ann, bob = Side(page, "Ann"), Side(page, "Bob")
    await ann.until_live()
    await bob.until_live()
    return ann, bob


async def test_one_is_cut_off_and_comes_back_without_missing_anything(
    context: BrowserContext, service: Service
) -> None:
    """Each message arrives on the other side; what was said meanwhile is caught up in order, each event once."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await make_app(page, "Try")
    ann, bob = await opened(page)
    await ann.say("Hello, Bob")
    await bob.heard("Hello, Bob")
    await bob.say("Hello, Ann <img src=x onerror=alert(1)>")
    await ann.heard("onerror")
    await expect(bob.pane.locator(".took", has_text=re.compile(r"^\d+ ms$"))).to_have_count(1)
    await watched.look("playground")
    stood = int((await ann.tally())[0])
    await ann.cut()
    for text in ("first", "second", "third"):
        await bob.say(text)
        await bob.heard(text)
    await bob.pane.get_by_role("button", name="Send five messages as Bob").click()
    await bob.heard("Bob, 5 of 5")
    await expect(ann.pane.locator(".news")).to_contain_text("8 events to catch up")
    await expect(ann.lines.filter(has_text="third")).to_have_count(0)
    await ann.say("said while away")
    await expect(ann.pane.locator(".waiting")).to_have_count(1)
    await watched.look("playground-cut")
    await ann.come_back()
    await bob.heard("said while away")
    news = ann.pane.locator(".news")
    await expect(news).to_have_text(
        re.compile(rf"^Resumed at seq {stood}: [89] events caught up in order, none twice\.$"), timeout=WAIT_MS
    )
    await ann.heard("said while away")
    await expect(ann.pane.locator(".waiting")).to_have_count(0)
    await watched.look("playground-back")
    seqs = await ann.seqs()
    assert seqs == sorted(set(seqs)) == await bob.seqs()
    assert await ann.tally() == await bob.tally() == (str(stood + 9), "0", "0")
    await expect(ann.pane.locator(".read")).to_have_text(str(stood + 9), timeout=WAIT_MS)
    await ann.pane.get_by_text("What goes over the wire").click()
    wire = await ann.pane.locator(".frames").inner_text()
    assert '"op":"auth","token":"…"' in wire
    assert '"op":"subscribe"' in wire
    assert "eyJ" not in wire
    assert await serious(page) == []
    assert watched.complaints == []


async def test_a_server_that_goes_and_comes_back_is_a_delay_and_nothing_else(
    context: BrowserContext, service: Service
) -> None:
    """Both sides say that they are coming back, do so by themselves, and go on where they were."""
    page = (watched := Watched(await context.new_page())).page
    await sign_up(page)
    await make_app(page, "Try")
    ann, bob = await opened(page)
    await ann.say("before")
    await bob.heard("before")
    async with away(service):
        await expect(ann.pane.locator(".state")).to_contain_text(re.compile("Coming back|Connecting"), timeout=WAIT_MS)
        await ann.say("said to nobody yet")
    await bob.heard("said to nobody yet")
    await ann.until_live()
    assert await ann.seqs() == await bob.seqs()
    assert (await ann.tally())[1:] == (await bob.tally())[1:] == ("0", "0")
    assert [said for said in watched.complaints if "ERR_CONNECTION" not in said and "WebSocket" not in said] == []


async def test_a_live_app_is_left_alone(context: BrowserContext) -> None:
    """Its page says why, and leads to where a test app is made."""
    watched = Watched(await context.new_page())
    page = watched.page
    await sign_up(page)
    await page.goto("/apps/new")
    await page.get_by_label("Name").fill("For real")
    await page.get_by_label("Live").check()
    await page.get_by_role("button", name="Create app").click()
    await page.wait_for_url("**/apps/app_*")
    await page.get_by_role("link", name="Playground").first.click()
    await expect(page.get_by_text("Not in a live app")).to_be_visible()
    await watched.look("playground-live")
    await page.get_by_role("link", name="Make a test app").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("New app")
    assert watched.complaints == []


@pytest.mark.parametrize("ending", ["revoked", "deleted"])
async def test_what_ends_is_said_to_have_ended(context: BrowserContext, service: Service, ending: str) -> None:
    """A page whose app is deleted tells so and stops; one whose tokens are revoked does not go on with them."""
    page = await context.new_page()
    await sign_up(page)
    await make_app(page, "Try")
    app = app_of(page)
    ann, _ = await opened(page)
    other = await context.new_page()
    if ending == "deleted":
        await other.goto(f"/apps/{app}/delete")
        await other.get_by_label("Type the app's name").fill("Try")
        await other.get_by_role("button", name="Delete for good").click()
        await expect(ann.pane.locator(".state")).to_contain_text("The app is gone", timeout=WAIT_MS)
    else:
        await other.goto(f"/apps/{app}/signing")
        await other.get_by_role("button", name="Create signing key").click()
        await other.get_by_role("link", name="Retire").first.click()
        await other.get_by_role("button", name="Retire").click()
        await expect(ann.pane.locator(".state")).to_contain_text("takes no credential", timeout=WAIT_MS)
        # With another token, signed by the key that is there now, it goes on.
        await ann.come_back()
        await ann.until_live()
