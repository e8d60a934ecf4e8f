"""GCRA: a bucket gives its burst, then what has filled up since, and never more."""

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
