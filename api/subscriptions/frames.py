"""Frames: what clients may say on a socket, and what they are told. `openapi/realtime.md` describes them to their readers."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Annotated, TypeAlias

import msgspec

from api.ids import RoomId, Seq, write_cursor, write_message_id
from api.log.answers import Written
from api.log.event import Kind, member_facts
from api.log.views import Door, Membership
from api.messages.schemas import EditedMessage, NewMessage
from api.subscriptions.judge import ResetReason
from api.tails.tail import Tail
from tenants.ids import UserId
from tenants.scope import Caller

MAX_FRAME_BYTES = 128 * 1024
MAX_AUTH_BYTES = 8 * 1024
MAX_SUBSCRIPTIONS = 1_000
DEFAULT_LAST = 50
MAX_LAST = 100

Id = str | int | None
"""A client's own mark on a frame; the answer carries it."""
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class CloseCode(IntEnum):
    """Why the server closes a socket; and so, after the semicolon, what its client should do."""

    ENDED = 1000
    """You closed, or on SSE: the room has ended for you."""
    RESTART = 1012
    """The server restarts; reconnect after a random delay, resume."""
    OVERLOADED = 1013
    """Overloaded; reconnect after 5 s or more, resume."""
    BAD_FRAME = 4400
    """A frame that is not JSON, not an object, or binary; mend the client."""
    UNAUTHENTICATED = 4401
    """No credential in time, or it does not hold or has expired; get a new token, resume."""
    REVOKED = 4403
    """The credential was revoked, the app is suspended (`app_suspended`) or does not list your page (`origin_not_allowed`); do
    not reconnect with it."""
    APP_DELETED = 4404
    """The app has been deleted; do not reconnect."""
    SLOW = 4408
    """No progress for 30 s while data was waiting (after a long frame 1 s more for each 32 KiB of it); resume."""
    TOO_LARGE = 4413
    """A frame over its limit; mend the client."""
    TOO_MANY_FRAMES = 4429
    """Too many frames, or pings of the protocol: more than 50/s after a burst of 200; wait 5 s, resume."""
    FAULT = 4500
    """A fault of ours; resume with back-off."""


# ---- what clients say


class _Frame(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True):
    id: Id = None


class Auth(_Frame, tag="auth"):
    """The first frame of a client that could not send a header; later, another credential of the same caller."""

    token: str


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A room to open: from a cursor, or from a snapshot with the last messages."""

    room: str
    cursor: str | None = None
    last: Annotated[int, msgspec.Meta(ge=0, le=MAX_LAST)] = DEFAULT_LAST


Rooms = Annotated[list[Wanted], msgspec.Meta(min_length=1, max_length=MAX_SUBSCRIPTIONS)]


class Subscribe(_Frame, tag="subscribe"):
    """Open rooms."""

    rooms: Rooms


class Unsubscribe(_Frame, tag="unsubscribe"):
    """Leave off reading rooms."""

    rooms: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_SUBSCRIPTIONS)]


class Send(NewMessage, tag_field="op", tag="send", forbid_unknown_fields=True, kw_only=True):
    """Send a message."""

    id: Id = None
    room: str
    key: Key | None = None
    act_as: str | None = msgspec.field(default=None, name="as")


class Edit(EditedMessage, tag_field="op", tag="edit", forbid_unknown_fields=True, kw_only=True):
    """Edit a message."""

    id: Id = None
    room: str
    message: str
    key: Key | None = None
    act_as: str | None = msgspec.field(default=None, name="as")


class Delete(_Frame, tag="delete"):
    """Delete a message."""

    room: str
    message: str
    key: Key | None = None
    act_as: str | None = msgspec.field(default=None, name="as")


class Ping(_Frame, tag="ping"):
    """Ask for a `pong`."""


ClientFrame: TypeAlias = Auth | Subscribe | Unsubscribe | Send | Edit | Delete | Ping
Write = Send | Edit | Delete


# ---- what they are told


STALLED = '{"type":"stalled"}'
LIVE = '{"type":"live"}'
HEARTBEAT = '{"type":"heartbeat"}'


PASSING = (STALLED, LIVE, HEARTBEAT, '{"type":"reconnect"')
"""How frames begin that speak of the stream itself and of no room."""


def connected(user: UserId | None, heartbeat_s: float) -> str:
    """Greet a client whose credential held."""
    return _json(
        {
            "type": "connected",
            "user": user,
            "heartbeat_ms": round(heartbeat_s * 1000),
            "max_frame_bytes": MAX_FRAME_BYTES,
        }
    )


def subscribed(mark: Id, room_id: RoomId, *, seq: Seq, cursor: str, resumed: bool) -> str:
    """Open a room's run of frames."""
    return _answer(
        mark,
        {"type": "subscribed", "room": room_id, "seq": seq, "cursor": cursor, "resumed": resumed},
    )


