"""Between the password and the code."""

import pytest

from api.dashboard.second_step import HOLDS_S, SecondStep, read_step, spell_step
from tenants.hashing import Pepper
from tenants.ids import PersonId

PEPPER, OTHER = Pepper(b"p" * 32), Pepper(b"q" * 32)
STEP = SecondStep(PersonId(7), "ab" * 32)
NOON_S = 1_000_000_020.5


def test_the_password_was_right_for_five_minutes() -> None:
    """Of this person, as the second factor stood; then the password is asked for again."""
    text = spell_step(PEPPER, STEP, NOON_S)
    assert HOLDS_S == 300
    assert read_step(PEPPER, text, NOON_S) == STEP
    assert read_step(PEPPER, text, NOON_S + HOLDS_S - 1) == STEP
    assert read_step(PEPPER, text, NOON_S + HOLDS_S) is None


def test_nobody_writes_one_without_the_pepper() -> None:
    """Another deployment's is none, and none is for another person, a later time or another state."""
    text = spell_step(PEPPER, STEP, NOON_S)
    person, ends, stamp, signature = text.split(".")
    assert read_step(OTHER, text, NOON_S) is None
    assert read_step(PEPPER, spell_step(OTHER, STEP, NOON_S), NOON_S) is None
    other = spell_step(PEPPER, SecondStep(PersonId(8), STEP.stamp), NOON_S).split(".")[0]
    for forged in (
        f"{other}.{ends}.{stamp}.{signature}",
        f"{person}.{int(ends) + 1}.{stamp}.{signature}",
        f"{person}.{ends}.{'cd' * 32}.{signature}",
        f"{person}.{ends}.{stamp}.{'0' * 64}",
    ):
        assert read_step(PEPPER, forged, NOON_S) is None


@pytest.mark.parametrize("text", ["", ".", "...", "a.b.c.d", "é.é", "x" * 60_000])
def test_what_is_none_is_none(text: str) -> None:
    """Whatever a form brings."""
    assert read_step(PEPPER, text, NOON_S) is None
