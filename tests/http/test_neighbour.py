"""An app at ten times its limit, beside one that keeps to its own."""

from tests.speed.neighbour import beside_flood, count_messages, send_steadily
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.world import new_app


async def test_who_goes_beyond_a_limit_is_refused_and_a_neighbour_is_not(service: Service) -> None:
    """A has what its limit allows and no more; B has every message acked; both have what was acked, and nothing else."""
    async with public_client(service.url) as http:
        steady = await new_app(service, http)
        await steady.room("r", ("ann",))
        alone = await send_steadily(steady, 1.0)
        assert await beside_flood(service, http, steady, 2.0, alone) == []
        assert await count_messages(steady) == len(alone) * 3