def unsubscribed(mark: Id, room_id: str, reason: str) -> str:
    """Close a room's run of frames."""
    return _answer(mark, {"type": "unsubscribed", "room": room_id, "reason": reason})


def revoked(room_id: RoomId, seq: Seq, reason: str) -> str:
    """Tell a reader that the event at `seq` took the right to read."""
    return _json({"type": "revoked", "room": room_id, "seq": seq, "reason": reason})


def reconnect(after_ms: int) -> str:
    """Ask a client to move to another process within this time."""
    return _json({"type": "reconnect", "after_ms": after_ms})


def expiring(expires_at: str, in_ms: int) -> str:
    """Tell a client that its credential is about to end."""
    return _json({"type": "auth.expiring", "expires_at": expires_at, "in_ms": in_ms})


def authenticated(mark: Id, expires_at: str | None) -> str:
    """Tell a client that its connection goes on with the credential that it has sent."""
    return _answer(mark, {"type": "authenticated", "expires_at": expires_at})


def closed(code: CloseCode, reason: str) -> str:
    """Tell the end of a stream that has no close codes of its own."""
    return _json({"type": "closed", "code": int(code), "reason": reason})


def pong(mark: Id) -> str:
    """Answer a ping."""
    return _answer(mark, {"type": "pong"})


def ack(mark: Id, room_id: str, written: Written | None) -> str:
    """Tell a writer that its write is durable; or with None, that nothing had to be written."""
    fields: dict[str, object] = {"type": "ack", "room": room_id}
    if written is not None:
        event = written.event
        fields |= {
            "seq": event.seq,
            "cursor": write_cursor(event.place),
            "at": event.at,
            "replayed": written.replayed,
        }
        if event.kind is Kind.MESSAGE_CREATED:
            fields |= {"number": event.number, "message": write_message_id(event.place)}
    return _answer(mark, fields)


def error(mark: Id, problem: Mapping[str, object], room_id: str | None = None) -> str:
    """Tell a client that what it asked was not done, and the way out."""
    fields: dict[str, object] = {"type": "error"}
    if room_id is not None:
        fields["room"] = room_id
    return _answer(mark, fields | {"problem": problem})


def snapshot(room_id: RoomId, state: str) -> str:
    """Frame a snapshot made by `snapshot_json`."""
    return f'{{"type":"snapshot","room":"{room_id}","snapshot":{state}}}'


def reset(room_id: RoomId, reason: ResetReason, state: str) -> str:
    """Frame a snapshot that replaces all that a client had of a room."""
    return f'{{"type":"reset","room":"{room_id}","reason":"{reason}","snapshot":{state}}}'


def snapshot_json(tail: Tail, door: Door, caller: Caller, *, last: int) -> str:
    """Write the room as it stands at the end of its tail, as this reader may see it."""
    fold = tail.fold
    membership = door.membership
    visible_from = 0 if membership is None else membership.visible_from
    seen = [text for created, text in fold.messages.items() if created >= visible_from]
    user = None if caller.user is None else caller.user.id
    is_app = user is None and not caller.inspects
    permissions = {
        "send": is_app or membership is not None,
        "manage": is_app or (membership is not None and membership.role == "admin"),
    }
    return (
        f'{{"room":{fold.room},"seq":{tail.seq},"cursor":"{write_cursor(tail.place)}","floor":{tail.floor},'
        f'"membership":{_membership_json(user, membership)},"permissions":{_json(permissions)},'
        f'"members":[{",".join(fold.members.values())}],"member_count":{fold.member_count},'
        f'"messages":[{",".join(seen[-last:] if last else ())}],"message_count":{fold.message_count},'
        f'"reads":{_json(door.reads)}}}'
    )


def _membership_json(user: UserId | None, membership: Membership | None) -> str:
    if user is None or membership is None:
        return "null"
    return (
        f"{{{member_facts(user, membership.role)},"
        f'"joined_seq":{membership.joined_seq},"joined_at":"{membership.joined_at}",'
        f'"history_visible_from":{membership.visible_from},"read_seq":{membership.read_seq}}}'
    )


def _answer(mark: Id, fields: Mapping[str, object]) -> str:
    return _json(fields if mark is None else {"id": mark, **fields})


def _json(value: Mapping[str, object] | Mapping[UserId, Seq] | Sequence[object]) -> str:
    return msgspec.json.encode(value).decode()
