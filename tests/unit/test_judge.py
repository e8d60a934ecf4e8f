"""Judging cursors."""

import pytest

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
