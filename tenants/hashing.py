"""Keyed hashes: of API secrets, idempotency keys and requests. None can be checked without the deployment's pepper."""

import hashlib
import hmac

MIN_PEPPER_BYTES = 32
SHORT_BYTES = 16


class Pepper:
    """The deployment's secret for keyed hashes; it stands in no database."""

    def __init__(self, secret: bytes, version: int = 1) -> None:
        """Hold a secret of at least 32 bytes; `version` is stored beside hashes of API secrets."""
        if len(secret) < MIN_PEPPER_BYTES:
            msg = f"the pepper needs at least {MIN_PEPPER_BYTES} bytes"
            raise ValueError(msg)
        # blake2b takes keys up to 64 bytes; a longer pepper counts whole.
        self._key = hashlib.blake2b(secret, digest_size=64).digest()
        self._secret = secret
        self.version = version

    def __repr__(self) -> str:
        """Show the version alone."""
        return f"Pepper(version={self.version})"

    def secret_hash(self, secret: str) -> bytes:
        """Hash an API key's secret: 256 random bits need no slow hash, and a slow one would be an outage."""
        return hmac.new(self._secret, secret.encode(), hashlib.sha256).digest()

    def key_hash(self, key: str) -> bytes:
        """Hash an idempotency key to 16 bytes."""
        return self._short(b"key", key.encode())

    def request_hash(self, *parts: bytes) -> bytes:
        """Hash what a request asks for to 16 bytes; `parts` cannot run into each other."""
        return self._short(b"request", b"".join(len(part).to_bytes(8, "big") + part for part in parts))

    def _short(self, purpose: bytes, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=SHORT_BYTES, key=self._key, person=purpose).digest()
