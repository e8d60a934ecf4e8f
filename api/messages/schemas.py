"""Messages on the wire."""

from typing import Annotated, Any

import msgspec

from api.custom_data import CustomData, empty
from api.ids import MAX_NUMBER
from api.names import UserIdText
from api.texts import Moment

MAX_PARTS = 20
MAX_URL = 2_048

# `$` alone would let a newline pass at the end.
MediaType = Annotated[
    str,
    msgspec.Meta(max_length=127, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[ -~]*)?$(?!\n)"),
]
Url = Annotated[str, msgspec.Meta(max_length=MAX_URL, pattern=r"^https?://[^\s/]\S*$(?!\n)")]


class TextPart(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Words."""

    text: Annotated[str, msgspec.Meta(min_length=1)]


class UrlPart(msgspec.Struct, tag_field="type", tag="url", forbid_unknown_fields=True, omit_defaults=True):
    """A link, by http or https, and what lies behind it."""

    url: Url
    media_type: MediaType | None = None


class DataPart(msgspec.Struct, tag_field="type", tag="data", forbid_unknown_fields=True):
    """Anything else as text, in the encoding that its media type means; base64 for bytes."""

    media_type: MediaType
    data: str


Part = TextPart | UrlPart | DataPart
Parts = Annotated[list[Part], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]


class NewMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A message to be sent."""

    parts: Parts
    metadata: CustomData = msgspec.field(default_factory=empty)


class EditedMessage(NewMessage, forbid_unknown_fields=True, kw_only=True):
    """What a message is to become."""

    expected_seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)] | None = None
    """The `updated_seq` that it must still have."""


class MessageView(msgspec.Struct, kw_only=True):
    """A message as it stands; of one that was deleted its words are gone and its place stays."""

    id: str
    seq: int
    """The place in the log of the event that created it."""
    number: int
    """Its place among the room's messages: 1, 2, 3 … without gaps."""
    updated_seq: int
    """The place in the log of the last event that changed it."""
    created_at: Moment
    sender: UserIdText
    parts: list[Part] | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    edited_at: Moment | msgspec.UnsetType = msgspec.UNSET
    deleted_at: Moment | msgspec.UnsetType = msgspec.UNSET
    """There, and `parts` and `metadata` absent, once it has been deleted."""
    redacted: bool | msgspec.UnsetType = msgspec.UNSET
    """True in an older event of a message that has been deleted since: it tells the message without its words. Never false, but
    absent otherwise."""


class MessagePage(msgspec.Struct):
    """Messages of a room, oldest first."""

    messages: list[MessageView]
    previous: int | None
    """Pass as `before` for the page before this one; null at the beginning."""
    next: int | None
    """Pass as `after` for the next page; null at the end."""
    seq: int
    """The head of the room's log when this was read."""
