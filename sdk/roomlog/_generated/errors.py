"""A class for each code that the API refuses with. Written by `python -m sdk.generator`; not to be edited."""

from roomlog.errors import ApiError


class ApiKeyInBrowser(ApiError):
    """An API key came with an Origin header: every visitor of that page can read it. Revoke it.

    Answered with 403: API keys are for servers. This one came from a browser: revoke it, and use user tokens
    there.
    """

    code = "api_key_in_browser"


class AppSuspended(ApiError):
    """The credential holds, but its app has been suspended by the operator; nothing of it can be used meanwhile.

    Answered with 403: This app is suspended; ask the operator of the service.
    """

    code = "app_suspended"


class BadRequest(ApiError):
    """The request cannot be read or breaks a limit; `pointer` says where.

    Answered with 400: The request is not of the documented shape; the pointer says where.
    """

    code = "bad_request"


class DirectRoomFixed(ApiError):
    """The room is a pair's: it stays private, and its two members stay in it, alone.

    Answered with 409: A 1:1 room is private and has its two members; make another room for others.
    """

    code = "direct_room_fixed"


class Forbidden(ApiError):
    """The caller is known and the thing is visible to it, but this it may not do.

    Answered with 403: This credential may not do that.
    """

    code = "forbidden"


class IdempotencyKeyReused(ApiError):
    """The idempotency key already stands for another request; take a new key for a new request.

    Answered with 409: This idempotency key already stands for another request; use a new key.
    """

    code = "idempotency_key_reused"


class Internal(ApiError):
    """A refusal with a stable `code`, an HTTP `status` and a sentence that names the way out.

    Answered with 500: Something failed on our side; retry with the same key.
    """

    code = "internal"


class MessageNotFound(ApiError):
    """No such message in this room, or it has been deleted.

    Answered with 404: No such message in this room.
    """

    code = "message_not_found"


class MethodNotAllowed(ApiError):
    """The path is known, the method is not.

    Answered with 405: This path does not take that method.
    """

    code = "method_not_allowed"


class MissingGrant(ApiError):
    """The credential holds, but was given out for other things; use one that has the grant.

    Answered with 403: This credential lacks the grant for that; use one that has it.
    """

    code = "missing_grant"


class NotAMember(ApiError):
    """Only members may do this; join the room first, or have a server key add the user.

    Answered with 403: Only members of the room may do this; join it first.
    """

    code = "not_a_member"


class NotAToken(ApiError):
    """What was to be revoked is no user's token of this app.

    Answered with 400: Send a user's token of this app, or its jti.
    """

    code = "not_a_token"


class NotAllowed(ApiError):
    """The caller is no stranger here, but this takes the message's sender, a room admin or a server key.

    Answered with 403: This takes the message's sender, an admin of the room or a server key.
    """

    code = "not_allowed"


class NotFound(ApiError):
    """Nothing here goes by that name; a thing of another app answers exactly the same.

    Answered with 404: Nothing here goes by that name.
    """

    code = "not_found"


class OriginNotAllowed(ApiError):
    """The request came from a web page whose origin the app does not list.

    Answered with 403: This app does not list the origin of your page; have its operator add it to the allowed
    origins.
    """

    code = "origin_not_allowed"


class Overloaded(ApiError):
    """A queue of this process is full; the request was not taken.

    Answered with 503: Too much is waiting; retry after the stated time with the same idempotency key.
    """

    code = "overloaded"


class PreconditionFailed(ApiError):
    """It is not, or not any more, in a state that `If-Match` names: read it again and repeat with its new ETag.

    Answered with 412: It has changed since the ETag in If-Match; read it again and repeat with its new one.
    """

    code = "precondition_failed"


class QuotaExceeded(ApiError):
    """The app has as much of something as its policy allows; nothing was done. The detail names the quota.

    Answered with 403: The app's quota is used up. GET /v1/limits tells the quotas.
    """

    code = "quota_exceeded"


