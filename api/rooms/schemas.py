"""Rooms on the wire."""

from typing import Annotated

import msgspec

from api.custom_data import ABSENT, EMPTY
from api.ids import MAX_NUMBER

MAX_FIRST_MEMBERS = 100
Name = Annotated[str, msgspec.Meta(max_length=255)]


class NewRoomRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A room to be made, or found if there is one of that id."""

    id: str | None = None
    name: Name | None = None
    private: bool = False
    data: msgspec.Raw = EMPTY
    members: Annotated[list[str], msgspec.Meta(max_length=MAX_FIRST_MEMBERS)] = []
    direct_with: str | None = None
    """The user with whom the caller's user wants its 1:1 room."""
    direct: Annotated[list[str], msgspec.Meta(min_length=2, max_length=2)] | None = None
    """The two whose 1:1 room it is to be, named by an API key."""


class RoomChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be changed of a room; what is absent stays."""

    name: Name | None = None
    private: bool | None = None
    data: msgspec.Raw = ABSENT
    expected_seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)] | None = None
    """The `updated_seq` that it must still have."""


class RoomRetention(msgspec.Struct, forbid_unknown_fields=True):
    """For how long a room keeps its events; null: as long as its app says."""

    retention_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)] | None


class RoomView(msgspec.Struct):
    """A room as it stands."""

    id: str
    name: str
    private: bool
    direct: list[str] | None
    """The ids of the two whose 1:1 room it is; null for all others."""
    data: msgspec.Raw
    created_at: str
    updated_seq: int
    updated_at: str
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
