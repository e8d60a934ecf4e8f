"""Subscribers that stop reading."""

import pytest

from tests.endurance.stuck import get_stuck
from tests.support.processes import Service
from tests.support.world import World


# It waits for the service's own patience, 30 s: what is promised is what becomes of a client after just that.
@pytest.mark.timeout(150)
async def test_who_stops_reading_is_let_go_and_misses_nothing(service: Service, world: World) -> None:
    """Closed with 4408 or cut off, counted, little held for it meanwhile; back with its cursor it has every event once."""
    seen = await get_stuck(service, world.app, stuck=2, others=2, alone=5)
    assert seen.closed_slow == 2
    # The farewell stands behind all that was not read; who reads at last may find it, or the end.
    assert set(seen.codes) <= {4408, None}
    assert seen.missed == 0
    assert seen.rss_most - seen.rss_before < 100
    assert len(seen.beside_s) > 100
