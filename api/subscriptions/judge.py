"""Judging a cursor: may a reader go on from it, or must it be reset? Pure."""

from collections.abc import Callable
from enum import StrEnum

from api.ids import Epoch, Place
from api.log.views import Door


class ResetReason(StrEnum):
    """Why a cursor cannot be continued."""

    CURSOR_INVALID = "cursor_invalid"
    ROOM_RECREATED = "room_recreated"
    EPOCH_LOST = "epoch_lost"
    AHEAD_OF_LOG = "ahead_of_log"
    HISTORY_TRUNCATED = "history_truncated"
    MEMBERSHIP = "membership"


def judge(cursor: Place | None, door: Door, *, knows: Callable[[Epoch], bool], newest: Epoch) -> ResetReason | None:
    """Say why a cursor cannot be continued, or None if it can.

    A cursor (epoch e, seq s) is good if its room is this room, e is known, and the event at s was written in an epoch
    not after e: then everything up to s is what its bearer has seen. So a planned switchover resets nobody, and a lost
    tail exactly those who saw it.
    """
    if cursor is None:
        return ResetReason.CURSOR_INVALID
    if cursor.room != door.room:
        return ResetReason.ROOM_RECREATED
    if not knows(cursor.epoch):
        return ResetReason.EPOCH_LOST
    if cursor.seq > door.head:
        return ResetReason.AHEAD_OF_LOG if cursor.epoch == newest else ResetReason.EPOCH_LOST
    if door.cursor_epoch is None:
        return ResetReason.HISTORY_TRUNCATED
    if door.cursor_epoch > cursor.epoch.ordinal:
        return ResetReason.EPOCH_LOST
    if door.private and door.membership is not None and cursor.seq < door.membership.joined_seq:
        return ResetReason.MEMBERSHIP
    return None
