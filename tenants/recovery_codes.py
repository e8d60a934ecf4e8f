"""Recovery codes: what lets somebody in, once each, whose authenticator is lost. They are drawn and spelt here, and hashed."""

import base64
import hashlib
import secrets
import textwrap

CODES = 10
CODE_BYTES = 15
"""120 random bits: from 112 on a code needs no slow hash."""
GROUP = 4


def new_codes() -> list[str]:
    """Draw ten codes, each of 24 letters and digits in groups of four."""
    drawn = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(CODES)]
    return ["-".join(textwrap.wrap(code, GROUP)) for code in drawn]


def code_hash(typed: str) -> bytes:
    """Hash a code, in whatever case and groups it was typed."""
    bare = "".join(character for character in typed if character.isalnum()).upper()
    return hashlib.sha256(bare.encode("utf-8", "surrogatepass")).digest()
