"""TOTP by the vectors of its RFC, and what is taken of it when."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.totp import (
    DRIFT_STEPS,
    SECRET_BYTES,
    STEP_S,
    code_at,
    matching_step,
    new_secret,
    provisioning_uri,
    spell_secret,
    step_at,
)

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("moment_s", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(moment_s: int, code: str) -> None:
    """Its appendix B for SHA-1 has eight digits; ours are the last six of them, and such a code is taken at its moment."""
    assert code_at(SECRET, step_at(moment_s), digits=8) == code
    assert code_at(SECRET, step_at(moment_s)) == code[2:]
    assert matching_step(SECRET, code[2:], moment_s) == step_at(moment_s)


@pytest.mark.parametrize(
    ("count", "code"),
    list(
        enumerate(
            "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split()  # noqa: SIM905 - as the RFC has it
        )
    ),
)
def test_codes_are_those_of_rfc_4226(count: int, code: str) -> None:
    """Its appendix D, on which the other RFC stands."""
    assert code_at(SECRET, count) == code


@given(st.binary(min_size=20, max_size=20), st.integers(10, 10**9), st.integers(-9, 9))
def test_a_code_is_taken_for_a_step_around_its_own(secret: bytes, step: int, later: int) -> None:
    """From one step before to one after, as clocks differ, and outside of that only by the chance of another step's code."""
    code = code_at(secret, step)
    found = matching_step(secret, code, (step + later) * STEP_S)
    around = [step + later + drift for drift in range(-DRIFT_STEPS, DRIFT_STEPS + 1)]
    assert (found is not None) == any(code_at(secret, other) == code for other in around)
    assert abs(later) > DRIFT_STEPS or found is not None


def test_no_code_is_taken_twice_nor_one_before_it() -> None:
    """Once a step's code has been taken, its own and those of steps before it are none any more; the next step's is one."""
    step, moment_s = 1_000, 1_000 * STEP_S
    assert matching_step(SECRET, code_at(SECRET, step), moment_s, taken=step - 1) == step
    assert matching_step(SECRET, code_at(SECRET, step), moment_s, taken=step) is None
    assert matching_step(SECRET, code_at(SECRET, step - 1), moment_s, taken=step) is None
    assert matching_step(SECRET, code_at(SECRET, step + 1), moment_s, taken=step) == step + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "\ud800", "९४२८७०", "94287082", " " * 6, "x" * 100_000])
def test_what_is_no_code_is_none(code: str) -> None:
    """Anything may be typed; nothing but six digits matches."""
    assert matching_step(SECRET, code, 59) is None
    assert matching_step(SECRET, "287082", 0.0) == 1


def test_an_authenticator_is_told_all_that_it_needs() -> None:
    """The address has the secret in base 32, whom it is for, and by which service, whatever characters are in the names."""
    secret = new_secret()
    assert len(secret) == SECRET_BYTES
    assert re.fullmatch(r"[A-Z2-7]{32}", spell_secret(secret))
    uri = urlsplit(provisioning_uri(secret, "Room & log", "ann+x@example.org"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Room%20%26%20log%3Aann%2Bx%40example.org")
    assert parse_qs(uri.query) == {
        "secret": [spell_secret(secret)],
        "issuer": ["Room & log"],
        "digits": ["6"],
        "period": ["30"],
    }
    now_s = time.time()
    assert matching_step(secret, code_at(secret, step_at(now_s)), now_s) is not None
