"""Who may do what with a room."""

import pytest

from api.log.item import Needs
from api.rooms.rules import may_read, needs_to_manage
from tenants.ids import AppId, KeyNumber, TenantId, UserId, UserNumber
from tenants.scope import Caller, Scope, User

SCOPE = Scope(TenantId(1), AppId(1))
ANN = User(UserNumber(7), UserId("ann"))
USER = Caller(SCOPE, user=ANN)
SERVER = Caller(SCOPE, key=KeyNumber(1))
SERVER_AS_ANN = Caller(SCOPE, user=ANN, key=KeyNumber(1))


@pytest.mark.parametrize(
    ("caller", "private", "role", "may"),
    [
        (USER, False, None, True),
        (USER, True, None, False),
        (USER, True, "member", True),
        (USER, True, "admin", True),
        (SERVER, True, None, True),
        (SERVER_AS_ANN, True, None, True),
    ],
)
def test_private_rooms_are_read_by_members_and_servers(
    caller: Caller, *, private: bool, role: str | None, may: bool
) -> None:
    """All others read public rooms alone."""
    assert may_read(caller, private=private, role=role) is may


def test_users_manage_rooms_as_admins() -> None:
    """A server manages any, in whosever name."""
    assert needs_to_manage(USER) is Needs.ADMIN
    assert needs_to_manage(SERVER) is needs_to_manage(SERVER_AS_ANN) is Needs.NOTHING
