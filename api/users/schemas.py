"""Users on the wire."""

from typing import Annotated

import msgspec

from api.custom_data import CustomData, absent
from api.names import UserIdText
from api.texts import Moment

MAX_BATCH = 1_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be set of a user; what is absent stays, or for a new user: the id as name, no data."""

    name: Name | None = None
    data: CustomData = msgspec.field(default_factory=absent)


class BatchUserRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A user of a batch, with what is to be set of it."""

    id: UserIdText
    name: Name | None = None
    data: CustomData = msgspec.field(default_factory=absent)


class UserBatchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Users to be made or changed together."""

    users: Annotated[list[BatchUserRequest], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class UserView(msgspec.Struct):
    """A user of an app."""

    id: UserIdText
    name: str
    data: CustomData
    created_at: Moment
    updated_at: Moment


class BatchUserView(UserView):
    """A user of a batch, as it stands after it."""

    is_new: bool


class UserBatchView(msgspec.Struct):
    """What became of the users of a batch, in its order."""

    users: list[BatchUserView]


class UserPage(msgspec.Struct):
    """Users in the order of their ids, byte by byte."""

    users: list[UserView]
    next: str | None
    """Pass as `after` for the next page; null at the end."""
