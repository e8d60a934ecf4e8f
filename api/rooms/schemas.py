"""Rooms on the wire."""

from typing import Annotated

import msgspec

from api.custom_data import CustomData, absent, empty
from api.ids import MAX_NUMBER
from api.names import RoomIdText, UserIdText
from api.texts import Moment

MAX_FIRST_MEMBERS = 100
MAX_RETENTION_S = 100 * 366 * 86_400
"""The longest that history can be kept for a time: a hundred years. For ever is no time at all."""
Name = Annotated[str, msgspec.Meta(max_length=255)]


class NewRoomRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A room to be made, or found if there is one of that id."""

    id: RoomIdText | None = None
    """Without one the room is given an id."""
    name: Name | None = None
    private: bool = False
    """Whether only members may read it."""
    data: CustomData = msgspec.field(default_factory=empty)
    members: Annotated[list[UserIdText], msgspec.Meta(max_length=MAX_FIRST_MEMBERS)] = []
    direct_with: UserIdText | None = None
    """The user with whom the caller's user wants its 1:1 room."""
    direct: Annotated[list[UserIdText], msgspec.Meta(min_length=2, max_length=2)] | None = None
    """The two whose 1:1 room it is to be, named by an API key."""


class RoomChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be changed of a room; what is absent stays."""

    name: Name | None = None
    private: bool | None = None
    data: CustomData = msgspec.field(default_factory=absent)
    expected_seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)] | None = None
    """The `updated_seq` that it must still have."""


class RoomRetention(msgspec.Struct, forbid_unknown_fields=True):
    """For how long a room keeps its events; null: as long as its app says."""

    retention_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_RETENTION_S)] | None


class RoomView(msgspec.Struct):
    """A room as it stands."""

    id: RoomIdText
    name: str
    private: bool
    direct: list[UserIdText] | None
    """The ids of the two whose 1:1 room it is; null for all others."""
    data: CustomData
    created_at: Moment
    updated_seq: int
    updated_at: Moment
    member_count: int
    message_count: int
    seq: int
    """The head of its log."""
    role: str | None
    """The caller's role, if it is a member; in the list of a user's rooms, that user's."""


class RoomPage(msgspec.Struct):
    """Rooms, newest first; by name where a prefix of it was given."""

    rooms: list[RoomView]
    next: str | None
    """Pass as `after` for the next page; null at the end."""
