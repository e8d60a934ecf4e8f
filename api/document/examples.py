"""Examples of the document: one for each shape that a body has, and for each parameter that a path has."""

from typing import Any

from api.cursors.schemas import ReadCursor
from api.edge.told import Shape
from api.jobs.schemas import JobView
from api.keys.schemas import (
    Jwks,
    KeyList,
    KeyRequest,
    KeyRotation,
    KeyView,
    SigningKeyList,
    SigningKeyRequest,
    SigningKeyView,
)
from api.limits.schemas import LimitsView
from api.members.schemas import MemberBatchRequest, MemberBatchView, MemberChange, MemberPage, MemberView
from api.messages.schemas import EditedMessage, MessagePage, MessageView, NewMessage
from api.rooms.schemas import NewRoomRequest, RoomChange, RoomPage, RoomRetention, RoomView
from api.subscriptions.schemas import PollAnswer, TicketView
from api.tokens.schemas import TokenRequest, TokenRevocation, TokenView
from api.usage.schemas import UsageView
from api.users.schemas import UserBatchRequest, UserBatchView, UserChange, UserPage, UserView

Example = dict[str, Any]

AT = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-01T01:00:00.000Z"
CURSOR = "c0123456789abcdef0123456789abcdef"
PARAMETERS = {
    "room_id": "general",
    "user_id": "alice",
    "message_id": "m0123456789abcdef0123456789abcdef",
    "key_id": "0123456789abcdef",
    "job_id": "job_01234567890",
    "app_id": "app_01234567",
}

_ALICE: Example = {"id": "alice", "name": "Alice", "data": {"team": "red"}, "created_at": AT, "updated_at": AT}
_ROOM: Example = {
    "id": "general",
    "name": "General",
    "private": False,
    "direct": None,
    "data": {"topic": "Everything"},
    "created_at": AT,
    "updated_seq": 1,
    "updated_at": AT,
    "member_count": 2,
    "message_count": 1,
    "seq": 4,
    "role": "admin",
}
_MEMBER: Example = {"user": "alice", "role": "admin", "joined_seq": 2, "joined_at": AT, "history_visible_from": 0}
_MESSAGE: Example = {
    "id": PARAMETERS["message_id"],
    "seq": 4,
    "number": 1,
    "updated_seq": 4,
    "created_at": AT,
    "sender": "alice",
    "parts": [{"type": "text", "text": "Hello"}],
    "metadata": {},
}
_KEY: Example = {
    "id": PARAMETERS["key_id"],
    "label": "backend",
    "grants": ["messages:read", "messages:write"],
    "created_at": AT,
    "expires_at": None,
    "last_used_on": "2026-01-01",
    "revoked_at": None,
    "seen_in_browser_at": None,
}
_SIGNING_KEY: Example = {
    "id": PARAMETERS["key_id"],
    "algorithm": "HS256",
    "state": "active",
    "customer_signs": False,
    "public_key": None,
    "created_at": AT,
    "retired_at": None,
}
_JOB: Example = {"id": PARAMETERS["job_id"], "kind": "user", "done": 0, "created_at": AT, "finished_at": None}

_VALUES: dict[Shape, Example] = {
    NewRoomRequest: {"id": "general", "name": "General", "members": ["alice"], "data": {"topic": "Everything"}},
    RoomView: _ROOM,
    RoomChange: {"name": "Everybody"},
    RoomPage: {"rooms": [_ROOM], "next": None},
    RoomRetention: {"retention_s": 2_592_000},
    MemberChange: {"role": "admin"},
    MemberView: _MEMBER,
    MemberPage: {"members": [_MEMBER], "previous": None, "next": None, "member_count": 1},
    MemberBatchRequest: {"members": [{"user": "alice"}]},
    MemberBatchView: {"members": [{"user": "alice", "added": True, "seq": 2}]},
    NewMessage: {"parts": [{"type": "text", "text": "Hello"}]},
    EditedMessage: {"parts": [{"type": "text", "text": "Hello, everybody"}]},
    MessageView: _MESSAGE,
    MessagePage: {"messages": [_MESSAGE], "previous": None, "next": None, "seq": 4},
    ReadCursor: {"seq": 4},
    UserChange: {"name": "Alice", "data": {"team": "red"}},
    UserView: _ALICE,
    UserPage: {"users": [_ALICE], "next": None},
    UserBatchRequest: {"users": [{"id": "alice", "name": "Alice"}]},
    UserBatchView: {"users": [{**_ALICE, "is_new": True}]},
    TokenRequest: {"user": "alice", "ttl_s": 3600},
    TokenRevocation: {"jti": "0123456789abcdef"},
    TokenView: {"token": "eyJ…", "user": "alice", "expires_at": LATER},
    KeyRequest: {"label": "backend"},
    KeyRotation: {"overlap_s": 3600},
    KeyView: _KEY,
    KeyList: {"keys": [_KEY]},
    SigningKeyRequest: {"algorithm": "EdDSA"},
    SigningKeyView: _SIGNING_KEY,
    SigningKeyList: {"signing_keys": [_SIGNING_KEY]},
    Jwks: {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "0123456789abcdef", "alg": "EdDSA", "use": "sig", "x": "…"}]
    },
    LimitsView: {
        "limits": [{"name": "app_requests", "per_s": 1000.0, "burst": 2000}],
        "quotas": {"rooms": 1_000_000},
    },
    UsageView: {
        "by": "day",
        "tallies": [{"begins_at": AT, "messages": 120, "deliveries": 480, "connections": 30, "active_users": 12}],
    },
    JobView: _JOB,
    TicketView: {
        "ticket": "tk_…",
        "url": "/v1/rooms/general/subscribe?ticket=tk_…",
        "expires_at": LATER,
        "idle_s": 60,
    },
    dict[str, Any]: {"info": {"title": "Roomlog", "version": "1"}, "components": {}},
    PollAnswer: {
        "frames": [
            {"type": "message.created", "room": "general", "seq": 4, "cursor": CURSOR, "at": AT, "message": _MESSAGE}
        ],
        "cursor": CURSOR,
    },
}


def examples_of(shape: Shape) -> Example:
    """Give the example of a shape as a media type names it; texts have none."""
    return {} if shape is str else {"examples": {"example": {"value": _VALUES[shape]}}}
