"""A service with a dashboard, and a window at it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.support.dashboard import dashboard_url
from tests.support.processes import Service, free_port, running_service


@pytest.fixture(scope="session")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service with a dashboard, which writes its mails into the log."""
    more = {"ROOMLOG_DASHBOARD_PORT": str(free_port()), "ROOMLOG_LOG_LEVEL": "info"}
    with running_service(environment | more, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture
async def context(browser: Browser, service: Service) -> AsyncIterator[BrowserContext]:
    """A browser's window of its own, at the dashboard."""
    context = await browser.new_context(
        base_url=dashboard_url(service), permissions=["clipboard-read", "clipboard-write"]
    )
    yield context
    await context.close()
