"""Members on the wire."""

from typing import Annotated, Literal

import msgspec

from api.names import UserIdText
from api.texts import Moment

MAX_BATCH = 1_000
Role = Literal["member", "admin"]


class MemberChange(msgspec.Struct, forbid_unknown_fields=True):
    """How a user is to belong to a room; what is absent stays, or for a new member: `member`, `all`."""

    role: Role | None = None
    history: Literal["all", "from_join"] = "all"
    """Whether a new member may read what was said before."""


class BatchMemberRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A user of a batch, to be added."""

    user: UserIdText
    role: Role = "member"
    history: Literal["all", "from_join"] = "all"


class MemberBatchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Users to be added together; who is a member already stays as it is."""

    members: Annotated[list[BatchMemberRequest], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class BatchMemberView(msgspec.Struct):
    """What became of a user of a batch."""

    user: UserIdText
    added: bool
    """False for who was a member before."""
    seq: int | None
    """Of the event that added the user; null where none had to."""


class MemberBatchView(msgspec.Struct):
    """What became of the users of a batch, in its order."""

    members: list[BatchMemberView]


class MemberView(msgspec.Struct):
    """A member of a room."""

    user: UserIdText
    role: str
    """`member` or `admin`."""
    joined_seq: int
    joined_at: Moment
    history_visible_from: int
    """The seq of the first message that this member may read; 0: all."""


class MemberPage(msgspec.Struct):
    """Members, in the order of their joining."""

    members: list[MemberView]
    previous: int | None
    """Pass as `before` for the page before this one; null at the beginning."""
    next: int | None
    """Pass as `after` for the next page; null at the end."""
    member_count: int
