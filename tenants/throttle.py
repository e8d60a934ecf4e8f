"""Throttle: whoever tries passwords, codes and links waits longer from try to try, by account and by network address.

Each has a few tries at once, then one in a few seconds, then one a minute, and at last one in five minutes; never none. With
time all of it comes back. An address that is refused takes nothing from the account that it asked for, and nothing tells
whether there is such an account.
"""

from enum import StrEnum

from tenants.channels import account_limit, address_limit
from tenants.errors import RateLimited
from tenants.gcra import Rate
from tenants.limits import Limit, Limits
from tenants.sources import network_of

ACCOUNT = (Rate(1 / 10, 5), Rate(1 / 60, 10), Rate(1 / 300, 20))
"""From the first to the last: when the smaller buckets are empty, the next one sets the pace."""
ADDRESS = (Rate(1 / 2, 30), Rate(1 / 20, 100), Rate(1 / 60, 300))
"""A whole office may stand behind one address."""
SENTENCE = "Too many tries; try again later."


class Door(StrEnum):
    """What is tried; each counts for itself."""

    SIGN_IN = "sign_in"
    SIGN_UP = "sign_up"
    CODE = "code"
    """The code of a second factor, and the password where it is asked for once more."""
    RESET = "reset"
    INVITE = "invite"
    REFUSED = "refused"
    """What somebody asked for who may not: nobody waits for this one, it bounds what is noted of it."""


async def check(limits: Limits, address: str, email: str | None, door: Door = Door.SIGN_IN) -> None:
    """Count a try before it is made, whether or not it will succeed; raises `RateLimited` with the time to wait.

    Without `email` only the address counts, as for a link that names nobody.
    """
    source = network_of(address)
    await _take(
        limits,
        [Limit(door, address_limit(source, f"throttle:{door}:{step}"), rate) for step, rate in enumerate(ADDRESS)],
    )
    if email is not None:
        account = email.strip().lower()
        await _take(
            limits,
            [Limit(door, account_limit(account, f"{door}:{step}"), rate) for step, rate in enumerate(ACCOUNT)],
        )


async def _take(limits: Limits, buckets: list[Limit]) -> None:
    verdict = await limits.take(buckets)
    if not verdict.is_allowed:
        raise RateLimited(SENTENCE, retry_after_s=verdict.wait_s)
