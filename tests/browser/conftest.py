"""A browser, and web pages of other origins for it to open."""

import functools
import http.server
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.world import App

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Serves this folder, and says nothing about it."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


def _origin() -> Iterator[str]:
    handler = functools.partial(_Pages, directory=str(Path(__file__).parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def good_origin() -> Iterator[str]:
    """The origin of a page that the app lists."""
    yield from _origin()


@pytest.fixture
def evil_origin() -> Iterator[str]:
    """The origin of one that it does not list."""
    yield from _origin()


@pytest.fixture
def page_url() -> Callable[..., str]:
    """Spells the page's address, with what it is to follow."""

    def spell(origin: str, app: App, token: str, **more: str) -> str:
        wanted = {"api": app.service.url, "app": app.id, "room": "general", "token": token, **more}
        return f"{origin}/page.html?{urlencode(wanted)}"

    return spell
