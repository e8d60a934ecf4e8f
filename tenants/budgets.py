"""Budgets: what an app and each of its users may do how often, by the app's policy; defaults for what it does not name."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec
import structlog

from tenants.channels import app_limit, room_limit, user_limit
from tenants.errors import QuotaExceeded, RateLimited, Unauthenticated
from tenants.gcra import Rate, Verdict
from tenants.limits import Limit, Limits
from tenants.policies import Policies
from tenants.scope import Caller
from tenants.usage import Usage

Often = Annotated[float, msgspec.Meta(ge=0.001, le=1_000_000)]
Many = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]

MAX_REMEMBERED = 20_000
"""Callers' limits that are kept put together; past it, the oldest are put together anew."""

log = structlog.get_logger()


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often: in the long run `per_s` times a second, at once `burst` times."""

    per_s: Often
    burst: Many


class Allowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All limits and quotas of an app; those of users hold for each user by itself, those of rooms for each room."""

    app_requests: Allowed = Allowed(1_000, 2_000)
    user_requests: Allowed = Allowed(50, 200)
    app_sends: Allowed = Allowed(500, 1_000)
    user_sends: Allowed = Allowed(10, 50)
    room_sends: Allowed = Allowed(100, 500)
    """Of all users together, and of the app's keys."""
    app_openings: Allowed = Allowed(500, 5_000)
    user_openings: Allowed = Allowed(2, 60)
    app_tokens: Allowed = Allowed(50, 500)
    app_connections: Amount = 20_000
    """Open at once, at each process; so are the next."""
    user_connections: Amount = 200
    rooms: Amount = 1_000_000
    room_members: Amount = 20_000
    stored_bytes: Amount = 100 * 2**30


class OwnLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a tenant sets by itself: for each of its users and rooms, and only lower than its operator does; None is not set."""

    user_requests: Allowed | None = None
    user_sends: Allowed | None = None
    user_openings: Allowed | None = None
    room_sends: Allowed | None = None
    user_connections: Amount | None = None
    room_members: Amount | None = None


Limiting = TypeVar("Limiting", Allowance, OwnLimits)


class Budget(StrEnum):
    """What is counted, for an app, for each user's token and for each room; an API key takes from no user's budget."""

    REQUESTS = "requests"
    """Everything asked for by REST."""
    SENDS = "sends"
    """Messages sent, edited and deleted, by REST or on a socket."""
    OPENINGS = "openings"
    """Sockets, streams and polls begun."""
    TOKENS = "tokens"
    """Tokens issued."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a check came to, limit by limit."""

    limits: tuple[Limit, ...]
    verdict: Verdict

    def check(self) -> None:
        """Raise `RateLimited`, naming the limits that are exhausted, if the check failed."""
        if self.verdict.is_allowed:
            return
        pairs = zip(self.limits, self.verdict.standings, strict=True)
        names = [limit.name for limit, standing in pairs if standing.is_empty]
        raise RateLimited(f"Exhausted: {', '.join(names)}.", retry_after_s=self.verdict.wait_s)


class Budgets:
    """Takes from the budgets of callers."""

    def __init__(self, limits: Limits, policies: Policies, usage: Usage) -> None:
        """Count by `limits` what `policies` allow, and measure by `usage`."""
        self._limits = limits
        self._policies = policies
        self._usage = usage
        self._remembered: dict[tuple[object, ...], tuple[Allowance, tuple[Limit, ...]]] = {}

    async def take(self, caller: Caller, *budgets: Budget, room: str | None = None) -> Taken:
        """Take one from each of these budgets of the caller's app and user, and of the room that it is about, or from none.

        Raises `Unauthenticated` if the app is gone, `QuotaExceeded` for a send of one that stores too much already, and
        `Unavailable`.
        """
        allowance = await self.allowance(caller)
        if Budget.SENDS in budgets and self._usage.stored_bytes(caller.scope) >= allowance.stored_bytes:
            raise QuotaExceeded("stored_bytes")
        limits = self._limits_of(caller, allowance, budgets, room)
        return Taken(limits, await self._limits.take(limits))

    def _limits_of(
        self, caller: Caller, allowance: Allowance, budgets: Sequence[Budget], room: str | None
    ) -> tuple[Limit, ...]:
        """Give the limits of a check, from memory while the app's allowance is the same: they are asked for with every send."""
        user = None if caller.user is None or caller.is_server else caller.user.number
        key = (caller.scope.app, user, budgets, room)
        known = self._remembered.get(key)
        if known is None or known[0] is not allowance:
            known = self._remembered[key] = (allowance, _limits(caller, allowance, budgets, room))
            if len(self._remembered) > MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        return known[1]

    async def check_room(self, caller: Caller, members: int) -> None:
        """Raise `QuotaExceeded` if the app may have no further room, or none with so many members.

        Processes that make rooms at the same moment may together go beyond the quota by as many.
        """
        allowance = await self.allowance(caller)
        if members > allowance.room_members:
            raise QuotaExceeded("room_members")
        if await self._usage.rooms(caller.scope, allowance.rooms) >= allowance.rooms:
            raise QuotaExceeded("rooms")

    async def check_members(self, caller: Caller, members: int) -> None:
        """Raise `QuotaExceeded` if a room may not have so many members."""
        if members > (await self.allowance(caller)).room_members:
            raise QuotaExceeded("room_members")

    async def allowance(self, caller: Caller) -> Allowance:
        """Give what the caller's app may do; raises `Unauthenticated` if it is gone, and `Unavailable`."""
        policy = await self._policies.of(caller.scope.app)
        if policy is None:
            raise Unauthenticated
        return read_allowance(policy.limits, policy.own_limits)


@lru_cache(maxsize=10_000)
def read_allowance(limits: str, own_limits: str = "{}") -> Allowance:
    """Read the limits of a policy: of each the operator's or the tenant's own, whichever is lower.

    Of what this version cannot read, the defaults hold.
    """
    allowance, own = _read(limits, Allowance), _read(own_limits, OwnLimits)
    lowered: dict[str, Allowed | int] = {}
    for name in own.__struct_fields__:
        given, wished = getattr(allowance, name), getattr(own, name)
        if isinstance(wished, Allowed):
            lowered[name] = Allowed(min(given.per_s, wished.per_s), min(given.burst, wished.burst))
        elif wished is not None:
            lowered[name] = min(given, wished)
    return msgspec.structs.replace(allowance, **lowered)


def read_own_limits(own_limits: str) -> OwnLimits:
    """Read what a tenant has set by itself."""
    return _read(own_limits, OwnLimits)


def _read(text: str, kind: type[Limiting]) -> Limiting:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        log.warning("limits_unreadable", error=str(error))
        return kind()


def _limits(caller: Caller, allowance: Allowance, budgets: Sequence[Budget], room: str | None) -> tuple[Limit, ...]:
    app = caller.scope.app
    found: list[Limit] = []
    for budget in budgets:
        name = f"app_{budget}"
        found.append(Limit(name, app_limit(app, name), _rate(getattr(allowance, name))))
        of_user: Allowed | None = getattr(allowance, f"user_{budget}", None)
        if of_user is not None and caller.user is not None and not caller.is_server:
            name = f"user_{budget}"
            found.append(Limit(name, user_limit(app, caller.user.number, name), _rate(of_user)))
        of_room: Allowed | None = getattr(allowance, f"room_{budget}", None)
        if of_room is not None and room is not None:
            name = f"room_{budget}"
            found.append(Limit(name, room_limit(app, room, name), _rate(of_room)))
    return tuple(found)


def _rate(allowed: Allowed) -> Rate:
    return Rate(allowed.per_s, allowed.burst)
