"""TOTP: the six digits of a second factor, by RFC 6238 with what every authenticator takes: SHA-1, 30 seconds, 6 digits.

Deciding alone: what was taken before, and the present moment, are given.
"""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20
"""As many as SHA-1 gives, which RFC 4226 recommends."""
DRIFT_STEPS = 1
"""By how many steps a telephone's clock may be ahead of ours or behind it."""


def new_secret() -> bytes:
    """Draw a secret."""
    return secrets.token_bytes(SECRET_BYTES)


def step_at(moment_s: float) -> int:
    """Give the step that a moment (Unix time) lies in."""
    return int(moment_s // STEP_S)


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Give the code of a step."""
    # SHA-1 is what authenticators know; in HMAC its collisions do no harm.
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    place = digest[-1] & 0xF
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).rjust(digits, "0")


def matching_step(secret: bytes, code: str, moment_s: float, taken: int | None = None) -> int | None:
    """Give the step whose code this is, the present one or a neighbour; None for any other code.

    `taken` is the last step whose code was taken: neither it nor one before it is taken again, so that whoever has read a
    code over a shoulder can do nothing with it. The step that is given must be remembered as taken.
    """
    given = code.encode("utf-8", "surrogatepass")
    found = None
    # All are compared, whichever matches.
    for step in range(max(0, step_at(moment_s) - DRIFT_STEPS), step_at(moment_s) + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given) and (taken is None or step > taken):
            found = step
    return found


def spell_secret(secret: bytes) -> str:
    """Write a secret in base 32, as people type it into an authenticator."""
    return base64.b32encode(secret).decode().rstrip("=")


def provisioning_uri(secret: bytes, issuer: str, account: str) -> str:
    """Give the `otpauth:` address that authenticators read from a QR code; it holds the secret."""
    label = quote(f"{issuer}:{account}", safe="")
    asked = {"secret": spell_secret(secret), "issuer": issuer, "digits": DIGITS, "period": STEP_S}
    return f"otpauth://totp/{label}?{urlencode(asked, quote_via=quote)}"
