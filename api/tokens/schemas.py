"""Tokens on the wire."""

from typing import Annotated

import msgspec

from api.names import RoomIdText, UserIdText
from api.texts import Moment
from tenants.grants import Grant
from tenants.tokens import DEFAULT_TTL_S, MAX_ID, MAX_ROOMS, MAX_TOKEN_BYTES, MAX_TTL_S

MIN_TTL_S = 5


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A user, for how long, and what the token is narrowed to."""

    user: UserIdText
    ttl_s: Annotated[int, msgspec.Meta(ge=MIN_TTL_S, le=MAX_TTL_S)] = DEFAULT_TTL_S
    grants: list[Grant] | None = None
    """What is absent is all that the user may do."""
    rooms: Annotated[list[RoomIdText], msgspec.Meta(max_length=MAX_ROOMS)] | None = None
    """What is absent is all rooms that the user reaches."""


class TokenRevocation(msgspec.Struct, forbid_unknown_fields=True):
    """Which tokens are to hold no more: one of the three."""

    token: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN_BYTES)] | None = None
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)] | None = None
    all: bool = False
    """All that were issued so far."""


class TokenView(msgspec.Struct):
    """A user's token."""

    token: str
    user: UserIdText
    expires_at: Moment