class RateLimited(ApiError):
    """An app, a user or an address has done this too often of late; nothing was done. The detail names the
    limits.

    Answered with 429: Too often; retry after the stated time. GET /v1/limits tells the limits.
    """

    code = "rate_limited"


class RoomBusy(ApiError):
    """The room's row is held by something else; the write was not applied.

    Answered with 503: The room is held by another operation; retry with the same idempotency key.
    """

    code = "room_busy"


class RoomIdTaken(ApiError):
    """A room of that id exists and is closed to this caller.

    Answered with 409: A room with this id exists already and is private to others; choose another id.
    """

    code = "room_id_taken"


class RoomNotFound(ApiError):
    """No such room for this caller: never made, deleted, private to others, or another app's.

    Answered with 404: No such room for this caller.
    """

    code = "room_not_found"


class SeqConflict(ApiError):
    """Somebody changed it in between: read again, then repeat with the new `updated_seq`.

    Answered with 409: It has changed since expected_seq; read it again and repeat with its updated_seq.
    """

    code = "seq_conflict"


class TooLarge(ApiError):
    """The body, or a part of it, is over its limit.

    Answered with 413: Over the size limit; a message is at most 64 KiB.
    """

    code = "too_large"


class TooManyUnauthenticated(ApiError):
    """Too many sockets from this address are open that have not sent a credential yet; send one in the upgrade's
    header.

    Answered with 429: Too many sockets of this address have not said who they are; retry after the stated
    time.
    """

    code = "too_many_unauthenticated"


class Unauthenticated(ApiError):
    """No credential, or one that does not hold: missing, malformed, expired, revoked or of another app.

    Answered with 401: Send a valid API key or user token as `Authorization: Bearer …`.
    """

    code = "unauthenticated"


class Unavailable(ApiError):
    """The database cannot be reached or answers too slowly; nothing is known to have happened.

    Answered with 503: Not possible right now; retry after the stated time with the same idempotency key.
    """

    code = "unavailable"


class UnsupportedMediaType(ApiError):
    """Bodies are JSON.

    Answered with 415: Send JSON, with `Content-Type: application/json`.
    """

    code = "unsupported_media_type"


class UserNotFound(ApiError):
    """No user of this app has that id; make it with `PUT /v1/users/{id}`.

    Answered with 404: No such user in this app; make it with PUT /v1/users/{id}.
    """

    code = "user_not_found"


class UserRequired(ApiError):
    """This is done in a user's name, and an API key must say in whose.

    Answered with 400: Name the user in whose name you write: the header Roomlog-As, or `as` in a frame.
    """

    code = "user_required"


class WrongPublicKey(ApiError):
    """A signing key's `public_key` is a PEM of another kind: EdDSA takes an Ed25519 public key, ES256 one on
    P-256.

    Answered with 400: Send a public key as PEM: Ed25519 for EdDSA, P-256 for ES256; for HS256 there is none.
    """

    code = "wrong_public_key"


BY_CODE: dict[str, type[ApiError]] = {
    kind.code: kind
    for kind in (
        ApiKeyInBrowser,
        AppSuspended,
        BadRequest,
        DirectRoomFixed,
        Forbidden,
        IdempotencyKeyReused,
        Internal,
        MessageNotFound,
        MethodNotAllowed,
        MissingGrant,
        NotAMember,
        NotAToken,
        NotAllowed,
        NotFound,
        OriginNotAllowed,
        Overloaded,
        PreconditionFailed,
        QuotaExceeded,
        RateLimited,
        RoomBusy,
        RoomIdTaken,
        RoomNotFound,
        SeqConflict,
        TooLarge,
        TooManyUnauthenticated,
        Unauthenticated,
        Unavailable,
        UnsupportedMediaType,
        UserNotFound,
        UserRequired,
        WrongPublicKey,
    )
}
"""The class of each code."""
