"""Proxies: behind those that are trusted, a request comes from whoever they say that it comes from."""

import ipaddress
from collections.abc import Sequence

from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 20


class Proxies:
    """Stands before the public service and puts right whence a request comes, and by which scheme."""

    def __init__(self, service: ASGIService, trusted: Sequence[Network]) -> None:
        """Stand before `service`; believe `trusted`."""
        self._service = service
        self._trusted = trusted

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request or socket."""
        client = scope.get("client")
        if client is not None and self._trusted and is_trusted(client[0], self._trusted):
            headers = scope["headers"]
            hops = [hop for name, value in headers if name == b"x-forwarded-for" for hop in value.split(b",")]
            scope["client"] = (origin_of([hop.decode("latin-1") for hop in hops], client[0], self._trusted), 0)
            schemes = [value for name, value in headers if name == b"x-forwarded-proto"]
            if schemes and schemes[-1].strip() == b"https":
                scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
        await self._service(scope, receive, send)


def origin_of(hops: Sequence[str], peer: str, trusted: Sequence[Network]) -> str:
    """Walk from the peer towards the client for as long as a trusted proxy says who was before it.

    What stands further left was written by somebody who is not trusted: anybody can send such a header.
    """
    here = peer
    for hop in reversed(hops[-MAX_HOPS:]):
        if not is_trusted(here, trusted):
            break
        address = _address(hop)
        if address is None:
            break
        here = str(address)
    return here


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Tell whether an address is a trusted proxy's."""
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, with or without a port as some proxies write it; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
