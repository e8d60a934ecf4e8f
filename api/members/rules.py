"""Who may bring whom into a room, and out of it. Pure."""

from api.log.item import Needs
from tenants.scope import Caller


def needs_to_add(caller: Caller) -> Needs:
    """Say what must hold of who adds a member or changes a role."""
    return Needs.NOTHING if caller.is_server else Needs.ADMIN


def needs_to_remove(caller: Caller) -> Needs:
    """Say what must hold of who removes somebody else."""
    return Needs.NOTHING if caller.is_server else Needs.ADMIN


def needs_to_leave(caller: Caller) -> Needs:
    """Say what must hold of who leaves: to others, a private room does not exist."""
    return Needs.NOTHING if caller.is_server else Needs.MEMBER


def needs_to_join(caller: Caller) -> Needs:
    """Say what must hold of who joins: public rooms are open to the app's users."""
    return Needs.NOTHING if caller.is_server else Needs.PUBLIC_ROOM
