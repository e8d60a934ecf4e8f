"""Tickets on the wire."""

import msgspec


class TicketView(msgspec.Struct):
    """A ticket for a browser's EventSource."""

    ticket: str
    url: str
    """Path and query to follow the room with; the host is the one that was asked."""
    expires_at: str
    """When it ends at the latest."""
    idle_s: int
    """How long it outlives its last use before."""
