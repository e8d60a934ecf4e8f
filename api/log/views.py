"""What is read of logs: the values that reading gives, and pure code judges and folds."""

from dataclasses import dataclass

from api.ids import Epoch, RoomId, RoomNumber, Seq
from api.log.event import Event
from tenants.ids import AppId, UserId, UserNumber

MEMBERS_IN_SNAPSHOT = 100
MESSAGES_IN_SNAPSHOT = 100


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's membership in a room, as it stood when it was read."""

    role: str
    joined_seq: Seq
    joined_at: str
    visible_from: Seq
    read_seq: Seq


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants to open which room, and from where."""

    app: AppId
    room_id: RoomId
    user: UserNumber | None
    cursor_seq: Seq | None
    """The seq of the cursor that was brought; None for a fresh opening, which reads others' read cursors too."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a room stood at one moment, and how the asker stood to it."""

    room: RoomNumber
    private: bool
    head: Seq
    floor: Seq
    membership: Membership | None
    cursor_epoch: int | None
    """The epoch's ordinal of the event at the asked seq; None if there is no such event."""
    reads: dict[UserId, Seq]


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as a snapshot lists it."""

    number: UserNumber
    id: UserId
    role: str
    joined_seq: Seq
    joined_at: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as it stands: the seq and number of its creation, and the newest event about it."""

    seq: Seq
    number: int
    latest: Event


@dataclass(frozen=True, slots=True)
class RoomRow:
    """What a room's row says of it."""

    name: str
    data: str
    private: bool
    created_at: str
    updated_seq: Seq
    updated_at: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A room at one seq, read in one statement: equal to the fold of its log up to there."""

    room_id: RoomId
    room: RoomRow
    seq: Seq
    epoch: Epoch
    floor: Seq
    members: list[MemberRow]
    member_count: int
    messages: list[MessageRow]
    """The last messages, oldest first."""
    message_count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A room's head and floor, and which epoch wrote the event at a place that was asked about."""

    app: AppId
    room: RoomNumber
    head: Seq | None
    floor: Seq
    epoch_there: int | None
