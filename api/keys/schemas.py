"""API keys and signing keys on the wire."""

from datetime import datetime
from typing import Annotated, Self

import msgspec

from tenants.grants import Grant
from tenants.keys import ApiKey
from tenants.tokens import SigningKey

MAX_OVERLAP_S = 30 * 86_400


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A new API key: its label, for people; what it may do; until when it holds."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    grants: list[Grant] | None = None
    """What is absent is everything but `app:manage`, as far as the key that asks may do it itself."""
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class KeyRotation(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the secret that is replaced goes on to hold."""

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_OVERLAP_S)] = 86_400


class KeyView(msgspec.Struct, omit_defaults=True):
    """An API key; `key` is there once, in the answer that made it."""

    id: str
    label: str
    grants: list[str]
    created_at: str
    expires_at: str | None
    last_used_on: str | None
    revoked_at: str | None
    seen_in_browser_at: str | None
    """When it last came from a browser, where anybody can read it: revoke it then."""
    key: str | None = None

    @classmethod
    def of(cls, key: ApiKey, text: str | None = None) -> Self:
        """Show a key."""
        last_used_on = None if key.last_used_on is None else key.last_used_on.isoformat()
        return cls(
            id=key.id,
            label=key.label,
            grants=sorted(key.grants),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_on=last_used_on,
            revoked_at=key.revoked_at,
            seen_in_browser_at=key.seen_in_browser_at,
            key=text,
        )


class KeyList(msgspec.Struct):
    """An app's API keys."""

    keys: list[KeyView]


class SigningKeyView(msgspec.Struct):
    """A signing key, without its secret."""

    id: str
    algorithm: str
    created_at: str
    retired_at: str | None

    @classmethod
    def of(cls, key: SigningKey) -> Self:
        """Show a signing key."""
        return cls(key.id, key.algorithm, key.created_at, key.retired_at)


class SigningKeyList(msgspec.Struct):
    """An app's signing keys."""

    signing_keys: list[SigningKeyView]
