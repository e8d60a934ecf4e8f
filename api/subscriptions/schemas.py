"""The realtime protocol's shapes: tickets, queries, and every frame that a client may be told.

`frames` writes the frames as text, which is faster; the tests hold all that it writes against these shapes.
"""

from typing import Annotated, Any, TypeAlias

import msgspec

from api.ids import MAX_NUMBER
from api.messages.schemas import MessageView
from api.names import RoomIdText, UserIdText
from api.subscriptions.frames import DEFAULT_LAST, MAX_LAST, Id
from api.subscriptions.judge import ResetReason
from api.texts import Moment

Last = Annotated[int, msgspec.Meta(ge=0, le=MAX_LAST)]
Cursor = Annotated[str, msgspec.Meta(max_length=256)]
SeqText = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
MAX_WAIT_S = 60
DEFAULT_WAIT_S = 25
MAX_FRAMES = 500
DEFAULT_FRAMES = 100


class TicketView(msgspec.Struct):
    """A ticket for a browser's EventSource."""

    ticket: str
    url: str
    """Path and query to follow the room with; the host is the one that was asked."""
    expires_at: Moment
    """When it ends at the latest."""
    idle_s: int
    """How long it outlives its last use before."""


class SubscribeQuery(msgspec.Struct):
    """From where a stream is to begin; the header `Last-Event-ID`, which an EventSource sends by itself, goes before `cursor`."""

    cursor: Cursor | None = None
    """The cursor to go on from; without one the stream begins with a snapshot."""
    last: Last = DEFAULT_LAST
    """How many of the last messages a snapshot holds."""
    ticket: str | None = None
    """A ticket in place of the header `Authorization`."""


class PollQuery(msgspec.Struct):
    """From where to poll and for how long."""

    after: Cursor | None = None
    """The cursor of the answer before; without one the answer is a snapshot, at once."""
    wait: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT_S)] = DEFAULT_WAIT_S
    """For how many seconds to wait for the first frame."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_FRAMES)] = DEFAULT_FRAMES
    """How many frames at most."""
    last: Last = DEFAULT_LAST
    """How many of the last messages a snapshot holds."""


# ---- what snapshots and events carry


class RoomState(msgspec.Struct, kw_only=True):
    """A room's own facts."""

    id: RoomIdText
    name: str
    private: bool
    data: dict[str, Any]
    created_at: Moment
    updated_seq: int
    updated_at: Moment


class MemberState(msgspec.Struct, kw_only=True):
    """A member as events carry it; each event has the places that it is about."""

    user: UserIdText
    role: str
    """`member` or `admin`."""
    joined_seq: int | msgspec.UnsetType = msgspec.UNSET
    joined_at: Moment | msgspec.UnsetType = msgspec.UNSET
    removed_seq: int | msgspec.UnsetType = msgspec.UNSET


class Membership(msgspec.Struct, kw_only=True):
    """The reader's own membership."""

    user: UserIdText
    role: str
    joined_seq: int
    joined_at: Moment
    history_visible_from: int
    read_seq: int


class Permissions(msgspec.Struct):
    """What the reader may do in the room."""

    send: bool
    manage: bool


class Snapshot(msgspec.Struct, kw_only=True):
    """A room as it stands at `seq`: the fold of its log up to there; the next event is `seq` + 1."""

    room: RoomState
    seq: int
    cursor: Cursor
    floor: int
    """The first seq that the room still has."""
    membership: Membership | None
    """Null for a reader of a public room who is no member, and for an API key."""
    permissions: Permissions
    members: list[MemberState]
    """The first 100 by joining."""
    member_count: int
    messages: list[MessageView]
    """The last ones, oldest first."""
    message_count: int
    reads: dict[str, int]
    """Read cursors by user, as far as `members` lists them; they are no part of the log."""


class ProblemView(msgspec.Struct, kw_only=True):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    """One sentence that names the way out."""
    status: int
    code: str
    """Stable; what it means stands in the list of problems. New ones may come."""
    detail: str | msgspec.UnsetType = msgspec.UNSET
    pointer: str | msgspec.UnsetType = msgspec.UNSET
    """A JSON pointer to what is wrong in the request's body."""
    retry_after_ms: int | msgspec.UnsetType = msgspec.UNSET
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    """To ask us about."""


# ---- frames that answer


class _Answer(msgspec.Struct, tag_field="type", kw_only=True):
    id: Id | msgspec.UnsetType = msgspec.UNSET
    """The mark of the frame that this answers."""


class Subscribed(_Answer, tag="subscribed", kw_only=True):
    """From here on a room's frames come; `resumed`: the cursor was good, and the next event is `seq` + 1."""

    room: RoomIdText
    seq: int
    cursor: Cursor
    resumed: bool


class Unsubscribed(_Answer, tag="unsubscribed", kw_only=True):
    """No frame of this room follows: `requested`, `room_deleted`, `not_granted` or `lost`."""

    room: str
    reason: str


