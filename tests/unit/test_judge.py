"""Judging cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ids import Epoch, Place, RoomNumber, Seq
from api.log.views import Door
from api.subscriptions.judge import ResetReason, judge
from tests.unit.logs import FIRST, ROOM, SECOND, door

KNOWN = {FIRST, SECOND}


def judged(place: Place | None, at: Door) -> ResetReason | None:
    return judge(place, at, knows=KNOWN.__contains__, newest=SECOND)


@pytest.mark.parametrize(
    ("place", "at", "reason"),
    [
        (Place(ROOM, FIRST, Seq(5)), door(9), None),
        (Place(ROOM, FIRST, Seq(9)), door(9), None),
        (Place(ROOM, SECOND, Seq(5)), door(9, cursor_epoch=2), None),
        (Place(ROOM, SECOND, Seq(5)), door(9, cursor_epoch=1), None),
        (None, door(9), ResetReason.CURSOR_INVALID),
        (Place(RoomNumber(8), FIRST, Seq(5)), door(9), ResetReason.ROOM_RECREATED),
        (Place(ROOM, Epoch(1, 99), Seq(5)), door(9), ResetReason.EPOCH_LOST),
        (Place(ROOM, Epoch(3, 1), Seq(5)), door(9), ResetReason.EPOCH_LOST),
        (Place(ROOM, FIRST, Seq(5)), door(9, cursor_epoch=2), ResetReason.EPOCH_LOST),
        (Place(ROOM, FIRST, Seq(10)), door(9, cursor_epoch=None), ResetReason.EPOCH_LOST),
        (Place(ROOM, SECOND, Seq(10)), door(9, cursor_epoch=None), ResetReason.AHEAD_OF_LOG),
        (Place(ROOM, FIRST, Seq(2)), door(9, cursor_epoch=None), ResetReason.HISTORY_TRUNCATED),
        (Place(ROOM, FIRST, Seq(5)), door(9, private=True, joined=6), ResetReason.MEMBERSHIP),
        (Place(ROOM, FIRST, Seq(6)), door(9, private=True, joined=6), None),
        (Place(ROOM, FIRST, Seq(5)), door(9, private=False, joined=6), None),
    ],
)
def test_a_cursor_is_continued_or_reset_for_its_reason(
    place: Place | None, at: Door, reason: ResetReason | None
) -> None:
    """A cursor is good if its room is this room, its epoch known, and its event as old as that epoch."""
    assert judged(place, at) is reason


# What happened to a database: so many events were appended, or (less than 1) it was lost and came back without as many.
LIVES = st.lists(st.integers(-6, 6), min_size=1, max_size=30)


@given(LIVES)
def test_whoever_has_seen_nothing_but_what_stands_goes_on_and_nobody_else(lives: list[int]) -> None:
    """Through any sequence of failovers, planned and lossy: a cursor is good exactly if its bearer's past still stands."""
    epochs, log = [(Epoch(1, 1), 0)], [1]
    seen: dict[Place, list[int]] = {}
    written = 1
    by_event = {1: Epoch(1, 1)}
    for tag, change in enumerate(lives, start=2):
        for _ in range(change):
            written += 1
            log.append(written)
            by_event[written] = epochs[-1][0]
        if change < 1:
            log = log[: max(1, len(log) + change)]
            # An epoch that began after what is left has gone with it: its ordinal is given a second time.
            epochs = [(epoch, begun) for epoch, begun in epochs if begun <= len(log)]
            epochs.append((Epoch(epochs[-1][0].ordinal + 1, tag), len(log)))
        for seq, each in enumerate(log, start=1):
            seen[Place(ROOM, by_event[each], Seq(seq))] = log[:seq]
    known = {epoch for epoch, _ in epochs}
    for place, past in seen.items():
        there = by_event[log[place.seq - 1]].ordinal if place.seq <= len(log) else None
        at = door(len(log), cursor_epoch=there)
        is_good = judge(place, at, knows=known.__contains__, newest=epochs[-1][0]) is None
        assert is_good is (past == log[: place.seq]), place
