"""A subscription: what the next event means to its reader."""

import pytest

from api.ids import Place, Seq
from api.log.event import Kind
from api.subscriptions.subscription import Step, Subscription
from tenants.ids import UserNumber
from tests.unit.logs import ANN, FIRST, ROOM, ROOM_ID, door, event

BOB = UserNumber(4)


def standing_at(seq: int, *, user: UserNumber | None = ANN, joined: int | None = 1, head: int = 5) -> Subscription:
    return Subscription.begin(ROOM_ID, user, Place(ROOM, FIRST, Seq(seq)), door(head, joined=joined))


@pytest.mark.parametrize("seq", [1, 5, 7, 100])
def test_what_is_not_the_next_event_is_never_shown(seq: int) -> None:
    """A wrong seq is a violation, and moves nothing."""
    subscription = standing_at(5)
    assert subscription.advance(event(seq)) is Step.VIOLATION
    assert subscription.cursor.seq == 5
    assert subscription.advance(event(6)) is Step.SHOW
    assert subscription.cursor.seq == 6


def test_a_removal_ends_it_exactly_there_for_the_one_removed() -> None:
    """Others see it as an event."""
    removal = event(6, Kind.MEMBER_REMOVED, subject=ANN)
    assert standing_at(5).advance(removal) is Step.REVOKE_REMOVED
    assert standing_at(5, user=BOB).advance(removal) is Step.SHOW
    assert standing_at(5, user=None).advance(removal) is Step.SHOW


def test_what_the_door_has_accounted_for_revokes_nobody() -> None:
    """A removal older than the reader's present rights is history."""
    assert standing_at(5, head=6).advance(event(6, Kind.MEMBER_REMOVED, subject=ANN)) is Step.SHOW


def test_a_room_that_becomes_private_keeps_its_members_only() -> None:
    """A stranger is revoked, a member and the server stay, and so does who has joined meanwhile."""
    closing = event(6, Kind.ROOM_UPDATED, private=True)
    assert standing_at(5, joined=None).advance(closing) is Step.REVOKE_PRIVATE
    assert standing_at(5).advance(closing) is Step.SHOW
    assert standing_at(5, user=None, joined=None).advance(closing) is Step.SHOW
    joining = standing_at(5, joined=None)
    assert joining.advance(event(6, Kind.MEMBER_ADDED, subject=ANN, private=False)) is Step.SHOW
    assert joining.advance(event(7, Kind.ROOM_UPDATED, private=True)) is Step.SHOW


def test_events_about_messages_older_than_one_s_history_are_hidden() -> None:
    """Who was added without history sees new messages whole, and of old ones the place of what becomes of them."""
    subscription = standing_at(5, joined=None)
    assert subscription.advance(event(6, Kind.MEMBER_ADDED, subject=ANN, private=True)) is Step.SHOW
    assert subscription.advance(event(7, Kind.MESSAGE_EDITED, target=Seq(2))) is Step.HIDE
    assert subscription.advance(event(8)) is Step.SHOW
    assert subscription.advance(event(9, Kind.MESSAGE_EDITED, target=Seq(8))) is Step.SHOW


def test_the_deletion_of_the_room_is_the_last_thing_shown() -> None:
    """It is shown, and ends the subscription."""
    assert standing_at(5).advance(event(6, Kind.ROOM_DELETED, private=False)) is Step.SHOW_AND_END
