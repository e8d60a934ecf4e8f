"""Grants: what a credential may do. Others call them scopes; here that word means tenant and app."""

from enum import StrEnum
from typing import cast


class Grant(StrEnum):
    """One thing that a credential may do."""

    MESSAGES_READ = "messages:read"
    """Open rooms, read messages and read cursors."""
    MESSAGES_WRITE = "messages:write"
    """Send, edit and delete messages, move read cursors."""
    ROOMS_READ = "rooms:read"
    """See rooms and their members."""
    ROOMS_WRITE = "rooms:write"
    """Make, change and delete rooms, bring members in and take them out."""
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    """Make, change and delete users, and end their tokens."""
    TOKENS_CREATE = "tokens:create"
    """Issue users' tokens."""
    APP_MANAGE = "app:manage"
    """Keys, signing keys, and the app itself."""


ALL = frozenset(Grant)
BY_DEFAULT = ALL - {Grant.APP_MANAGE}
"""What a key may do that another key has made without saying more."""
INSPECTING = frozenset({Grant.MESSAGES_READ, Grant.ROOMS_READ})
"""What the dashboard's inspector may do."""


def read_grants(names: object) -> frozenset[Grant] | None:
    """Read a list of grants' names; None unless it is one, of names that there are."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast("list[object]", names)):
        return None
    try:
        return frozenset(Grant(name) for name in cast("list[str]", names))
    except ValueError:
        return None
