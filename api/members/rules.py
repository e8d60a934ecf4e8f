"""Who may bring whom into a room, and out of it. Pure."""

from api.errors import BadRequest
from api.log.item import Needs
from api.members.schemas import MemberBatchRequest
from api.names import user_id
from tenants.ids import UserId
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


def checked_batch(batch: MemberBatchRequest) -> list[UserId]:
    """Give the ids of a batch's users; raises `BadRequest` that points at the first one that is wrong."""
    checked: dict[UserId, None] = {}
    for index, member in enumerate(batch.members):
        pointer = f"/members/{index}/user"
        named = user_id(member.user, pointer)
        if named in checked:
            raise BadRequest("A batch names each user once.", pointer=pointer)
        checked[named] = None
    return list(checked)
