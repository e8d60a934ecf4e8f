"""API keys and signing keys on the wire."""

from typing import Annotated, Self

import msgspec

from tenants.keys import ApiKey
from tenants.tokens import SigningKey


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A new API key's label, for people."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class KeyView(msgspec.Struct, omit_defaults=True):
    """An API key; `key` is there once, in the answer that made it."""

    id: str
    label: str
    created_at: str
    last_used_on: str | None
    revoked_at: str | None
    key: str | None = None

    @classmethod
    def of(cls, key: ApiKey, text: str | None = None) -> Self:
        """Show a key."""
        last_used_on = None if key.last_used_on is None else key.last_used_on.isoformat()
        return cls(key.id, key.label, key.created_at, last_used_on, key.revoked_at, text)


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
