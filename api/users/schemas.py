"""Users on the wire."""

from typing import Annotated

import msgspec

from api.custom_data import ABSENT

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be set of a user; what is absent stays, or for a new user: the id as name, no data."""

    name: Name | None = None
    data: msgspec.Raw = ABSENT


class UserView(msgspec.Struct):
    """A user of an app."""

    id: str
    name: str
    data: msgspec.Raw
    created_at: str
    updated_at: str
