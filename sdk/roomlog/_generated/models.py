"""What the API takes and gives. Written by `python -m sdk.generator`; not to be edited.

A newer server may send more: fields that are not known here are passed over, and members of unions that are not known here
come as `Unknown`.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from roomlog.unknown import Unknown

Algorithm: TypeAlias = Literal[
    "ES256",
    "EdDSA",
    "HS256",
]
"""How an app's tokens are signed."""

Grant: TypeAlias = Literal[
    "app:manage",
    "messages:read",
    "messages:write",
    "rooms:read",
    "rooms:write",
    "tokens:create",
    "users:read",
    "users:write",
]
"""One thing that a credential may do."""

ResetReason: TypeAlias = Literal[
    "ahead_of_log",
    "cursor_invalid",
    "epoch_lost",
    "history_truncated",
    "membership",
    "room_recreated",
]
"""Why a cursor cannot be continued."""


class Ack(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="ack"):
    """A write is durable; with nothing but `room`, nothing had to be written."""

    room: str
    id: str | int | None = None
    """The mark of the frame that this answers."""
    seq: int | None = None
    cursor: str | None = None
    at: str | None = None
    replayed: bool | None = None
    """Whether the same write under the same key had been made before."""
    number: int | None = None
    message: str | None = None
    """The id of a message that was sent."""


class Auth(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="auth"):
    """The first frame of a client that could not send a header; later, another credential of the same caller."""

    token: str
    id: str | int | None = None


class AuthExpiring(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="auth.expiring"):
    """The credential is about to end: send `auth` with another."""

    expires_at: str
    in_ms: int


class Authenticated(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="authenticated"):
    """The connection goes on with the credential that was sent."""

    expires_at: str | None
    id: str | int | None = None
    """The mark of the frame that this answers."""


