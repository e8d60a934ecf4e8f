"""The pytest plugin, there as soon as `roomlog[testing]` is installed: the fixture `chat_server`."""

from collections.abc import Iterator

import pytest

from roomlog.testing.server import ChatServer, running_chat_server

_RUNNING: pytest.StashKey[ChatServer] = pytest.StashKey()


@pytest.fixture(scope="session")
def chat_server(request: pytest.FixtureRequest) -> Iterator[ChatServer]:
    """Run a Roomlog server for this session, one for each worker of pytest-xdist. Tests share it: let each make its own rooms."""
    with running_chat_server() as server:
        request.config.stash[_RUNNING] = server
        yield server
        del request.config.stash[_RUNNING]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the server up and its network well, whatever the test before has done to it."""
    server = item.config.stash.get(_RUNNING, None)
    if server is not None and "chat_server" in getattr(item, "fixturenames", ()):
        server.heal()
