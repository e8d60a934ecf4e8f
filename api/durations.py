"""Durations: how long something took, counted in buckets. Pure, and cheap enough for every item of a batch."""

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Durations:
    """A histogram that grows by one place of a list for each observation."""

    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds_s: Sequence[float] = BOUNDS_S) -> None:
        """Count from zero, in buckets that end at `bounds_s` and one beyond."""
        self.bounds = tuple(bounds_s)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, duration_s)] += 1
        self.sum_s += duration_s

    def cumulated(self) -> list[tuple[str, float]]:
        """Give each bound as Prometheus writes it, with the number of durations up to it; the last one is all."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets

    def plus(self, other: "Durations") -> "Durations":
        """Give both together; their bounds must be the same."""
        both = Durations(self.bounds)
        both.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        both.sum_s = self.sum_s + other.sum_s
        return both
