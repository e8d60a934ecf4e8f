"""Processes that go, and clients that are asked to move."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.subscriptions.connections import SPREAD
from tests.endurance.rolling import roll_over
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.world import new_app

DRAIN_S = 5
DELAY_S = 1
SOCKETS = 60


@pytest.fixture
def three(environment: dict[str, str], tmp_path: Path) -> Iterator[list[Service]]:
    """Three processes that give their clients a few seconds to move."""
    settings = {**environment, "ROOMLOG_DRAIN_S": str(DRAIN_S), "ROOMLOG_DRAIN_DELAY_S": str(DELAY_S)}
    services = [Service(settings, tmp_path / f"log-{number}") for number in range(3)]
    try:
        for service in services:
            service.spawn()
            service.await_ready()
        yield services
    finally:
        for service in services:
            if service.process is not None:
                service.end(9)  # type: ignore[arg-type]


@pytest.mark.timeout(300)
async def test_a_rolling_restart_is_not_noticed(three: list[Service]) -> None:
    """Three processes are restarted one after the other: nobody misses anything, and nobody returns in a crowd."""
    async with public_client(three[0].url) as http:
        app = await new_app(three[0], http)
        roll = await roll_over(three, app, sockets=SOCKETS, drain_delay_s=DELAY_S)
    assert roll.breaks == []
    assert roll.resets == 0
    assert roll.unasked == 0
    assert len(roll.moves) >= SOCKETS
    # The machine may hold somebody up; the figure itself is for the long form.
    assert roll.peak_over_average(DRAIN_S * SPREAD) <= 3
