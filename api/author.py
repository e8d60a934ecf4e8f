"""In whose name a caller writes. Pure."""

from api.errors import UserRequired
from tenants.scope import Caller, User


def author(caller: Caller) -> User:
    """Give the user in whose name the caller writes; raises `UserRequired` for an API key that names none."""
    if caller.user is None:
        raise UserRequired
    return caller.user
