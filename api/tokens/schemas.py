"""Tokens on the wire."""

from typing import Annotated

import msgspec

from tenants.tokens import DEFAULT_TTL_S, MAX_TTL_S

MIN_TTL_S = 5


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A user, and for how long."""

    user: str
    ttl_s: Annotated[int, msgspec.Meta(ge=MIN_TTL_S, le=MAX_TTL_S)] = DEFAULT_TTL_S


class TokenView(msgspec.Struct):
    """A user's token."""

    token: str
    user: str
    expires_at: str