class Ack(_Answer, tag="ack", kw_only=True):
    """A write is durable; with nothing but `room`, nothing had to be written."""

    room: RoomIdText
    seq: int | msgspec.UnsetType = msgspec.UNSET
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    at: Moment | msgspec.UnsetType = msgspec.UNSET
    replayed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the same write under the same key had been made before."""
    number: int | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
    """The id of a message that was sent."""


class ErrorFrame(_Answer, tag="error", kw_only=True):
    """What was asked was not done."""

    room: str | msgspec.UnsetType = msgspec.UNSET
    problem: ProblemView


class Authenticated(_Answer, tag="authenticated", kw_only=True):
    """The connection goes on with the credential that was sent."""

    expires_at: Moment | None


class Pong(_Answer, tag="pong", kw_only=True):
    """The answer to a `ping`."""


# ---- frames of a room


class SnapshotFrame(msgspec.Struct, tag_field="type", tag="snapshot"):
    """A room as it stands."""

    room: RoomIdText
    snapshot: Snapshot


class Reset(msgspec.Struct, tag_field="type", tag="reset"):
    """The cursor cannot be continued; this replaces all that the client had of the room."""

    room: RoomIdText
    reason: ResetReason
    snapshot: Snapshot


class Revoked(msgspec.Struct, tag_field="type", tag="revoked"):
    """The event at `seq` took the right to read; nothing of this room follows."""

    room: RoomIdText
    seq: int
    reason: str


class _Placed(msgspec.Struct, tag_field="type", kw_only=True):
    room: RoomIdText
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: Cursor
    """All that must be remembered to go on from here."""


class Hidden(_Placed, tag="hidden", kw_only=True):
    """An event that this user may not see took this place."""


class _Event(_Placed):
    at: Moment


class MessageCreated(_Event, tag="message.created", kw_only=True):
    """A message was sent."""

    message: MessageView


class MessageEdited(_Event, tag="message.edited", kw_only=True):
    """A message says something else now."""

    message: MessageView


class MessageDeleted(_Event, tag="message.deleted", kw_only=True):
    """A message was deleted."""

    message: MessageView


class MemberAdded(_Event, tag="member.added", kw_only=True):
    """A user became a member."""

    member: MemberState


class MemberRemoved(_Event, tag="member.removed", kw_only=True):
    """A user is no member any more."""

    member: MemberState


class MemberRoleChanged(_Event, tag="member.role_changed", kw_only=True):
    """A member has another role."""

    member: MemberState


class RoomCreated(_Event, tag="room.created", kw_only=True):
    """The room was made: always the first event of its log."""

    state: RoomState


class RoomUpdated(_Event, tag="room.updated", kw_only=True):
    """The room's name, privacy or data changed."""

    state: RoomState


class RoomDeleted(_Event, tag="room.deleted", kw_only=True):
    """The room was deleted: the last event of its log."""

    state: RoomState


# ---- frames of the connection


class Connected(msgspec.Struct, tag_field="type", tag="connected"):
    """The credential holds; the first frame of a socket."""

    user: UserIdText | None
    """Null for an API key."""
    heartbeat_ms: int
    """Something is sent at least that often; who hears nothing for twice as long reconnects."""
    max_frame_bytes: int


class Stalled(msgspec.Struct, tag_field="type", tag="stalled"):
    """The database is out of reach: nothing durable is delivered until `live`."""


class Live(msgspec.Struct, tag_field="type", tag="live"):
    """Delivery goes on."""


class Heartbeat(msgspec.Struct, tag_field="type", tag="heartbeat"):
    """Nothing else was to be said."""


class AuthExpiring(msgspec.Struct, tag_field="type", tag="auth.expiring"):
    """The credential is about to end: send `auth` with another."""

    expires_at: Moment
    in_ms: int


class Reconnect(msgspec.Struct, tag_field="type", tag="reconnect"):
    """The process is going; after that time, which differs from client to client, open a new connection and resume there."""

    after_ms: int


class Closed(msgspec.Struct, tag_field="type", tag="closed"):
    """The last frame of a stream of server-sent events, which has no close codes of its own."""

    code: int
    reason: str


EventFrame: TypeAlias = (
    MessageCreated
    | MessageEdited
    | MessageDeleted
    | MemberAdded
    | MemberRemoved
    | MemberRoleChanged
    | RoomCreated
    | RoomUpdated
    | RoomDeleted
    | Hidden
)
"""What has a place in a room's log."""

ServerFrame: TypeAlias = (
    EventFrame
    | Connected
    | Subscribed
    | Unsubscribed
    | SnapshotFrame
    | Reset
    | Revoked
    | Stalled
    | Live
    | Heartbeat
    | AuthExpiring
    | Authenticated
    | Reconnect
    | Closed
    | Ack
    | ErrorFrame
    | Pong
)
"""All that a client may be told."""


class PollAnswer(msgspec.Struct):
    """What came after a cursor, and the cursor to pass next."""

    frames: list[ServerFrame]
    cursor: Cursor | None
