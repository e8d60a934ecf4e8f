"""Sources: what network address counts as one, where something is counted by address."""

import ipaddress

IPV6_PREFIX = 64
"""What one customer of a provider has, at the least."""


def network_of(address: str) -> str:
    """Give what is counted as one source: an IPv4 address, or the network of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False).network_address)
