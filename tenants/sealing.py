"""Secrets at rest: sealed by AES-256-GCM under master keys that stand in no database.

Each secret has a key of its own, and that key is wrapped under the newest master key. Both say in their associated data
whose they are, so that what is copied into another row opens nothing. Turning the master key wraps the small key anew.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenants.ids import AppId, PersonId, TenantId

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = 1
VERSION = re.compile(r"[0-9A-Za-z_.-]{1,32}", re.ASCII)


class CannotOpen(Exception):
    """A sealed secret does not open: it is another row's, was changed, or its master key is not among ours."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed secret as its row keeps it."""

    secret: bytes
    """Nonce and ciphertext, under a key of this secret's own."""
    key: bytes
    """That key: nonce and ciphertext, under the master key."""
    master: str
    """The master key's version."""


class Bearer(Protocol):
    """Whose a sealed secret is."""

    def bound_to(self, version: str) -> bytes:
        """Give the associated data that ties a ciphertext to its owner and to a version; no two owners have the same."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """An app, as the owner of one of its keys."""

    tenant: TenantId
    app: AppId
    key_id: str

    def bound_to(self, version: str) -> bytes:
        """Give the associated data that ties a ciphertext to its owner and to a version."""
        return f"roomlog:{self.tenant:x}:{self.app:x}:{self.key_id}:{version}".encode()


@dataclass(frozen=True, slots=True)
class Possessor:
    """A person, as the owner of the secret of a second factor."""

    person: PersonId

    def bound_to(self, version: str) -> bytes:
        """Give the associated data that ties a ciphertext to the person and to a version."""
        return f"roomlog:person:{self.person:x}:{version}".encode()


class MasterKeys:
    """The keys that wrap all others, newest first."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """Hold keys of 32 bytes by version, the newest first."""
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            msg = f"there must be a master key, and each has {KEY_BYTES} bytes"
            raise ValueError(msg)
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self.newest = next(iter(keys))

    def __repr__(self) -> str:
        """Show the versions alone."""
        return f"MasterKeys({', '.join(self._ciphers)})"

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """Read `version:base64` items with commas between them; raises ValueError."""
        keys: dict[str, bytes] = {}
        for item in text.split(","):
            version, _, encoded = item.strip().partition(":")
            if VERSION.fullmatch(version) is None or version in keys:
                msg = "each master key needs a version of its own"
                raise ValueError(msg)
            try:
                keys[version] = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as error:
                msg = "a master key is written in base64"
                raise ValueError(msg) from error
        return cls(keys)

    def seal(self, secret: bytes, owner: Bearer) -> Sealed:
        """Seal a secret for its owner under the newest master key."""
        key = secrets.token_bytes(KEY_BYTES)
        return Sealed(
            secret=_encrypt(AESGCM(key), secret, owner.bound_to(str(FORMAT))),
            key=self._wrap(key, owner),
            master=self.newest,
        )

    def open(self, sealed: Sealed, owner: Bearer) -> bytes:
        """Give the secret; raises `CannotOpen`."""
        return _decrypt(AESGCM(self._unwrap(sealed, owner)), sealed.secret, owner.bound_to(str(FORMAT)))

    def reseal(self, sealed: Sealed, owner: Bearer) -> Sealed:
        """Put a sealed secret under the newest master key; raises `CannotOpen`."""
        return Sealed(sealed.secret, self._wrap(self._unwrap(sealed, owner), owner), self.newest)

    def _wrap(self, key: bytes, owner: Bearer) -> bytes:
        return _encrypt(self._ciphers[self.newest], key, owner.bound_to(self.newest))

    def _unwrap(self, sealed: Sealed, owner: Bearer) -> bytes:
        cipher = self._ciphers.get(sealed.master)
        if cipher is None:
            msg = f"no master key {sealed.master} in ROOMLOG_MASTER_KEYS"
            raise CannotOpen(msg)
        return _decrypt(cipher, sealed.key, owner.bound_to(sealed.master))


def _encrypt(cipher: AESGCM, secret: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, secret, bound_to)


def _decrypt(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        msg = "the sealed secret is not this owner's, or was changed"
        raise CannotOpen(msg) from error
