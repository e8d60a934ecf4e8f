"""Tokens: what their claims may be, to whom one is good and until when; all that is decided without a signature."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenants import tokens
from tenants.clock import now
from tenants.grants import Grant
from tenants.ids import AppId, TenantId
from tenants.scope import Scope
from tenants.signing import Algorithm, Verifier
from tenants.tokens import LEEWAY_S, MAX_TTL_S, read_unverified, token_mark

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
NAMES = st.text(min_size=1, max_size=130)
AGES = st.integers(-2 * LEEWAY_S, 2 * MAX_TTL_S).filter(lambda age_s: abs(age_s + LEEWAY_S) > 1)
"""How many seconds ago; not so near to the limit that the test's own time would decide."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.dictionaries(st.sampled_from(["iat", "exp", "sub", "jti", "nbf", "grants", "rooms"]), JSON))
def test_no_claims_are_an_error_and_none_but_documented_ones_are_taken(claims: dict[str, Any]) -> None:
    """Whatever JSON a signer puts into a token: it is judged, and what is of another type is not taken for less."""
    required = {"iat": 0, "exp": 1, "sub": "ann"}
    is_taken = tokens._are_documented({**required, **claims})
    assert not is_taken or all(isinstance(claims.get(name, ""), str) for name in ("sub", "jti"))
    assert not is_taken or all(type(claims.get(name, 0)) in {int, float} for name in ("iat", "exp", "nbf"))
    reach = tokens._reach(claims)
    if reach is not None:
        assert ("grants" in claims) is (reach.grants is not None)
        assert ("rooms" in claims) is (reach.rooms is not None)


@given(AGES, st.integers(-10, 2 * MAX_TTL_S), AGES, NAMES, NAMES)
def test_claims_are_good_within_the_documented_bounds(age_s: int, ttl_s: int, begun_s: int, sub: str, jti: str) -> None:
    """Neither of the future, but for the signer's clock, nor for longer than a day, nor of names too long or with a NUL."""
    issued = now().timestamp() - age_s
    claims = {"iat": issued, "exp": issued + ttl_s, "nbf": issued + age_s - begun_s, "sub": sub, "jti": jti}
    is_timely = age_s > -LEEWAY_S and begun_s > -LEEWAY_S and 0 < ttl_s <= MAX_TTL_S
    names_fit = all(len(name) <= 128 and "\0" not in name for name in (sub, jti))
    assert tokens._are_documented(claims) is (is_timely and names_fit)


@given(st.text(max_size=60) | st.text("ey.AZaz09-_=", max_size=200))
def test_no_text_is_an_error_and_none_is_believed(text: str) -> None:
    """What is no token names no key, and reading it does not raise."""
    claims = read_unverified(text)
    assert claims is None or tokens._named_key(text) is None or "iss" in claims


@given(st.sets(st.sampled_from(Grant)), st.lists(st.text(max_size=9)))
def test_a_token_reaches_what_it_names_and_one_without_names_all(grants: set[Grant], rooms: list[str]) -> None:
    """None means everything; an empty list means nothing."""
    narrow = tokens._reach({"grants": [str(grant) for grant in grants], "rooms": rooms})
    assert narrow is not None
    assert (narrow.grants, narrow.rooms) == (grants, set(rooms))
    assert tokens._reach({}) == tokens.EVERYTHING


@given(st.datetimes(datetime(1970, 1, 1), datetime(2106, 1, 1)))  # noqa: DTZ001 - hypothesis wants them without a zone
def test_a_moment_is_kept_to_the_microsecond(moment: datetime) -> None:
    """What the database said and a token carried as a number is still the same moment, until 2106."""
    aware = moment.replace(tzinfo=UTC)
    assert tokens._micros(aware.timestamp()) == (aware - EPOCH) // timedelta(microseconds=1)


def test_a_token_without_an_id_is_named_by_what_was_signed() -> None:
    """Another spelling of its signature does not make it another token, which could not be revoked."""
    assert token_mark("a.b.c", {"jti": "x"}) == "x"
    assert token_mark("a.b.c", {}) == token_mark("a.b.d", {}) != token_mark("a.e.c", {})


@dataclass
class Row:
    """What the database says of the user who has the token's id now."""

    created_at: datetime
    tokens_valid_from: datetime | None
    predecessor_until: datetime | None


def at(second: int) -> datetime:
    return datetime.fromtimestamp(1_800_000_000 + second, UTC)


SECONDS = st.integers(0, 200)


@given(
    created=SECONDS,
    issued=SECONDS,
    revoked=st.none() | SECONDS,
    retired=st.none() | SECONDS,
    before=st.none() | SECONDS,
    is_ours=st.booleans(),
)
def test_a_token_is_good_for_the_user_it_was_issued_to(
    created: int, issued: int, revoked: int | None, retired: int | None, before: int | None, *, is_ours: bool
) -> None:
    """Not for an earlier or later bearer of the same id, nor once the user's or the key's tokens of that time have ended."""
    predecessor = None if before is None else created - before
    row = Row(at(created), None if revoked is None else at(revoked), None if predecessor is None else at(predecessor))
    verifier = Verifier(
        Scope(TenantId(1), AppId(2)),
        "k",
        Algorithm.HS256,
        b"",
        customer_signs=not is_ours,
        tokens_valid_from=None if retired is None else at(retired).timestamp(),
        is_suspended=False,
    )
    claims: dict[str, Any] = {"iat": at(issued).timestamp()}
    ends = [end for end in (revoked, retired) if end is not None]
    has_ended = any(issued < end for end in ends)
    if is_ours:
        for since in (created, created - 1):
            claims["user_since"] = tokens._micros(at(since).timestamp())
            assert tokens._is_valid_since(claims, row, verifier) is (since == created and not has_ended)
        return
    # One that the customer signed does not say which bearer it is for: its time does.
    is_this_users = issued > created if predecessor is not None else issued + LEEWAY_S >= created
    assert tokens._is_valid_since(claims, row, verifier) is (is_this_users and not has_ended)
