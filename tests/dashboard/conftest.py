"""A service with a dashboard, and people who use it."""

from collections.abc import Iterator

import pytest

from tests.support.dashboard import Browser
from tests.support.processes import Service, free_port, running_service


@pytest.fixture(scope="module")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service with its third listener; it writes its mails into the log."""
    more = {
        "ROOMLOG_DASHBOARD_PORT": str(free_port()),
        "ROOMLOG_LOG_LEVEL": "info",
        # Each browser says of itself from where it comes, so that one test does not use up another's tries.
        "ROOMLOG_TRUSTED_PROXIES": "127.0.0.0/8",
    }
    with running_service(environment | more, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture
async def owner(service: Service) -> Browser:
    """The owner of a new organisation, signed in."""
    browser = Browser(service)
    await browser.sign_up()
    assert (await browser.sign_in()).status_code == 303
    return browser
