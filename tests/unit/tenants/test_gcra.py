"""GCRA: a bucket gives its burst, then what has filled up since, and never more."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tenants.gcra import MICROSECONDS, Rate, judge

RATES = st.builds(Rate, st.floats(0.01, 1_000_000), st.integers(1, 10_000))
NOW = 1_800_000_000 * MICROSECONDS


@given(RATES)
def test_a_full_bucket_gives_exactly_its_burst(rate: Rate) -> None:
    """At one moment the burst is let through, told one by one, and then nothing more."""
    rate = Rate(rate.per_s, min(rate.burst, 50))
    full_at = 0
    for left in reversed(range(rate.burst)):
        verdict = judge([rate], [full_at], NOW)
        assert verdict.is_allowed
        assert verdict.standings[0].remaining == left
        full_at = NOW + verdict.standings[0].used_us
    refused = judge([rate], [full_at], NOW)
    assert not refused.is_allowed
    assert refused.wait_s > 0


@given(RATES, st.lists(st.integers(0, 5 * MICROSECONDS), min_size=1, max_size=50))
def test_no_stretch_of_time_has_more_than_the_burst_and_what_fills_up_in_it(rate: Rate, pauses: list[int]) -> None:
    """However the takings are spread, from any moment on no more come through than the limit says."""
    now_us, full_at, taken = NOW, 0, []
    for pause_us in pauses:
        now_us += pause_us
        verdict = judge([rate], [full_at], now_us)
        if verdict.is_allowed:
            taken.append(now_us)
            full_at = now_us + verdict.standings[0].used_us
        else:
            # What it says to wait is just enough, and a microsecond less is not.
            assert judge([rate], [full_at], now_us + verdict.standings[0].wait_us).is_allowed
            assert not judge([rate], [full_at], now_us + verdict.standings[0].wait_us - 1).is_allowed
    for index, begin in enumerate(taken):
        for count, end in enumerate(taken[index:], start=1):
            assert count <= rate.burst + (end - begin) / rate.interval_us


class Bucket:
    """The same limit as people think of it, in exact fractions: so much is in it, and fills up with time."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.level = Fraction(rate.burst)

    def wait(self, passed_us: int) -> None:
        self.level = min(Fraction(self.rate.burst), self.level + Fraction(passed_us, self.rate.interval_us))

    @property
    def wait_us(self) -> Fraction:
        """Until there is one to take."""
        return max(Fraction(0), (1 - self.level) * self.rate.interval_us)


CHECKS = st.tuples(st.integers(0, 3 * MICROSECONDS), st.sets(st.integers(0, 2), min_size=1))


@given(st.lists(RATES, min_size=3, max_size=3), st.lists(CHECKS, max_size=40))
def test_it_is_a_bucket_that_fills_up_to_the_last_fraction(
    rates: list[Rate], checks: list[tuple[int, set[int]]]
) -> None:
    """Whichever buckets are asked for at which moments: allowed if each has one, and all of them stand as they would."""
    buckets, full_at, now_us = [Bucket(rate) for rate in rates], [0] * 3, NOW
    for passed_us, chosen in checks:
        now_us += passed_us
        for bucket in buckets:
            bucket.wait(passed_us)
        verdict = judge([rates[index] for index in chosen], [full_at[index] for index in chosen], now_us)
        assert verdict.is_allowed is all(buckets[index].level >= 1 for index in chosen)
        for index, standing in zip(chosen, verdict.standings, strict=True):
            buckets[index].level -= verdict.is_allowed
            full_at[index] = now_us + standing.used_us if verdict.is_allowed else full_at[index]
            assert standing.remaining == buckets[index].level // 1
            assert standing.wait_us == buckets[index].wait_us


def test_one_empty_bucket_leaves_the_others_untouched() -> None:
    """All or none: what one limit refuses is not taken from another."""
    generous, strict = Rate(10, 10), Rate(1, 1)
    first = judge([generous, strict], [0, 0], NOW)
    full_at = [NOW + standing.used_us for standing in first.standings]
    second = judge([generous, strict], full_at, NOW)
    assert first.is_allowed
    assert not second.is_allowed
    assert [standing.used_us for standing in second.standings] == [standing.used_us for standing in first.standings]
    assert second.wait_s == 1


def test_a_clock_that_went_back_costs_a_bucket_at_most() -> None:
    """A moment in the far future, left by a clock that was wrong, holds nobody up for longer than a bucket takes."""
    rate = Rate(10, 20)
    verdict = judge([rate], [NOW + 10**12], NOW)
    assert not verdict.is_allowed
    assert verdict.wait_s == 0.1
