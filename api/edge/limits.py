"""Limits at the door of REST: taken from before any work is done, and told in each answer that counts.

The header fields are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` tells each limit's quota `q` and the
seconds `w` in which it comes back, `RateLimit` what remains of it (`r`) and in how many seconds (`t`) it is whole again.
"""

from collections.abc import MutableMapping
from math import ceil
from typing import Any

from tenants.budgets import Budget, Budgets, Taken
from tenants.gcra import MICROSECONDS
from tenants.scope import Caller

HEADERS = "limit_headers"
"""Where a request's state keeps them until it is answered."""


async def spend(
    budgets: Budgets, caller: Caller, budget: Budget | None, room: str | None, state: MutableMapping[str, Any]
) -> None:
    """Take a request from its caller's budgets, and from the one of its kind and room; raises `RateLimited`."""
    wanted = [Budget.REQUESTS] if budget is None else [Budget.REQUESTS, budget]
    taken = await budgets.take(caller, *wanted, room=room)
    state[HEADERS] = limit_headers(taken)
    taken.check()


def limit_headers(taken: Taken) -> list[tuple[bytes, bytes]]:
    """Write the header fields that tell of what was taken."""
    policies = [f'"{limit.name}";q={limit.rate.burst};w={_seconds(limit.rate.span_us)}' for limit in taken.limits]
    pairs = zip(taken.limits, taken.verdict.standings, strict=True)
    standings = [f'"{limit.name}";r={standing.remaining};t={_seconds(standing.used_us)}' for limit, standing in pairs]
    return [
        (b"ratelimit-policy", ", ".join(policies).encode()),
        (b"ratelimit", ", ".join(standings).encode()),
    ]


def _seconds(microseconds: int) -> int:
    return ceil(microseconds / MICROSECONDS)
