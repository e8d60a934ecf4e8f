"""The refusals of chat, one class for each code; the tree stands in `tenants.errors`.

ServiceError
├── BadRequest                 bad_request
├── UserRequired               user_required
├── MethodNotAllowed           method_not_allowed
├── UnsupportedMediaType       unsupported_media_type
├── NoKeysInBrowsers           api_key_in_browser
├── OriginNotAllowed           origin_not_allowed
├── RoomNotFound               room_not_found
├── RoomIdTaken                room_id_taken
├── MessageNotFound            message_not_found
├── NotAMember                 not_a_member
├── NotAllowed                 not_allowed
├── SeqConflict                seq_conflict
├── DirectRoomFixed            direct_room_fixed
├── PreconditionFailed         precondition_failed
├── KeyReused                  idempotency_key_reused
├── TooLarge                   too_large
├── TooManyStrangers           too_many_unauthenticated
├── RoomBusy                   room_busy
└── Overloaded                 overloaded
"""

from tenants.errors import NotFound, ServiceError, Unavailable


class BadRequest(ServiceError):
    """The request cannot be read or breaks a limit; `pointer` says where."""

    code = "bad_request"
    status = 400
    title = "The request is not of the documented shape; the pointer says where."


class UserRequired(ServiceError):
    """This is done in a user's name, and an API key must say in whose."""

    code = "user_required"
    status = 400
    title = "Name the user in whose name you write: the header Roomlog-As, or `as` in a frame."


class MethodNotAllowed(ServiceError):
    """The path is known, the method is not."""

    code = "method_not_allowed"
    status = 405
    title = "This path does not take that method."


class UnsupportedMediaType(ServiceError):
    """Bodies are JSON."""

    code = "unsupported_media_type"
    status = 415
    title = "Send JSON, with `Content-Type: application/json`."


class NoKeysInBrowsers(ServiceError):
    """An API key came with an Origin header: every visitor of that page can read it. Revoke it."""

    code = "api_key_in_browser"
    status = 403
    title = "API keys are for servers. This one came from a browser: revoke it, and use user tokens there."


class OriginNotAllowed(ServiceError):
    """The request came from a web page whose origin the app does not list."""

    code = "origin_not_allowed"
    status = 403
    title = "This app does not list the origin of your page; have its operator add it to the allowed origins."


class RoomIdTaken(ServiceError):
    """A room of that id exists and is closed to this caller."""

    code = "room_id_taken"
    status = 409
    title = "A room with this id exists already and is private to others; choose another id."


class RoomNotFound(NotFound):
    """No such room for this caller: never made, deleted, private to others, or another app's."""

    code = "room_not_found"
    title = "No such room for this caller."


class MessageNotFound(NotFound):
    """No such message in this room, or it has been deleted."""

    code = "message_not_found"
    title = "No such message in this room."


class NotAMember(ServiceError):
    """Only members may do this; join the room first, or have a server key add the user."""

    code = "not_a_member"
    status = 403
    title = "Only members of the room may do this; join it first."


class NotAllowed(ServiceError):
    """The caller is no stranger here, but this takes the message's sender, a room admin or a server key."""

    code = "not_allowed"
    status = 403
    title = "This takes the message's sender, an admin of the room or a server key."


class SeqConflict(ServiceError):
    """Somebody changed it in between: read again, then repeat with the new `updated_seq`."""

    code = "seq_conflict"
    status = 409
    title = "It has changed since expected_seq; read it again and repeat with its updated_seq."


class DirectRoomFixed(ServiceError):
    """The room is a pair's: it stays private, and its two members stay in it, alone."""

    code = "direct_room_fixed"
    status = 409
    title = "A 1:1 room is private and has its two members; make another room for others."


class PreconditionFailed(ServiceError):
    """It is not, or not any more, in a state that `If-Match` names: read it again and repeat with its new ETag."""

    code = "precondition_failed"
    status = 412
    title = "It has changed since the ETag in If-Match; read it again and repeat with its new one."


class KeyReused(ServiceError):
    """The idempotency key already stands for another request; take a new key for a new request."""

    code = "idempotency_key_reused"
    status = 409
    title = "This idempotency key already stands for another request; use a new key."


class TooLarge(ServiceError):
    """The body, or a part of it, is over its limit."""

    code = "too_large"
    status = 413
    title = "Over the size limit; a message is at most 64 KiB."


class TooManyStrangers(ServiceError):
    """Too many sockets from this address are open that have not sent a credential yet; send one in the upgrade's header."""

    code = "too_many_unauthenticated"
    status = 429
    title = "Too many sockets of this address have not said who they are; retry after the stated time."


class RoomBusy(Unavailable):
    """The room's row is held by something else; the write was not applied."""

    code = "room_busy"
    title = "The room is held by another operation; retry with the same idempotency key."


class Overloaded(Unavailable):
    """A queue of this process is full; the request was not taken."""

    code = "overloaded"
    title = "Too much is waiting; retry after the stated time with the same idempotency key."


ROOM_WRITE = (RoomNotFound, NotAMember, NotAllowed, KeyReused, RoomBusy, Overloaded)
"""What every write to a room's log may be refused with."""


def refusals() -> list[type[ServiceError]]:
    """List every refusal, by code."""
    found: dict[str, type[ServiceError]] = {}
    waiting = [ServiceError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting += kind.__subclasses__()
    return [found[code] for code in sorted(found)]


def catalogue() -> list[dict[str, object]]:
    """Give every refusal as data: its code, its status, its sentence, and what it means."""
    return [
        {
            "code": kind.code,
            "status": kind.status,
            "title": kind.title,
            "meaning": " ".join((kind.__doc__ or "").split()),
        }
        for kind in refusals()
    ]
