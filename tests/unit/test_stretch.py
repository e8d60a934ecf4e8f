"""A stretch: many events in one piece, for those to whom each of them means the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from websockets.frames import Frame, Opcode

from api.ids import Place, Seq
from api.log.event import Event, Kind, event_json
from api.subscriptions.subscription import Step, Subscription
from api.tails.stretch import MAX_BYTES, join, text_frame
from api.tails.tail import MAX_STRETCHES, STRETCH_EVENTS, Tail
from tenants.ids import UserNumber
from tests.unit.logs import ANN, APP, FIRST, ROOM, ROOM_ID, door, event, snapshot

BEFORE = 5
"""Where the stretches of these tests begin."""


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_the_library_would_make(size: int) -> None:
    """At each of the lengths at which its head changes, and beyond ASCII."""
    for text in ("x" * size, "ü" * (size // 2)):
        assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def events_after(seq: int, kinds: list[tuple[Kind, int]]) -> list[Event]:
    """Make events of these kinds, each about that message or that user."""
    made = []
    for number, (kind, about) in enumerate(kinds, seq + 1):
        is_change = kind in {Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED}
        subject = UserNumber(about) if kind.subject_name == "member" else None
        private = about % 2 == 0 if kind in {Kind.ROOM_UPDATED, Kind.MEMBER_ADDED} else None
        target = Seq(about) if is_change else None
        made.append(event(number, kind, target=target, subject=subject, private=private))
    return made


@settings(max_examples=500)
@given(
    st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(1, 8)), min_size=1, max_size=5),
    st.sampled_from([None, 1, 4]),
    st.sampled_from([None, ANN]),
    st.integers(BEFORE, 12),
    st.sampled_from([0, 0, 0, -1, 1]),
)
def test_who_takes_a_stretch_is_shown_what_each_event_by_itself_would_show(
    kinds: list[tuple[Kind, int]], joined: int | None, user: UserNumber | None, head: int, off: int
) -> None:
    """Whole and in order, with the same place at its end; who is to be shown anything else, or stands elsewhere, takes it not."""
    events = events_after(BEFORE, kinds)
    stretch = join(events, ROOM_ID)
    assert stretch is not None
    reader = Subscription.begin(ROOM_ID, user, Place(ROOM, FIRST, Seq(BEFORE + off)), door(head, joined=joined))
    reader.visible_from = Seq(joined or 0)
    takes = reader.takes(stretch)
    steps = [reader.advance(each) for each in events]
    if takes:
        assert set(steps) == {Step.SHOW}
        assert stretch.data == b"".join(text_frame(event_json(each, ROOM_ID)) for each in events)
        assert (stretch.count, stretch.end) == (len(events), reader.cursor)


def test_messages_are_taken_by_everybody() -> None:
    """Which is what stretches are for."""
    stretch = join(events_after(BEFORE, [(Kind.MESSAGE_CREATED, 1)] * 8), ROOM_ID)
    for joined in (None, 1, 4):
        reader = Subscription.begin(ROOM_ID, ANN, Place(ROOM, FIRST, Seq(BEFORE)), door(BEFORE, joined=joined))
        assert stretch is not None
        assert reader.takes(stretch)


def test_a_gap_or_too_much_is_no_stretch() -> None:
    """The writer sends such events one by one, and sees what is wrong with them."""
    events = events_after(BEFORE, [(Kind.MESSAGE_CREATED, 1)] * 3)
    assert join([events[0], events[2]], ROOM_ID) is None
    assert join([events[1], events[0]], ROOM_ID) is None
    assert join([*events, replace(event(9), body='"parts":"' + "x" * MAX_BYTES + '"')], ROOM_ID) is None


def test_a_tail_joins_for_each_place_and_anew_when_it_moves() -> None:
    """From any place in the ring up to its end; from none beyond, and none that would be too long."""
    tail = Tail(APP, ROOM, snapshot(1))
    assert tail.stretch(Seq(1)) is None
    for seq in range(2, 6):
        tail.offer(event(seq))
    for seq in range(1, 5):
        stretch = tail.stretch(Seq(seq))
        assert stretch is not None
        assert (stretch.count, stretch.end.seq) == (5 - seq, 5)
    assert tail.stretch(Seq(3)) is tail.stretch(Seq(3))
    for seq in range(6, STRETCH_EVENTS + 10):
        tail.offer(event(seq))
    newest = tail.stretch(Seq(STRETCH_EVENTS))
    assert newest is not None
    assert newest.end == tail.place
    assert tail.stretch(Seq(2)) is None
    for seq in range(20, 20 + 2 * MAX_STRETCHES):
        tail.stretch(Seq(seq))
    assert len(tail._stretches) <= MAX_STRETCHES
    weight = tail.size_bytes
    tail.forget_stretches()
    assert tail.size_bytes < weight
    tail.forget_events()
    assert tail.stretch(Seq(STRETCH_EVENTS)) is None


def test_a_deletion_takes_the_words_out_of_what_was_joined() -> None:
    """Who comes later than the deletion is not handed the words out of a piece made before it."""
    tail = Tail(APP, ROOM, snapshot(1))
    tail.offer(replace(event(2), body='"parts":["secret"]'))
    before = tail.stretch(Seq(1))
    assert before is not None
    assert b"secret" in before.data
    tail.offer(event(3, Kind.MESSAGE_DELETED, target=Seq(2)))
    after = tail.stretch(Seq(1))
    assert after is not None
    assert b"secret" not in after.data
    assert json.loads(after.data[4:].partition(b"}}")[0] + b"}}")["message"]["redacted"] is True
