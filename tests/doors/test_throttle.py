"""The throttle on a real Redis: delays that grow, for accounts and for addresses, and never for good."""

import asyncio
import ipaddress
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from api.embedded import Servers
from tenants import limits as limits_module
from tenants.errors import RateLimited
from tenants.limits import Limits
from tenants.pubsub import PubSub
from tenants.throttle import ACCOUNT, ADDRESS, Door, check
from tests.support.people import new_email

MICROSECONDS = 1_000_000
A_LITTLE_S = 0.5
"""What a busy machine may take between two tries."""


PASS = """
for _, key in ipairs(redis.call('KEYS', 'rl1:limit:*')) do
  redis.call('SET', key, string.format('%.0f', redis.call('GET', key) - ARGV[1]), 'KEEPTTL')
end
"""


class Time:
    """Lets time pass in every bucket, in Redis and in the process's own count."""

    def __init__(self, client: Redis, limits: Limits) -> None:
        self._client = client
        self._limits = limits

    async def pass_by(self, seconds: float) -> None:
        past = round(seconds * MICROSECONDS)
        await self._client.eval(PASS, 0, past)
        own = self._limits._own._full_at
        for name in own:
            own[name] -= past


@pytest.fixture
async def client(stores: Servers) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.redis_url) as opened:
        yield opened


@pytest.fixture
async def limits(stores: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limits]:
    monkeypatch.setattr(limits_module, "TIMEOUT_S", 10.0)
    async with PubSub.open(stores.redis_url) as pubsub:
        made = Limits(pubsub)
        running = asyncio.create_task(made.run())
        yield made
        running.cancel()


def new_address() -> str:
    return str(ipaddress.IPv4Address(0x0A000000 + secrets.randbits(24)))


async def wait_s(limits: Limits, address: str, email: str | None, door: Door = Door.SIGN_IN) -> float:
    """Try once; gives how long to wait, 0 if the try was let through."""
    try:
        await check(limits, address, email, door)
    except RateLimited as refused:
        assert refused.retry_after_s is not None
        return refused.retry_after_s
    return 0.0


async def delays(limits: Limits, time: Time, tries: int, who: Callable[[], tuple[str, str | None]]) -> list[float]:
    """Try as often as one is let to; gives how long each try had to wait. Who has waited is let through."""
    found: list[float] = []
    for _ in range(tries):
        wait = await wait_s(limits, *who())
        if wait:
            # A clock that is set meanwhile must not decide.
            await time.pass_by(wait + 0.01)
            assert await wait_s(limits, *who()) == 0
        found.append(wait)
    return found


async def test_an_account_is_tried_slower_and_slower(limits: Limits, client: Redis) -> None:
    """Five times at once, then every ten seconds, every minute, every five: from whatever addresses, and never not at all."""
    email = new_email()
    time = Time(client, limits)
    found = await delays(limits, time, 60, lambda: (new_address(), email))
    assert found[: ACCOUNT[0].burst] == [0.0] * ACCOUNT[0].burst
    waited = found[ACCOUNT[0].burst :]
    paces = [1 / rate.per_s for rate in ACCOUNT]
    assert (ACCOUNT[0].burst, paces) == (5, [10, 60, 300])
    reached = [max(pace for pace in (0.0, *paces) if wait > pace - 2 * A_LITTLE_S - 1) for wait in waited]
    assert set(reached) >= set(paces)
    assert max(found) <= paces[-1]
    assert min(waited[-20:]) > paces[-1] - A_LITTLE_S
    assert await wait_s(limits, new_address(), email.upper()) > paces[-1] - A_LITTLE_S
    assert await wait_s(limits, new_address(), new_email()) == 0


async def test_an_address_is_let_try_slower_and_slower(limits: Limits, client: Redis) -> None:
    """Whatever accounts it asks for, and without any; a network of IPv6 counts as one, another address goes on."""
    address = new_address()
    time = Time(client, limits)
    burst = ADDRESS[0].burst
    found = await delays(limits, time, burst, lambda: (address, None))
    assert found == [0.0] * burst
    assert 0 < await wait_s(limits, address, new_email()) <= 1 / ADDRESS[-1].per_s
    assert await wait_s(limits, new_address(), new_email()) == 0
    network = f"2001:db8:{secrets.randbits(16):x}:{secrets.randbits(16):x}"
    hosts = iter(range(1, 1_000))
    assert await delays(limits, time, burst, lambda: (f"{network}::{next(hosts):x}", None)) == [0.0] * burst
    assert await wait_s(limits, f"{network}::ffff", None) > 0
    rest = await delays(limits, time, 450, lambda: (address, None))
    assert max(rest) <= 1 / ADDRESS[-1].per_s
    assert rest[-1] > 1 / ADDRESS[-1].per_s - A_LITTLE_S


async def test_an_address_that_is_refused_takes_nothing_from_the_account(limits: Limits) -> None:
    """One machine alone cannot hold up whoever has the account for longer than it is let try."""
    address, email = new_address(), new_email()
    for _ in range(ADDRESS[0].burst):
        assert await wait_s(limits, address, None) == 0
    for _ in range(50):
        assert await wait_s(limits, address, email) > 0
    assert [await wait_s(limits, new_address(), email) for _ in range(ACCOUNT[0].burst)] == [0.0] * ACCOUNT[0].burst


async def test_with_time_all_of_it_comes_back(limits: Limits, client: Redis) -> None:
    """A day after the last of many tries an account is tried as if for the first time."""
    email = new_email()
    time = Time(client, limits)
    await delays(limits, time, 60, lambda: (new_address(), email))
    await time.pass_by(86_400)
    for _ in range(ACCOUNT[0].burst):
        assert await wait_s(limits, new_address(), email) == 0
    assert 0 < await wait_s(limits, new_address(), email) <= 1 / ACCOUNT[0].per_s


async def test_each_door_counts_for_itself(limits: Limits) -> None:
    """Who has tried too many passwords may ask for a reset."""
    email = new_email()
    for door in Door:
        tries = [await wait_s(limits, new_address(), email, door) for _ in range(ACCOUNT[0].burst + 1)]
        assert tries[:-1] == [0.0] * ACCOUNT[0].burst
        assert tries[-1] > 0


@pytest.mark.parametrize("email", ["", "\x00", "\ud800", "x" * 100_000, "{=a}:b", "*"])
async def test_any_text_can_be_tried(limits: Limits, email: str) -> None:
    """What is no address is counted too, and bends no name."""
    email += secrets.token_hex(4)
    tries = [await wait_s(limits, new_address(), email) for _ in range(ACCOUNT[0].burst + 1)]
    assert [wait > 0 for wait in tries] == [False] * ACCOUNT[0].burst + [True]
