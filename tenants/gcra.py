"""GCRA: a bucket as one number, the moment at which it is full again; in whole microseconds, so that nothing is rounded.

A bucket of `burst` fills up by one every interval. All that is taken from it moves that moment by an interval each, and
nothing may move it further away than a whole bucket takes to fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: in the long run `per_s` times a second, at once `burst` times."""

    per_s: float
    burst: int
    interval_us: int = field(init=False, compare=False)
    """In how long the bucket fills up by one."""
    span_us: int = field(init=False, compare=False)
    """In how long an empty bucket is full again."""

    def __post_init__(self) -> None:
        """Work out what every check asks for."""
        interval_us = max(1, round(MICROSECONDS / self.per_s))
        object.__setattr__(self, "interval_us", interval_us)
        object.__setattr__(self, "span_us", self.burst * interval_us)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bucket stands: how long it takes until it is full again."""

    rate: Rate
    used_us: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken from it."""
        return self.used_us + self.rate.interval_us > self.rate.span_us

    @property
    def remaining(self) -> int:
        """How often something can be taken at once."""
        return (self.rate.span_us - self.used_us) // self.rate.interval_us

    @property
    def wait_us(self) -> int:
        """In how long something can be taken."""
        return max(0, self.used_us + self.rate.interval_us - self.rate.span_us)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one was taken from every bucket, else from none; and where they stand then."""

    is_allowed: bool
    rates: Sequence[Rate]
    used_us: Sequence[int]
    """Of each bucket: how long it takes until it is full again."""

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Give where each bucket stands."""
        return tuple(Standing(rate, used_us) for rate, used_us in zip(self.rates, self.used_us, strict=True))

    @property
    def wait_s(self) -> float:
        """In how long it is worth asking again."""
        return max((standing.wait_us for standing in self.standings), default=0) / MICROSECONDS


def judge(rates: Sequence[Rate], full_at: Sequence[int], now_us: int) -> Verdict:
    """Take one from each bucket if all have one; `full_at` says when each would be full.

    A moment further away than a whole bucket takes, as after a clock went back or a rate was changed, counts as that.
    """
    used = [min(max(moment - now_us, 0), rate.span_us) for rate, moment in zip(rates, full_at, strict=True)]
    taken = [used_us + rate.interval_us for rate, used_us in zip(rates, used, strict=True)]
    is_allowed = all(used_us <= rate.span_us for rate, used_us in zip(rates, taken, strict=True))
    return Verdict(is_allowed, rates, taken if is_allowed else used)
