"""Who may do what with a room. Pure."""

from api.log.item import Needs
from tenants.scope import Caller


def needs_to_manage(caller: Caller) -> Needs:
    """Say what must hold of who changes or deletes a room."""
    return Needs.NOTHING if caller.is_server else Needs.ADMIN


def may_read(caller: Caller, *, private: bool, role: str | None) -> bool:
    """Tell whether a room exists for this caller: public ones for all of the app, private ones for members."""
    return not private or role is not None or caller.is_server
