"""The tail: contiguous by construction, whatever arrives in whatever order."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api.ids import Seq
from api.log.event import Event, Kind
from api.tails.parking import Parking
from api.tails.tail import RING_EVENTS, Offer, Tail
from tests.unit.logs import APP, FIRST, ROOM, ROOM_ID, SECOND, event, snapshot


class Merging(RuleBasedStateMachine):
    """A log that grows, publications that are lost, doubled and late, and a tail that follows by the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = [event(1)]
        self.flying: list[Event] = []
        self.tail = Tail(APP, ROOM, snapshot(1))
        self.parking = Parking()

    @rule(count=st.integers(1, 4))
    def commit(self, count: int) -> None:
        for _ in range(count):
            self.log.append(event(len(self.log) + 1))
            self.flying.append(self.log[-1])

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        arrived = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        offer = self.tail.offer(arrived)
        if offer is Offer.EARLY:
            self.parking.park(arrived, now=0.0)
        while (parked := self.parking.take(Seq(self.tail.seq + 1))) is not None:
            assert self.tail.offer(parked) is Offer.APPENDED
        self.parking.leave_behind(self.tail.seq, now=0.0)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def double(self, data: st.DataObject) -> None:
        self.flying.append(self.flying[data.draw(st.integers(0, len(self.flying) - 1))])

    @rule()
    def repair(self) -> None:
        for missing in self.log[self.tail.seq - 1 :]:
            self.tail.offer(missing, verified=True)
        assert self.tail.seq == len(self.log)

    @invariant()
    def holds_a_run_of_the_log(self) -> None:
        entries = self.tail.after(self.tail.base, len(self.log))
        assert entries is not None
        assert [entry.event for entry in entries] == self.log[self.tail.base : self.tail.seq]


TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_the_ring_is_bounded_and_says_when_it_no_longer_reaches_back() -> None:
    """Old events fall out; asking for them gives None, not a hole."""
    tail = Tail(APP, ROOM, snapshot(1))
    for seq in range(2, RING_EVENTS + 12):
        tail.offer(event(seq))
    assert tail.base == 11
    assert tail.after(Seq(10), 5) is None
    assert [entry.event.seq for entry in tail.after(Seq(11), 3) or ()] == [12, 13, 14]
    assert tail.after(tail.seq, 5) == []


def test_an_event_of_another_epoch_is_not_taken_on_trust() -> None:
    """Only what was read together with the tail's own end may continue it in a newer epoch."""
    tail = Tail(APP, ROOM, snapshot(1))
    tail.offer(event(2))
    newer = event(3, epoch=SECOND)
    assert tail.offer(newer) is Offer.OTHER_EPOCH
    assert tail.offer(newer, verified=True) is Offer.APPENDED
    assert tail.offer(event(4)) is Offer.OLD, "of an epoch that is over"
    assert tail.offer(event(3, epoch=FIRST), verified=True) is Offer.FORKED


def test_a_deletion_blanks_what_the_ring_holds_of_the_message() -> None:
    """A late reader of the ring sees neither the message nor its edits."""
    tail = Tail(APP, ROOM, snapshot(1))
    tail.offer(event(2))
    tail.offer(event(3, Kind.MESSAGE_EDITED, target=Seq(2)))
    tail.offer(event(4))
    before = tail.size_bytes
    assert '"text":"2"' in (tail.after(Seq(1), 1) or [])[0].json(ROOM_ID)
    tail.offer(event(5, Kind.MESSAGE_DELETED, target=Seq(2)))
    shown = [json.loads(entry.json(ROOM_ID)) for entry in tail.after(Seq(1), 10) or ()]
    assert [frame["message"].get("text") for frame in shown] == [None, None, "4", None]
    assert [frame["message"].get("redacted", False) for frame in shown] == [True, True, False, False]
    assert tail.size_bytes < before + 600


def test_forgetting_gives_memory_back_and_keeps_the_place() -> None:
    """A tail that has given its memory back goes on where it was."""
    tail = Tail(APP, ROOM, snapshot(1))
    for seq in range(2, 50):
        tail.offer(event(seq))
    tail.forget_events()
    tail.forget_messages()
    assert (tail.seq, tail.base) == (49, 49)
    assert tail.after(Seq(48), 1) is None
    assert tail.offer(event(50)) is Offer.APPENDED
    assert not tail.fold.lists_messages


def test_an_event_is_written_once() -> None:
    """All readers share the text that the first one needed."""
    tail = Tail(APP, ROOM, snapshot(1))
    tail.offer(event(2))
    entry = (tail.after(Seq(1), 1) or [])[0]
    assert entry.json(ROOM_ID) is entry.json(ROOM_ID)


@pytest.mark.parametrize("count", [0, 1])
def test_parking_waits_50_ms_for_a_predecessor(count: int) -> None:
    """The hole before a parked event is to be read once it has waited; an empty parking never is."""
    parking = Parking()
    for seq in range(count):
        parking.park(event(5 + seq), now=10.0)
    assert not parking.is_overdue(10.04)
    assert parking.is_overdue(10.051) is bool(count)


def test_parking_is_bounded() -> None:
    """When no more fit, the hole is read at once, and what did not fit is read with it."""
    parking = Parking()
    for seq in range(5, 400):
        parking.park(event(seq), now=0.0)
    assert len(parking) == 256
    assert parking.is_overdue(0.0)
    parking.leave_behind(Seq(399), now=0.0)
    assert (len(parking), parking.is_overdue(9.0)) == (0, False)
