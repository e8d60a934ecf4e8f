"""The syntax of ids that customers choose."""

import re
from typing import Annotated

import msgspec

from api.errors import BadRequest
from api.ids import RoomId
from tenants.ids import UserId

MAX_ID_LENGTH = 128
PATTERN = "^[A-Za-z0-9_.~:@+-]{1,128}$"
UserIdText = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": PATTERN})]
"""A user's id as shapes name it; `user_id` checks it, and says what is wrong with it."""
RoomIdText = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": PATTERN})]
"""A room's id likewise, for `room_id`."""
_ID = re.compile(r"[A-Za-z0-9_.~:@+-]{1,128}", re.ASCII)
_SENTENCE = f"An id is 1 to {MAX_ID_LENGTH} characters of A-Z a-z 0-9 - _ . ~ : @ +"


def room_id(text: str, pointer: str | None = None) -> RoomId:
    """Give back a well-formed room id; raises `BadRequest` for any other text."""
    return RoomId(_checked(text, pointer))


def user_id(text: str, pointer: str | None = None) -> UserId:
    """Give back a well-formed user id; raises `BadRequest` for any other text."""
    return UserId(_checked(text, pointer))


def prefix(text: str) -> str:
    """Give back a text that ids may begin with; raises `BadRequest` for any other."""
    if _ID.fullmatch(text) is None:
        raise BadRequest(_SENTENCE)
    return text


def _checked(text: str, pointer: str | None) -> str:
    # Clients and proxies resolve "." and ".." away in a path, so they would name nothing there.
    if _ID.fullmatch(text) is None or text in {".", ".."}:
        raise BadRequest(_SENTENCE, pointer=pointer)
    return text
