"""Logs made up for tests of pure code."""

from msgspec.structs import replace

from api.ids import Epoch, RoomId, RoomNumber, Seq
from api.log.event import Event, Kind
from api.log.views import Door, Membership, RoomRow, Snapshot
from tenants.ids import AppId, UserNumber

APP, ROOM, ROOM_ID = AppId(1), RoomNumber(7), RoomId("r")
FIRST = Epoch(1, 11)
SECOND = Epoch(2, 22)
AT = "2026-01-01T00:00:00.000Z"


def event(seq: int, kind: Kind = Kind.MESSAGE_CREATED, *, epoch: Epoch = FIRST, **more: object) -> Event:
    """An event of the room at a seq; messages say their seq."""
    is_message = kind in {Kind.MESSAGE_CREATED, Kind.MESSAGE_EDITED}
    made = Event(
        app=APP,
        room=ROOM,
        seq=Seq(seq),
        epoch=epoch,
        kind=kind,
        at=AT,
        facts='"sender":"ann"',
        body=f'"text":"{seq}"' if is_message else "",
        number=seq if kind is Kind.MESSAGE_CREATED else None,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def snapshot(seq: int, *, epoch: Epoch = FIRST) -> Snapshot:
    """The room at a seq, with nothing in it."""
    row = RoomRow("R", "{}", private=False, created_at=AT, updated_seq=Seq(1), updated_at=AT, deleted=False)
    return Snapshot(ROOM_ID, row, Seq(seq), epoch, Seq(1), [], 0, [], 0)


def door(head: int, *, cursor_epoch: int | None = 1, private: bool = False, joined: int | None = None) -> Door:
    """The room's door for a member since `joined`, or for a stranger."""
    membership = None if joined is None else Membership("member", Seq(joined), AT, Seq(0), Seq(0))
    return Door(ROOM, private, Seq(head), Seq(1), membership, cursor_epoch, {})


ANN = UserNumber(3)
