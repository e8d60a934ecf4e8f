"""Members on the wire."""

from typing import Literal

import msgspec

Role = Literal["member", "admin"]


class MemberChange(msgspec.Struct, forbid_unknown_fields=True):
    """How a user is to belong to a room; what is absent stays, or for a new member: `member`, `all`."""

    role: Role | None = None
    history: Literal["all", "from_join"] = "all"
    """Whether a new member may read what was said before."""


class MemberView(msgspec.Struct):
    """A member of a room."""

    user: str
    role: str
    joined_seq: int
    joined_at: str


class MemberPage(msgspec.Struct):
    """Members, in the order of their joining."""

    members: list[MemberView]
    next: int | None
    """Pass as `after` for the next page; null at the end."""
    member_count: int
