"""The parts of a process, opened inside the test, with an app of their own."""

from collections.abc import AsyncIterator

import pytest

from tests.support.inside import Inside, inside


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """A process and an app."""
    async with inside(environment) as opened:
        yield opened


@pytest.fixture
async def there(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """Another app, in a process of its own."""
    async with inside(environment) as opened:
        yield opened
