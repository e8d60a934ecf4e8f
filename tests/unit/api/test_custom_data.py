"""Custom data: what passes, and that it stays as it was."""

import msgspec
import pytest

from api.custom_data import ABSENT, EMPTY, MAX_BYTES, MAX_DEPTH, changed_text, custom_text
from api.errors import BadRequest


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"{}", "{}"),
        (b'{ "a" : 1.0, "b":\n[1e2, -0] }', '{"a":1.0,"b":[1e2,-0]}'),
        (b'{"a":18446744073709551615}', '{"a":18446744073709551615}'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        ('{"ä":"👋"}'.encode(), '{"ä":"👋"}'),
    ],
)
def test_only_white_space_goes(given: bytes, kept: str) -> None:
    """Numbers, escapes and the order of members stay as they were written."""
    assert custom_text(msgspec.Raw(given), "/data") == kept


@pytest.mark.parametrize(
    "given",
    [
        b"[]",
        b'"x"',
        b"null",
        b"1",
        b'{"a":1e999}',
        b'{"a":18446744073709551616}',
        b'{"a":"\\ud800"}',
        b'{"a":"' + b"x" * (MAX_BYTES - 7) + b'"}',
        b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH,
        b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    ],
)
def test_what_is_beyond_the_limits_is_pointed_at(given: bytes) -> None:
    """Each in a sentence."""
    with pytest.raises(BadRequest) as refused:
        custom_text(msgspec.Raw(given), "/data")
    assert refused.value.pointer == "/data"
    assert refused.value.detail


def test_the_limits_themselves_pass() -> None:
    """8 KiB, and 32 levels."""
    for given in (
        b'{"a":"' + b"x" * (MAX_BYTES - 8) + b'"}',
        b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1),
    ):
        assert custom_text(msgspec.Raw(given), "/data") == given.decode()


def test_what_is_not_mentioned_is_not_changed() -> None:
    """An empty object is a change to nothing, an absent one is none."""
    assert changed_text(ABSENT, "/data") is None
    assert changed_text(EMPTY, "/data") == "{}"
