"""A subscription: what the next event means to its reader."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ids import Place, Seq
from api.log.event import Kind
from api.log.views import Door, Membership
from api.subscriptions.subscription import Step, Subscription
from tenants.ids import UserNumber
from tests.unit.logs import ANN, AT, FIRST, ROOM, ROOM_ID, door, event

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


HAPPENS = ("said", "edited", "ann comes", "ann goes", "bob comes", "private", "public")


class Past:
    """A room's log, and after each of its events: whether it is private, whether Ann is in it, and since when she sees."""

    def __init__(self, what: list[str]) -> None:
        self.events = [event(1, Kind.ROOM_CREATED, private=False)]
        self.private = [False]
        self.sees_from: list[int | None] = [None]
        for each in what:
            self._add(each, len(self.events) + 1)

    def _add(self, what: str, seq: int) -> None:
        private, sees_from = self.private[-1], self.sees_from[-1]
        match what:
            case "said":
                added = event(seq)
            case "edited":
                said = [each.seq for each in self.events if each.kind is Kind.MESSAGE_CREATED]
                if not said:
                    return
                added = event(seq, Kind.MESSAGE_EDITED, target=said[seq % len(said)])
            case "ann comes" if sees_from is None:
                sees_from = seq if private else 0
                added = event(seq, Kind.MEMBER_ADDED, subject=ANN, private=private)
            case "ann goes" if sees_from is not None:
                sees_from = None
                added = event(seq, Kind.MEMBER_REMOVED, subject=ANN)
            case "bob comes":
                added = event(seq, Kind.MEMBER_ADDED, subject=BOB, private=private)
            case "private" | "public":
                private = what == "private"
                added = event(seq, Kind.ROOM_UPDATED, private=private)
            case _:
                return
        self.events.append(added)
        self.private.append(private)
        self.sees_from.append(sees_from)

    def door(self, head: int) -> Door:
        sees_from = self.sees_from[head - 1]
        membership = None if sees_from is None else Membership("member", Seq(1), AT, Seq(sees_from), Seq(0))
        return replace(door(head, private=self.private[head - 1]), membership=membership)

    def is_closed(self, seq: int) -> bool:
        """Whether Ann may not read the room once the event at `seq` has happened."""
        return self.private[seq - 1] and self.sees_from[seq - 1] is None


@given(st.lists(st.sampled_from(HAPPENS), min_size=4, max_size=25), st.data())
@settings(max_examples=300)
def test_a_reader_sees_what_the_log_lets_them_see_and_not_one_event_more(what: list[str], data: st.DataObject) -> None:
    """Wherever they began and whatever happened: everything up to the loss of their rights, words of before hidden."""
    past = Past(what)
    end = len(past.events)
    head = data.draw(st.integers(1, end).filter(lambda seq: not past.is_closed(seq)))
    begin = data.draw(st.integers(1, head))
    reader = Subscription.begin(ROOM_ID, ANN, Place(ROOM, FIRST, Seq(begin)), past.door(head))
    lost = [
        each.seq
        for each in past.events[head:]
        if past.is_closed(each.seq) or (each.kind is Kind.MEMBER_REMOVED and each.subject == ANN)
    ]
    last = min(lost, default=end + 1)
    for each in past.events[begin : last - 1]:
        sees_from = past.sees_from[max(head, each.seq) - 1] or 0
        is_old = each.message_seq is not None and each.message_seq < sees_from
        assert reader.advance(each) is (Step.HIDE if is_old else Step.SHOW)
    if lost:
        removed = past.events[last - 1].kind is Kind.MEMBER_REMOVED
        assert reader.advance(past.events[last - 1]) is (Step.REVOKE_REMOVED if removed else Step.REVOKE_PRIVATE)
