"""Who may bring whom into a room, and out of it."""

import pytest

from api.log.item import Needs
from api.members.rules import needs_to_add, needs_to_join, needs_to_leave, needs_to_remove
from tenants.ids import AppId, KeyNumber, TenantId, UserId, UserNumber
from tenants.scope import Caller, Scope, User

SCOPE = Scope(TenantId(1), AppId(1))
ANN = User(UserNumber(7), UserId("ann"))


def test_a_user_joins_and_leaves_by_itself_and_needs_to_be_admin_for_others() -> None:
    """Joining takes a public room, leaving a membership, all else the role."""
    user = Caller(SCOPE, user=ANN)
    assert needs_to_join(user) is Needs.PUBLIC_ROOM
    assert needs_to_leave(user) is Needs.MEMBER
    assert needs_to_add(user) is needs_to_remove(user) is Needs.ADMIN


@pytest.mark.parametrize("user", [None, ANN])
def test_a_server_needs_nothing(user: User | None) -> None:
    """In its own name or a user's."""
    server = Caller(SCOPE, user=user, key=KeyNumber(1))
    for rule in (needs_to_join, needs_to_leave, needs_to_add, needs_to_remove):
        assert rule(server) is Needs.NOTHING
