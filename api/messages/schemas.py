"""Messages on the wire."""

from typing import Annotated

import msgspec

from api.custom_data import EMPTY
from api.ids import MAX_NUMBER

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
    metadata: msgspec.Raw = EMPTY


class EditedMessage(NewMessage, forbid_unknown_fields=True, kw_only=True):
    """What a message is to become."""

    expected_seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)] | None = None
    """The `updated_seq` that it must still have."""
