"""GCRA: a bucket as one number, the moment at which it is full again; in whole microseconds, so that nothing is rounded.

A bucket of `burst` fills up by one every interval. All that is taken from it moves that moment by an interval each, and
nothing may move it further away than a whole bucket takes to fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: in the long run `per_s` times a second, at once `burst` times."""

    per_s: float
    burst: int

    @property
    def interval_us(self) -> int:
        """In how long the bucket fills up by one."""
        return max(1, round(MICROSECONDS / self.per_s))

    @property
    def span_us(self) -> int:
        """In how long an empty bucket is full again."""
        return self.burst * self.interval_us


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
    standings: tuple[Standing, ...]

    @property
    def wait_s(self) -> float:
        """In how long it is worth asking again."""
        return max((standing.wait_us for standing in self.standings), default=0) / MICROSECONDS


def judge(rates: Sequence[Rate], full_at: Sequence[int], now_us: int) -> Verdict:
    """Take one from each bucket if all have one; `full_at` says when each would be full.

    A moment further away than a whole bucket takes, as after a clock went back or a rate was changed, counts as that.
    """
    standings = tuple(
        Standing(rate, min(max(moment - now_us, 0), rate.span_us)) for rate, moment in zip(rates, full_at, strict=True)
    )
    if any(standing.is_empty for standing in standings):
        return Verdict(is_allowed=False, standings=standings)
    taken = (Standing(standing.rate, standing.used_us + standing.rate.interval_us) for standing in standings)
    return Verdict(is_allowed=True, standings=tuple(taken))
