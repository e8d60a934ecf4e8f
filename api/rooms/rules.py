"""Who may do what with a room. Pure."""

from api.author import author
from api.errors import BadRequest
from api.log.item import Needs
from api.names import user_id
from api.rooms.schemas import NewRoomRequest
from tenants.errors import Forbidden
from tenants.ids import UserId
from tenants.scope import Caller


def needs_to_manage(caller: Caller) -> Needs:
    """Say what must hold of who changes or deletes a room."""
    return Needs.NOTHING if caller.is_server else Needs.ADMIN


def may_read(caller: Caller, *, private: bool, role: str | None) -> bool:
    """Tell whether a room exists for this caller: public ones for all of the app, private ones for members."""
    return not private or role is not None or caller.sees_all


def pair(caller: Caller, wish: NewRoomRequest) -> list[tuple[UserId, str]] | None:
    """Give the two whose 1:1 room is wished for, each with the pointer to where it is named; None for other rooms.

    Raises `BadRequest` for a pair of one and for what a 1:1 room does not take, `Forbidden` for a user who names others.
    """
    if wish.direct_with is None and wish.direct is None:
        return None
    if wish.id is not None or wish.members or (wish.direct is not None and wish.direct_with is not None):
        raise BadRequest("A 1:1 room is found by its two users alone: it takes no id and no other members.")
    if wish.direct is None:
        other = user_id(wish.direct_with or "", "/direct_with")
        two = [(author(caller).id, "/direct_with"), (other, "/direct_with")]
    elif caller.is_server:
        two = [(user_id(user, f"/direct/{index}"), f"/direct/{index}") for index, user in enumerate(wish.direct)]
    else:
        raise Forbidden("Naming both takes an API key; a user says direct_with.", pointer="/direct")
    if two[0][0] == two[1][0]:
        raise BadRequest("A 1:1 room is for two different users.", pointer=two[1][1])
    return two
