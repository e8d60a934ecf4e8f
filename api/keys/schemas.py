"""API keys and signing keys on the wire."""

import base64
from datetime import datetime
from typing import Annotated, Self

import msgspec

from api.texts import Day, Moment
from tenants.grants import Grant
from tenants.keys import ApiKey
from tenants.signing import Algorithm, SigningKey

MAX_PEM = 4_096
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
    created_at: Moment
    expires_at: Moment | None
    last_used_on: Day | None
    revoked_at: Moment | None
    seen_in_browser_at: Moment | None
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


class SigningKeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A new signing key: its algorithm, and who signs with it."""

    algorithm: Algorithm = Algorithm.HS256
    public_key: Annotated[str, msgspec.Meta(max_length=MAX_PEM)] | None = None
    """The customer's own, as PEM; then we only verify."""
    reveal: bool = False
    """Whether the answer is to show the secret of an HS256 key, for the customer to sign with."""


class SigningKeyView(msgspec.Struct, omit_defaults=True):
    """A signing key; `secret` (base64url) is there once, in the answer that made it, if it was to be revealed."""

    id: str
    algorithm: str
    state: str
    """`active`: signs; `verify_only`; `retired`: neither."""
    customer_signs: bool
    public_key: str | None
    created_at: Moment
    retired_at: Moment | None
    secret: str | None = None

    @classmethod
    def of(cls, key: SigningKey, secret: bytes | None = None) -> Self:
        """Show a signing key."""
        return cls(
            id=key.id,
            algorithm=key.algorithm,
            state=key.state,
            customer_signs=key.customer_signs,
            public_key=key.public_key,
            created_at=key.created_at,
            retired_at=key.retired_at,
            secret=None if secret is None else base64.urlsafe_b64encode(secret).rstrip(b"=").decode(),
        )


class SigningKeyList(msgspec.Struct):
    """An app's signing keys."""

    signing_keys: list[SigningKeyView]


class Jwk(msgspec.Struct, kw_only=True):
    """A public key as a JSON Web Key (RFC 7517)."""

    kty: str
    crv: str
    kid: str
    """As in the header of the tokens that it verifies."""
    alg: str
    use: str
    x: str
    y: str | msgspec.UnsetType = msgspec.UNSET
    """Where the curve has one: for ES256."""


class Jwks(msgspec.Struct):
    """A JSON Web Key set (RFC 7517)."""

    keys: list[Jwk]
