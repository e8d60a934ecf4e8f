"""What makes a message good, and who may do what with one. Pure."""

import msgspec

from api.custom_data import custom_text
from api.errors import TooLarge
from api.log.item import Needs
from api.messages.schemas import NewMessage
from tenants.scope import Caller

MAX_MESSAGE_BYTES = 64 * 1024
"""Of a message's parts and metadata together, as JSON in UTF-8."""

_ENCODER = msgspec.json.Encoder()


def message_body(message: NewMessage) -> str:
    """Give a message's body as it is stored; raises `TooLarge` over 64 KiB, `BadRequest` for its metadata."""
    parts = _ENCODER.encode(message.parts)
    metadata = custom_text(message.metadata, "/metadata")
    body = f'"parts":{parts.decode()},"metadata":{metadata}'
    if len(body.encode()) > MAX_MESSAGE_BYTES:
        raise TooLarge
    return body


def needs_to_send(caller: Caller) -> Needs:
    """Say what must hold of a sender: an API key vouches for its user."""
    return Needs.NOTHING if caller.is_server else Needs.MEMBER


def needs_to_edit(caller: Caller) -> Needs:
    """Say what must hold of an editor."""
    return Needs.NOTHING if caller.is_server else Needs.OWN_MESSAGE


def needs_to_delete(caller: Caller) -> Needs:
    """Say what must hold of who deletes: a room's admins keep it tidy."""
    return Needs.NOTHING if caller.is_server else Needs.OWN_MESSAGE_OR_ADMIN
