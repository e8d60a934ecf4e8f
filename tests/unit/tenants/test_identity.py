"""Keys, hashes, names of channels and ids."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequest
from api.names import room_id
from tenants.channels import probe_channel, room_channel
from tenants.controls import KeyRevoked, SigningKeyRetired, read_control
from tenants.hashing import Pepper
from tenants.ids import AppId, app_name, from_base62, parse_app_name, to_base62
from tenants.keys import parse_key
from tenants.scope import Caller, Scope, User
from tenants.wire import Address

PEPPER = Pepper(b"p" * 32)
numbers = st.integers(0, 2**63 - 1)


@given(st.integers(0, 62**8 - 1))
def test_base_62_is_read_as_written(number: int) -> None:
    """Names of apps say their numbers."""
    assert from_base62(to_base62(number, 8)) == number
    assert parse_app_name(app_name(AppId(number))) == number


@pytest.mark.parametrize(
    "name", ["", "app_", "app_1234567", "app_123456789", "ten_12345678", "app_1234567!", "12345678"]
)
def test_other_names_are_no_app_s(name: str) -> None:
    """Nothing else is an app's name."""
    assert parse_app_name(name) is None


@given(numbers, numbers, numbers, numbers)
def test_no_two_rooms_share_a_channel(app: int, room: int, other_app: int, other_room: int) -> None:
    """A channel's name says the app and the room, and lies whole in one slot of a cluster."""
    one, other = room_channel(AppId(app), room), room_channel(AppId(other_app), other_room)
    assert (one == other) == ((app, room) == (other_app, other_room))
    assert re.fullmatch(r"rl1:\{[0-9a-f]+\.[0-9a-f]+\}", one)
    assert one != probe_channel(room)


def test_a_key_with_a_letter_wrong_is_known_by_its_checksum() -> None:
    """No question to the database is needed to tell a mistyped key."""
    good = "rl_test_" + "A" * 8 + "0001_" + "s" * 43
    from tenants.keys import _checksum

    key = good + _checksum(good)
    assert parse_key(key) is not None
    for index in range(8, len(key)):
        wrong = key[:index] + ("B" if key[index] != "B" else "C") + key[index + 1 :]
        assert parse_key(wrong) is None, index


def test_hashes_depend_on_the_pepper_and_on_what_they_are_of() -> None:
    """Without the pepper no hash can be tried, and a key's hash is no request's."""
    other = Pepper(b"q" * 32)
    assert PEPPER.secret_hash("s") != other.secret_hash("s")
    assert PEPPER.key_hash("s") != other.key_hash("s")
    assert PEPPER.key_hash("s") != PEPPER.request_hash(b"s")
    assert PEPPER.request_hash(b"ab", b"c") != PEPPER.request_hash(b"a", b"bc")
    assert len(PEPPER.key_hash("s")) == len(PEPPER.request_hash()) == 16
    assert "p" * 8 not in repr(PEPPER)
    with pytest.raises(ValueError, match="32"):
        Pepper(b"short")


def test_controls_are_read_as_sent_and_newer_ones_are_passed_over() -> None:
    """A control row of a later version is None, not an error."""
    import msgspec

    for control in (KeyRevoked(1, 2), SigningKeyRetired(1, "k")):
        assert read_control(msgspec.json.encode(control).decode()) == control
    assert read_control('{"type":"from_the_future"}') is None


@pytest.mark.parametrize("text", ["", "a/b", "a b", "ä", "a\n", ".", "..", "x" * 129, "a\0"])
def test_ids_of_other_characters_are_refused(text: str) -> None:
    """An id is what the documentation says."""
    with pytest.raises(BadRequest):
        room_id(text)


def test_addresses_of_redis_are_taken_apart() -> None:
    """Hosts, sockets, TLS, users and passwords; the password is not shown."""
    address = Address.parse("rediss://me:se%40cret@h:1234/0")
    assert (address.host, address.port, address.tls, address.username, address.password) == (
        "h",
        1234,
        True,
        "me",
        "se@cret",
    )
    assert "cret" not in repr(address)
    assert Address.parse("unix:///run/r.sock").path == "/run/r.sock"
    urls = ("redis://h", "redis://h/7", "redis://h?db=3", "unix:///run/r.sock?db=2")
    assert [Address.parse(url).database for url in urls] == [0, 7, 3, 2]
    for url in ("http://h", "redis://h/one"):
        with pytest.raises(ValueError, match="REDIS_URL"):
            Address.parse(url)


def test_a_caller_s_log_fields_have_no_secret() -> None:
    """App, user and key by their numbers."""
    scope = Scope(tenant=1, app=AppId(2))  # type: ignore[arg-type]
    fields = Caller(scope, user=User(3, "ann"), key=4).log_fields()  # type: ignore[arg-type]
    assert fields == {"app": app_name(AppId(2)), "user": 3, "key": 4}
