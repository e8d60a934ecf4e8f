"""Whence a request comes."""

from litestar.types import Scope


def client_address(scope: Scope) -> str:
    """Give the address of the client; empty for one that has none, as on a Unix socket."""
    client = scope.get("client")
    return "" if client is None else client[0]
