"""Whether a credential reaches as far as what is asked with it. Pure."""

from api.errors import RoomNotFound
from tenants.errors import MissingGrant
from tenants.grants import Grant
from tenants.scope import Caller


def permit(caller: Caller, grant: Grant | None, room_id: str | None = None) -> None:
    """Raise `MissingGrant` unless the credential has the grant (if any), and `RoomNotFound` unless it reaches the room."""
    if grant is not None and not caller.may(grant):
        raise MissingGrant(f"This takes the grant {grant}.")
    if room_id is not None and not caller.reaches(room_id):
        raise RoomNotFound