class BatchMember(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a user of a batch."""

    user: str
    added: bool
    """False for who was a member before."""
    seq: int | None
    """Of the event that added the user; null where none had to."""


class BatchMemberRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user of a batch, to be added."""

    user: str
    role: str = "member"
    history: str = "all"


class BatchUser(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user of a batch, as it stands after it."""

    id: str
    name: str
    data: dict[str, Any]
    created_at: str
    updated_at: str
    is_new: bool


class BatchUserRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user of a batch, with what is to be set of it."""

    id: str
    name: str | None = None
    data: dict[str, Any] | None = None


class Closed(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="closed"):
    """The last frame of a stream of server-sent events, which has no close codes of its own."""

    code: int
    reason: str


class Connected(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="connected"):
    """The credential holds; the first frame of a socket."""

    user: str | None
    """Null for an API key."""
    heartbeat_ms: int
    """Something is sent at least that often; who hears nothing for twice as long reconnects."""
    max_frame_bytes: int


class DataPart(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="data"):
    """Anything else as text, in the encoding that its media type means; base64 for bytes."""

    media_type: str
    data: str


class Delete(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="delete"):
    """Delete a message."""

    room: str
    message: str
    key: str | None = None
    as_: str | None = msgspec.field(name="as", default=None)
    id: str | int | None = None


class TextPart(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="text"):
    """Words."""

    text: str


class UrlPart(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="url"):
    """A link, by http or https, and what lies behind it."""

    url: str
    media_type: str | None = None


Part: TypeAlias = TextPart | UrlPart | DataPart | Unknown
"""A part of a message: words, a link to what is kept elsewhere, or data."""


class Edit(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="edit"):
    """Edit a message."""

    parts: list[Part]
    room: str
    message: str
    metadata: dict[str, Any] | None = None
    expected_seq: int | None = None
    """The `updated_seq` that it must still have."""
    id: str | int | None = None
    key: str | None = None
    as_: str | None = msgspec.field(name="as", default=None)


class EditedMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a message is to become."""

    parts: list[Part]
    metadata: dict[str, Any] | None = None
    expected_seq: int | None = None
    """The `updated_seq` that it must still have."""


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    """One sentence that names the way out."""
    status: int
    code: str
    """Stable; what it means stands in the list of problems. New ones may come."""
    detail: str | None = None
    pointer: str | None = None
    """A JSON pointer to what is wrong in the request's body."""
    retry_after_ms: int | None = None
    request_id: str | None = None
    """To ask us about."""


class ErrorFrame(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """What was asked was not done."""

    problem: Problem
    id: str | int | None = None
    """The mark of the frame that this answers."""
    room: str | None = None


class Heartbeat(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="heartbeat"):
    """Nothing else was to be said."""


class Hidden(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="hidden"):
    """An event that this user may not see took this place."""

    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""


class Job(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job: what it does, how much of it is done, and whether it is finished."""

    id: str
    kind: str
    done: int
    """Rows and events dealt with so far."""
    created_at: str
    finished_at: str | None


class Jwk(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A public key as a JSON Web Key (RFC 7517)."""

    kty: str
    crv: str
    kid: str
    """As in the header of the tokens that it verifies."""
    alg: str
    use: str
    x: str
    y: str | None = None
    """Where the curve has one: for ES256."""


class Jwks(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A JSON Web Key set (RFC 7517)."""

    keys: list[Jwk]


class Key(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An API key; `key` is there once, in the answer that made it."""

    id: str
    label: str
    grants: list[str]
    created_at: str
    expires_at: str | None
    last_used_on: str | None
    revoked_at: str | None
    seen_in_browser_at: str | None
    """When it last came from a browser, where anybody can read it: revoke it then."""
    key: str | None = None


class KeyList(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An app's API keys."""

    keys: list[Key]


class KeyRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A new API key: its label, for people; what it may do; until when it holds."""

    label: str
    grants: list[str] | None = None
    """What is absent is everything but `app:manage`, as far as the key that asks may do it itself."""
    expires_at: str | None = None


class KeyRotation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """For how long the secret that is replaced goes on to hold."""

    overlap_s: int = 86400


class Limit(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One limit: in the long run `per_s` times a second, at once `burst` times."""

    name: str
    per_s: float
    burst: int


class Limits(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that an app's policy says of how often and how much."""

    limits: list[Limit]
    quotas: dict[str, int]


class Live(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="live"):
    """Delivery goes on."""


class Member(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A member of a room."""

    user: str
    role: str
    """`member` or `admin`."""
    joined_seq: int
    joined_at: str
    history_visible_from: int
    """The seq of the first message that this member may read; 0: all."""


class MemberState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A member as events carry it; each event has the places that it is about."""

    user: str
    role: str
    """`member` or `admin`."""
    joined_seq: int | None = None
    joined_at: str | None = None
    removed_seq: int | None = None


class MemberAdded(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="member.added"):
    """A user became a member."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    member: MemberState


class MemberBatch(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of the users of a batch, in its order."""

    members: list[BatchMember]


class MemberBatchRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Users to be added together; who is a member already stays as it is."""

    members: list[BatchMemberRequest]


class MemberChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a user is to belong to a room; what is absent stays, or for a new member: `member`, `all`."""

    role: str | None = None
    history: str = "all"
    """Whether a new member may read what was said before."""


class MemberPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Members, in the order of their joining."""

    members: list[Member]
    previous: int | None
    """Pass as `before` for the page before this one; null at the beginning."""
    next: int | None
    """Pass as `after` for the next page; null at the end."""
    member_count: int


class MemberRemoved(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="member.removed"):
    """A user is no member any more."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    member: MemberState


class MemberRoleChanged(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="member.role_changed"):
    """A member has another role."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    member: MemberState


class Membership(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The reader's own membership."""

    user: str
    role: str
    joined_seq: int
    joined_at: str
    history_visible_from: int
    read_seq: int


class Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message as it stands; of one that was deleted its words are gone and its place stays."""

    id: str
    seq: int
    """The place in the log of the event that created it."""
    number: int
    """Its place among the room's messages: 1, 2, 3 … without gaps."""
    updated_seq: int
    """The place in the log of the last event that changed it."""
    created_at: str
    sender: str
    parts: list[Part] | None = None
    metadata: dict[str, Any] | None = None
    edited_at: str | None = None
    deleted_at: str | None = None
    """There, and `parts` and `metadata` absent, once it has been deleted."""
    redacted: bool | None = None
    """True in an older event of a message that has been deleted since: it tells the message without its words.
    Never false, but absent otherwise.
    """


class MessageCreated(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="message.created"):
    """A message was sent."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    message: Message


class MessageDeleted(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="message.deleted"):
    """A message was deleted."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    message: Message


class MessageEdited(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="message.edited"):
    """A message says something else now."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    message: Message


class MessagePage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Messages of a room, oldest first."""

    messages: list[Message]
    previous: int | None
    """Pass as `before` for the page before this one; null at the beginning."""
    next: int | None
    """Pass as `after` for the next page; null at the end."""
    seq: int
    """The head of the room's log when this was read."""


class NewMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message to be sent."""

    parts: list[Part]
    metadata: dict[str, Any] | None = None


class NewRoomRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A room to be made, or found if there is one of that id."""

    id: str | None = None
    """Without one the room is given an id."""
    name: str | None = None
    private: bool = False
    """Whether only members may read it."""
    data: dict[str, Any] | None = None
    members: list[str] | None = None
    direct_with: str | None = None
    """The user with whom the caller's user wants its 1:1 room."""
    direct: list[str] | None = None
    """The two whose 1:1 room it is to be, named by an API key."""


class Permissions(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the reader may do in the room."""

    send: bool
    manage: bool


class Ping(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="ping"):
    """Ask for a `pong`."""

    id: str | int | None = None


class RoomState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A room's own facts."""

    id: str
    name: str
    private: bool
    data: dict[str, Any]
    created_at: str
    updated_seq: int
    updated_at: str


class RoomCreated(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="room.created"):
    """The room was made: always the first event of its log."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    state: RoomState


class RoomUpdated(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="room.updated"):
    """The room's name, privacy or data changed."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    state: RoomState


class RoomDeleted(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="room.deleted"):
    """The room was deleted: the last event of its log."""

    at: str
    room: str
    seq: int
    """The event's place in the room's log: always the one before, plus one."""
    cursor: str
    """All that must be remembered to go on from here."""
    state: RoomState


class Subscribed(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="subscribed"):
    """From here on a room's frames come; `resumed`: the cursor was good, and the next event is `seq` + 1."""

    room: str
    seq: int
    cursor: str
    resumed: bool
    id: str | int | None = None
    """The mark of the frame that this answers."""


class Unsubscribed(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="unsubscribed"):
    """No frame of this room follows: `requested`, `room_deleted`, `not_granted` or `lost`."""

    room: str
    reason: str
    id: str | int | None = None
    """The mark of the frame that this answers."""


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A room as it stands at `seq`: the fold of its log up to there; the next event is `seq` + 1."""

    room: RoomState
    seq: int
    cursor: str
    floor: int
    """The first seq that the room still has."""
    membership: Membership | None
    """Null for a reader of a public room who is no member, and for an API key."""
    permissions: Permissions
    members: list[MemberState]
    """The first 100 by joining."""
    member_count: int
    messages: list[Message]
    """The last ones, oldest first."""
    message_count: int
    reads: dict[str, int]
    """Read cursors by user, as far as `members` lists them; they are no part of the log."""


class SnapshotFrame(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="snapshot"):
    """A room as it stands."""

    room: str
    snapshot: Snapshot


class Reset(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="reset"):
    """The cursor cannot be continued; this replaces all that the client had of the room."""

    room: str
    reason: str
    snapshot: Snapshot


class Revoked(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="revoked"):
    """The event at `seq` took the right to read; nothing of this room follows."""

    room: str
    seq: int
    reason: str


class Stalled(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="stalled"):
    """The database is out of reach: nothing durable is delivered until `live`."""


class Reconnect(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="reconnect"):
    """The process is going; after that time, which differs from client to client, open a new connection and
    resume there.
    """

    after_ms: int


class Pong(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="pong"):
    """The answer to a `ping`."""

    id: str | int | None = None
    """The mark of the frame that this answers."""


ServerFrame: TypeAlias = (
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
    | Unknown
)
"""What a server says while a room is followed. New types may come: pass them over."""


class PollAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What came after a cursor, and the cursor to pass next."""

    frames: list[ServerFrame]
    cursor: str | None


class ReadCursor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Up to which seq a member has read a room."""

    seq: int


class Room(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A room as it stands."""

    id: str
    name: str
    private: bool
    direct: list[str] | None
    """The ids of the two whose 1:1 room it is; null for all others."""
    data: dict[str, Any]
    created_at: str
    updated_seq: int
    updated_at: str
    member_count: int
    message_count: int
    seq: int
    """The head of its log."""
    role: str | None
    """The caller's role, if it is a member; in the list of a user's rooms, that user's."""
    etag: str | None = None
    """The tag of this state, for `if_match`; it comes in the answer's header `ETag`."""


class RoomChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of a room; what is absent stays."""

    name: str | None = None
    private: bool | None = None
    data: dict[str, Any] | None = None
    expected_seq: int | None = None
    """The `updated_seq` that it must still have."""


class RoomPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Rooms, newest first; by name where a prefix of it was given."""

    rooms: list[Room]
    next: str | None
    """Pass as `after` for the next page; null at the end."""


class RoomRetention(msgspec.Struct, kw_only=True, omit_defaults=True):
    """For how long a room keeps its events; null: as long as its app says."""

    retention_s: int | None


class Send(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="send"):
    """Send a message."""

    parts: list[Part]
    room: str
    metadata: dict[str, Any] | None = None
    id: str | int | None = None
    key: str | None = None
    as_: str | None = msgspec.field(name="as", default=None)


class SigningKey(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A signing key; `secret` (base64url) is there once, in the answer that made it, if it was to be revealed."""

    id: str
    algorithm: str
    state: str
    """`active`: signs; `verify_only`; `retired`: neither."""
    customer_signs: bool
    public_key: str | None
    created_at: str
    retired_at: str | None
    secret: str | None = None


class SigningKeyList(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An app's signing keys."""

    signing_keys: list[SigningKey]


class SigningKeyRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A new signing key: its algorithm, and who signs with it."""

    algorithm: str = "HS256"
    public_key: str | None = None
    """The customer's own, as PEM; then we only verify."""
    reveal: bool = False
    """Whether the answer is to show the secret of an HS256 key, for the customer to sign with."""


class Wanted(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A room to open: from a cursor, or from a snapshot with the last messages."""

    room: str
    cursor: str | None = None
    last: int = 50


class Subscribe(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="subscribe"):
    """Open rooms."""

    rooms: list[Wanted]
    id: str | int | None = None


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the app did in one hour or day (UTC).

    `messages` were sent, each once. `deliveries` are events handed to subscribers, each for each of them.
    `connections` are sockets and streams that were opened, and long polls. `active_users` were connected or
    sent a message, each once; null once that is no longer known, after 62 days.
    """

    begins_at: str
    messages: int
    deliveries: int
    connections: int
    active_users: int | None


class Ticket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A ticket for a browser's EventSource."""

    ticket: str
    url: str
    """Path and query to follow the room with; the host is the one that was asked."""
    expires_at: str
    """When it ends at the latest."""
    idle_s: int
    """How long it outlives its last use before."""


class Token(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user's token."""

    token: str
    user: str
    expires_at: str


class TokenRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user, for how long, and what the token is narrowed to."""

    user: str
    ttl_s: int = 3600
    grants: list[str] | None = None
    """What is absent is all that the user may do."""
    rooms: list[str] | None = None
    """What is absent is all rooms that the user reaches."""


class TokenRevocation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Which tokens are to hold no more: one of the three."""

    token: str | None = None
    jti: str | None = None
    all: bool = False
    """All that were issued so far."""


class Unsubscribe(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="unsubscribe"):
    """Leave off reading rooms."""

    rooms: list[str]
    id: str | int | None = None


class Usage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An app's tallies, oldest first, none left out up to the hour or day under way, which is still being
    counted.
    """

    by: str
    tallies: list[Tally]


class User(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user of an app."""

    id: str
    name: str
    data: dict[str, Any]
    created_at: str
    updated_at: str
    etag: str | None = None
    """The tag of this state, for `if_match`; it comes in the answer's header `ETag`."""


class UserBatch(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of the users of a batch, in its order."""

    users: list[BatchUser]


class UserBatchRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Users to be made or changed together."""

    users: list[BatchUserRequest]


class UserChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is to be set of a user; what is absent stays, or for a new user: the id as name, no data."""

    name: str | None = None
    data: dict[str, Any] | None = None


class UserPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Users in the order of their ids, byte by byte."""

    users: list[User]
    next: str | None
    """Pass as `after` for the next page; null at the end."""


ClientFrame: TypeAlias = Auth | Subscribe | Unsubscribe | Send | Edit | Delete | Ping | Unknown
"""What a client says on a WebSocket."""

Event: TypeAlias = (
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
    | Unknown
)
"""What took a place in a room's log; `hidden` where this reader may not see what it was."""
