"""Whence a request comes, behind proxies that are trusted and others that only pretend."""

import ipaddress

import pytest

from api.edge.proxies import origin_of
from tenants.sources import network_of

TRUSTED = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("hops", "peer", "origin"),
    [
        ([], "10.0.0.1", "10.0.0.1"),
        (["203.0.113.7"], "10.0.0.1", "203.0.113.7"),
        (["203.0.113.7", "10.0.0.2"], "10.0.0.1", "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7", "10.0.0.2"], "10.0.0.1", "203.0.113.7"),
        (["10.0.0.9", "203.0.113.7"], "10.0.0.1", "203.0.113.7"),
        (["10.0.0.9"], "10.0.0.1", "10.0.0.9"),
        (["203.0.113.7"], "203.0.113.1", "203.0.113.1"),
        (["nonsense"], "10.0.0.1", "10.0.0.1"),
        (["203.0.113.7", "nonsense"], "10.0.0.1", "10.0.0.1"),
        ([" 203.0.113.7:4711 "], "10.0.0.1", "203.0.113.7"),
        (["[2001:db8::1]:4711"], "fd00::1", "2001:db8::1"),
        (["::ffff:203.0.113.7"], "::ffff:10.0.0.1", "203.0.113.7"),
        ([""], "10.0.0.1", "10.0.0.1"),
    ],
)
def test_the_walk_ends_at_the_first_address_that_is_not_trusted(hops: list[str], peer: str, origin: str) -> None:
    """From the right, over trusted hops only: what stands further left is anybody's invention."""
    assert origin_of(hops, peer, TRUSTED) == origin


def test_a_header_without_end_is_not_walked_to_its_end() -> None:
    """Twenty hops are looked at, whoever wrote more."""
    assert origin_of(["203.0.113.7", *["10.0.0.1"] * 30], "10.0.0.1", TRUSTED) == "10.0.0.1"


def test_what_counts_as_one_source() -> None:
    """An IPv4 address, the /64 of an IPv6 one, and all that is no address together."""
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert network_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::5") == "2001:db8:1:2::"
    assert network_of("") == network_of("/run/x.sock") == "unknown"
