"""The refusals of chat, one class for each code; the tree stands in `tenants.errors`.

ServiceError
├── BadRequest                 bad_request
├── RoomNotFound               room_not_found
├── UserNotFound               user_not_found
├── MessageNotFound            message_not_found
├── NotAMember                 not_a_member
├── NotAllowed                 not_allowed
├── SeqConflict                seq_conflict
├── KeyReused                  idempotency_key_reused
├── TooLarge                   too_large
├── RoomBusy                   room_busy
└── Overloaded                 overloaded
"""

from tenants.errors import NotFound, ServiceError, Unavailable


class BadRequest(ServiceError):
    """The request cannot be read or breaks a limit; `pointer` says where."""

    code = "bad_request"
    status = 400
    title = "The request is not of the documented shape; the pointer says where."


class RoomNotFound(NotFound):
    """No such room for this caller: never made, deleted, private to others, or another app's."""

    code = "room_not_found"
    title = "No such room for this caller."


class UserNotFound(NotFound):
    """No user of this app has that id; make it with `PUT /v1/users/{id}`."""

    code = "user_not_found"
    title = "No such user in this app; make it with PUT /v1/users/{id}."


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


class RoomBusy(Unavailable):
    """The room's row is held by something else; the write was not applied."""

    code = "room_busy"
    title = "The room is held by another operation; retry with the same idempotency key."


class Overloaded(Unavailable):
    """A queue of this process is full; the request was not taken."""

    code = "overloaded"
    title = "Too much is waiting; retry after the stated time with the same idempotency key."
