"""Refusals: one class for each code, with its status and the way out.

ServiceError
├── Unauthenticated            unauthenticated
├── Forbidden                  forbidden
│   ├── MissingGrant           missing_grant
│   └── AppSuspended           app_suspended
├── WrongPublicKey             wrong_public_key
├── NotAToken                  not_a_token
├── NotFound                   not_found
│   └── UserNotFound           user_not_found (others of its kin in api.errors)
├── RateLimited                rate_limited
├── QuotaExceeded              quota_exceeded
├── Unavailable                unavailable
└── api.errors                 the refusals of chat

A code never changes its meaning. `x-problems` in `openapi/openapi.json` lists them all and is made from these classes.
"""

from typing import ClassVar


class ServiceError(Exception):
    """A refusal with a stable `code`, an HTTP `status` and a sentence that names the way out."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed on our side; retry with the same key."

    def __init__(
        self,
        detail: str | None = None,
        *,
        pointer: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Refuse; `pointer` is a JSON pointer into the request, `retry_after_s` when to try again."""
        super().__init__(detail or self.title)
        self.detail = detail
        self.pointer = pointer
        self.retry_after_s = retry_after_s


class Unauthenticated(ServiceError):
    """No credential, or one that does not hold: missing, malformed, expired, revoked or of another app."""

    code = "unauthenticated"
    status = 401
    title = "Send a valid API key or user token as `Authorization: Bearer …`."


class Forbidden(ServiceError):
    """The caller is known and the thing is visible to it, but this it may not do."""

    code = "forbidden"
    status = 403
    title = "This credential may not do that."


class MissingGrant(Forbidden):
    """The credential holds, but was given out for other things; use one that has the grant."""

    code = "missing_grant"
    title = "This credential lacks the grant for that; use one that has it."


class AppSuspended(Forbidden):
    """The credential holds, but its app has been suspended by the operator; nothing of it can be used meanwhile."""

    code = "app_suspended"
    title = "This app is suspended; ask the operator of the service."


class WrongPublicKey(ServiceError):
    """A signing key's `public_key` is a PEM of another kind: EdDSA takes an Ed25519 public key, ES256 one on P-256."""

    code = "wrong_public_key"
    status = 400
    title = "Send a public key as PEM: Ed25519 for EdDSA, P-256 for ES256; for HS256 there is none."


class NotAToken(ServiceError):
    """What was to be revoked is no user's token of this app."""

    code = "not_a_token"
    status = 400
    title = "Send a user's token of this app, or its jti."


class NotFound(ServiceError):
    """Nothing here goes by that name; a thing of another app answers exactly the same."""

    code = "not_found"
    status = 404
    title = "Nothing here goes by that name."


class UserNotFound(NotFound):
    """No user of this app has that id; make it with `PUT /v1/users/{id}`."""

    code = "user_not_found"
    title = "No such user in this app; make it with PUT /v1/users/{id}."


class RateLimited(ServiceError):
    """An app, a user or an address has done this too often of late; nothing was done. The detail names the limits."""

    code = "rate_limited"
    status = 429
    title = "Too often; retry after the stated time. GET /v1/limits tells the limits."


class QuotaExceeded(ServiceError):
    """The app has as much of something as its policy allows; nothing was done. The detail names the quota."""

    code = "quota_exceeded"
    status = 403
    title = "The app's quota is used up. GET /v1/limits tells the quotas."

    def __init__(self, quota: str) -> None:
        """Refuse what would go beyond `quota`."""
        super().__init__(f"Used up: {quota}.")


class Unavailable(ServiceError):
    """The database cannot be reached or answers too slowly; nothing is known to have happened."""

    code = "unavailable"
    status = 503
    title = "Not possible right now; retry after the stated time with the same idempotency key."

    def __init__(self, detail: str | None = None, *, retry_after_s: float = 1.0) -> None:
        """Refuse for now; a retry after `retry_after_s` seconds is safe under the same key."""
        super().__init__(detail, retry_after_s=retry_after_s)
