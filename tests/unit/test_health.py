"""LIVE takes every sign; a stale audit serves nobody."""

import itertools

from api.tails.health import Mode, Signs, interval_s, is_stale, mode


def test_one_missing_sign_degrades() -> None:
    """Only a process that hears itself, has everything confirmed and has verified since, is live."""
    for signs in itertools.product((True, False), repeat=3):
        assert (mode(Signs(*signs)) is Mode.LIVE) == all(signs)


def test_a_degraded_process_looks_more_often() -> None:
    """It delivers by looking."""
    assert interval_s(Mode.DEGRADED) < 0.15 < interval_s(Mode.LIVE) <= 0.4


def test_after_two_seconds_the_audit_is_stale() -> None:
    """A process that cannot know who was removed holds its delivery."""
    assert not is_stale(1.9)
    assert is_stale(2.1)
    assert is_stale(float("inf"))
