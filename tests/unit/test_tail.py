"""The tail: contiguous by construction, whatever arrives in whatever order."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api.ids import Epoch, Place, Seq
from api.log.event import Event, Kind
from api.subscriptions.subscription import Step, Subscription
from api.tails.fold import Fold
from api.tails.parking import Parking
from api.tails.tail import RING_EVENTS, Offer, Tail
from tenants.ids import UserNumber
from tests.unit.logs import APP, FIRST, ROOM, ROOM_ID, SECOND, door, event, snapshot

CHANGES = (Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED)
KINDS = [kind for kind in Kind if kind not in {Kind.ROOM_CREATED, Kind.ROOM_DELETED}]


class Reader:
    """Somebody who follows the tail, and what they were shown since their last snapshot."""

    def __init__(self, tail: Tail) -> None:
        self.begin(tail)

    def begin(self, tail: Tail) -> None:
        self.began = tail.place
        self.subscription = Subscription.begin(ROOM_ID, None, tail.place, door(tail.seq))
        self.shown: list[Place] = []

    @property
    def cursor(self) -> Place:
        return self.subscription.cursor


class Merging(RuleBasedStateMachine):
    """A log that grows and may lose its end, publications that are lost, doubled and late, and a tail that follows by the rules.

    What the keeper does around tail and parking is done here by hand, a step at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = [event(1)]
        self.before: dict[Place, Place] = {}
        self.epoch = self.known_epoch = FIRST
        self.flying: list[Event] = []
        self.tail: Tail | None = None
        self.opened = self.log[0].place
        self.parking = Parking()
        self.readers: list[Reader] = []

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), data=st.data())
    def commit(self, kinds: list[Kind], data: st.DataObject) -> None:
        for kind in kinds:
            seq = len(self.log) + 1
            target = Seq(data.draw(st.integers(1, seq - 1))) if kind in CHANGES else None
            subject = UserNumber(data.draw(st.integers(1, 3))) if kind.subject_name == "member" else None
            made = event(seq, kind, epoch=self.epoch, target=target, subject=subject)
            self.before[made.place] = self.log[-1].place
            self.log.append(made)
            self.flying.append(made)

    @rule(lost=st.integers(0, 3))
    def fail_over(self, lost: int) -> None:
        del self.log[max(1, len(self.log) - lost) :]
        self.epoch = Epoch(self.epoch.ordinal + 1, self.epoch.tag + 1)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        arrived = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if self.tail is None or (arrived.epoch == self.known_epoch and self.tail.offer(arrived) is Offer.EARLY):
            self.parking.park(arrived, now=0.0)
        self.settle()

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def double(self, data: st.DataObject) -> None:
        self.flying.append(self.flying[data.draw(st.integers(0, len(self.flying) - 1))])

    @precondition(lambda self: self.tail is None)
    @rule()
    def open(self) -> None:
        self.read_snapshot()
        self.settle()

    @precondition(lambda self: self.tail)
    @rule()
    def audit(self) -> None:
        assert self.tail is not None
        self.known_epoch = self.epoch
        anchor, *missing = self.log[self.tail.seq - 1 :] or [None]
        if anchor is None or anchor.place != self.tail.place:
            self.read_snapshot()
            self.parking.clear()
            for reader in self.readers:
                if reader.cursor not in self.places():
                    reader.begin(self.tail)
        else:
            for each in missing:
                assert self.tail.offer(each, verified=True) is Offer.APPENDED
            self.settle()
        self.stands_as_the_log_does()

    @precondition(lambda self: self.tail)
    @rule()
    def forget(self) -> None:
        assert self.tail is not None
        self.tail.forget_events()

    @precondition(lambda self: self.tail)
    @rule()
    def join(self) -> None:
        assert self.tail is not None
        self.readers.append(Reader(self.tail))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), limit=st.integers(1, 5))
    def read(self, data: st.DataObject, limit: int) -> None:
        assert self.tail is not None
        reader = data.draw(st.sampled_from(self.readers))
        entries = self.tail.after(reader.cursor.seq, limit)
        if entries is None:
            reader.begin(self.tail)
            return
        for entry in entries:
            assert reader.subscription.advance(entry.event) is Step.SHOW
            reader.shown.append(entry.event.place)

    def read_snapshot(self) -> None:
        self.opened = self.log[-1].place
        self.tail = Tail(APP, ROOM, snapshot(self.opened.seq, epoch=self.opened.epoch))

    def settle(self) -> None:
        if self.tail is None:
            return
        while (parked := self.parking.take(Seq(self.tail.seq + 1))) is not None:
            if parked.epoch != self.known_epoch or self.tail.offer(parked) is not Offer.APPENDED:
                break
        self.parking.leave_behind(self.tail.seq, now=0.0)

    def places(self) -> list[Place]:
        return [each.place for each in self.log]

    def stands_as_the_log_does(self) -> None:
        """Once it has been compared with the database: its end, its state, and where its readers are."""
        assert self.tail is not None
        assert self.tail.place == self.log[-1].place
        fold = Fold(snapshot(self.opened.seq))
        for each in self.log[self.opened.seq :]:
            fold.apply(each)
        assert all(getattr(self.tail.fold, name) == getattr(fold, name) for name in Fold.__slots__)
        assert {reader.cursor for reader in self.readers} <= set(self.places())

    @invariant()
    def no_event_stands_where_it_was_not_written(self) -> None:
        """What follows an event, in the ring and for each reader, was written as the next after just that one."""
        runs = [[reader.began, *reader.shown] for reader in self.readers]
        if self.tail is not None:
            ring = [entry.event.place for entry in self.tail.after(self.tail.base, RING_EVENTS) or ()]
            runs.append(ring if self.tail.base > self.opened.seq else [self.opened, *ring])
        for run in runs:
            assert [self.before[place] for place in run[1:]] == run[:-1]

    def teardown(self) -> None:
        if self.tail is not None:
            self.audit()


TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


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
