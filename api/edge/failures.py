"""Failures: how often an address may come with a credential that does not hold, or with none."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tenants.authority import Authority, Credentialed
from tenants.channels import address_limit
from tenants.errors import RateLimited, Unauthenticated
from tenants.gcra import Rate
from tenants.limits import Limit, Limits
from tenants.sources import network_of

NAME = "address_failures"
MINUTE_S = 60
MAX_BARRED = 50_000


class Failures:
    """Authenticates, and bars addresses that fail too often from trying credentials that this process does not know.

    Whoever shares such an address and has a credential that was good a moment ago notices nothing.
    """

    def __init__(self, authority: Authority, limits: Limits, per_minute: int) -> None:
        """Ask `authority`; count by `limits`."""
        self._authority = authority
        self._limits = limits
        self._rate = Rate(per_minute / MINUTE_S, per_minute)
        self._barred: OrderedDict[str, float] = OrderedDict()
        self.refused = 0

    async def authenticate(self, credential: str | None, address: str) -> Credentialed:
        """Say for whom a credential speaks; raises `Unauthenticated`, `RateLimited`, or `Unavailable`.

        An address that is barred is refused before its credential is looked at.
        """
        if credential is not None and self._authority.remembers(credential):
            return await self._authority.authenticate(credential)
        async with self.watching(address):
            if credential is None:
                raise Unauthenticated
            return await self._authority.authenticate(credential)

    @asynccontextmanager
    async def watching(self, address: str) -> AsyncGenerator[None]:
        """Count `Unauthenticated` raised in here as a failure; raises `RateLimited` at once in a barred address's name."""
        source = network_of(address)
        wait_s = self._barred.get(source, 0.0) - asyncio.get_running_loop().time()
        if wait_s > 0:
            self.refused += 1
            raise RateLimited(f"Exhausted: {NAME}.", retry_after_s=wait_s)
        try:
            yield
        except Unauthenticated:
            await self._count(source)
            raise

    async def _count(self, source: str) -> None:
        verdict = await self._limits.take([Limit(NAME, address_limit(source, NAME), self._rate)])
        if verdict.is_allowed:
            return
        self._barred[source] = asyncio.get_running_loop().time() + verdict.wait_s
        self._barred.move_to_end(source)
        if len(self._barred) > MAX_BARRED:
            self._barred.popitem(last=False)
        self.refused += 1
        raise RateLimited(f"Exhausted: {NAME}.", retry_after_s=verdict.wait_s)
