"""What makes a message good, and who may do what with one."""

import json

import msgspec
import pytest

from api.errors import BadRequest, TooLarge
from api.log.item import Needs
from api.messages.rules import MAX_MESSAGE_BYTES, message_body, needs_to_delete, needs_to_edit, needs_to_send
from api.messages.schemas import DataPart, NewMessage, TextPart, UrlPart
from tenants.ids import AppId, KeyNumber, TenantId, UserId, UserNumber
from tenants.scope import Caller, Scope, User

SCOPE = Scope(TenantId(1), AppId(1))
USER = Caller(SCOPE, user=User(UserNumber(7), UserId("ann")))
SERVER = Caller(SCOPE, user=USER.user, key=KeyNumber(1))
FRAME = len('"parts":[{"type":"text","text":""}],"metadata":{}')


def test_a_body_is_the_members_of_a_json_object() -> None:
    """Put between braces, it is what was sent."""
    message = NewMessage(
        parts=[TextPart('a "b" é'), UrlPart("https://a"), DataPart("a/b", "{}")],
        metadata=msgspec.Raw(b'{ "x" : [1.50] }'),
    )
    body = message_body(message)
    assert json.loads("{" + body + "}") == {
        "parts": [
            {"type": "text", "text": 'a "b" é'},
            {"type": "url", "url": "https://a"},
            {"type": "data", "media_type": "a/b", "data": "{}"},
        ],
        "metadata": {"x": [1.5]},
    }
    assert body.endswith('"metadata":{"x":[1.50]}'), "numbers stay as they were written"


def test_the_same_message_has_the_same_body_however_it_was_spaced() -> None:
    """So a retry by another JSON library is the same request."""
    decode = msgspec.json.Decoder(NewMessage).decode
    tight = decode('{"parts":[{"type":"text","text":"é"}],"metadata":{"a":1}}')
    loose = decode('{ "metadata": {"a": 1}, "parts": [ {"text": "\\u00e9", "type": "text"} ] }')
    assert message_body(tight) == message_body(loose)


@pytest.mark.parametrize("character", ["x", "é", "👋"])
def test_the_limit_counts_bytes(character: str) -> None:
    """64 KiB of UTF-8 pass, one byte more does not."""
    width = len(character.encode())
    room = MAX_MESSAGE_BYTES - FRAME
    text = character * (room // width) + "x" * (room % width)
    assert len(message_body(NewMessage(parts=[TextPart(text)])).encode()) == MAX_MESSAGE_BYTES
    with pytest.raises(TooLarge):
        message_body(NewMessage(parts=[TextPart(text + "x")]))


def test_metadata_is_an_object() -> None:
    """Anything else is pointed at."""
    with pytest.raises(BadRequest) as refused:
        message_body(NewMessage(parts=[TextPart("x")], metadata=msgspec.Raw(b"[]")))
    assert refused.value.pointer == "/metadata"


def test_users_edit_their_own_and_admins_delete_any() -> None:
    """A server needs nothing, for it vouches for the user that it names."""
    assert needs_to_send(USER) is Needs.MEMBER
    assert needs_to_edit(USER) is Needs.OWN_MESSAGE
    assert needs_to_delete(USER) is Needs.OWN_MESSAGE_OR_ADMIN
    for rule in (needs_to_send, needs_to_edit, needs_to_delete):
        assert rule(SERVER) is Needs.NOTHING
