"""The API's operations as methods, called. Written by `python -m sdk.generator`; not to be edited."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from roomlog._generated.models import (
    Algorithm,
    BatchMemberRequest,
    BatchUserRequest,
    Grant,
    Job,
    Key,
    KeyList,
    Limits,
    Member,
    MemberBatch,
    MemberPage,
    Message,
    MessagePage,
    Part,
    PollAnswer,
    ReadCursor,
    Room,
    RoomPage,
    RoomRetention,
    SigningKey,
    SigningKeyList,
    Ticket,
    Token,
    Usage,
    User,
    UserBatch,
    UserPage,
)
from roomlog.calling import NOT_GIVEN, Call, Caller, Given, Pages


class AppResource:
    """App."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def delete(
        self,
    ) -> Job:
        """Delete the app that the key belongs to, with all that is in it: no credential of it holds from then
        on.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/app",
            path={},
        )
        return self._caller.call(call, Job)


class JobsResource:
    """Jobs: deletions that take their time, and how far they are."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get(
        self,
        job_id: str,
    ) -> Job:
        """Tell how far a job is.

        Takes an API key.

        Takes the grant `rooms:read`.

        Counts against the limits of `requests`.

        Raises `NotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/jobs/{job_id}",
            path={
                "job_id": job_id,
            },
        )
        return self._caller.call(call, Job)


class KeysResource:
    """API keys and signing keys of an app."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
    ) -> KeyList:
        """Give the app's API keys, without their secrets.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/keys",
            path={},
        )
        return self._caller.call(call, KeyList)

    def create(
        self,
        *,
        label: str,
        grants: Given[Sequence[Grant | str] | None] = NOT_GIVEN,
        expires_at: Given[str | None] = NOT_GIVEN,
    ) -> Key:
        """Make an API key; its text is shown in this answer and never again.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        - `grants`: What is absent is everything but `app:manage`, as far as the key that asks may do it
          itself.

        Raises `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/keys",
            path={},
            body={
                "label": label,
                "grants": grants,
                "expires_at": expires_at,
            },
        )
        return self._caller.call(call, Key)

    def revoke(
        self,
        key_id: str,
    ) -> None:
        """Revoke an API key: within a second it holds nowhere.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `NotFound`, `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/keys/{key_id}",
            path={
                "key_id": key_id,
            },
        )
        self._caller.do(call)

    def rotate(
        self,
        key_id: str,
        *,
        overlap_s: Given[int] = NOT_GIVEN,
    ) -> Key:
        """Give an API key a new secret, shown in this answer and never again; the old one holds for a while
        longer.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `NotFound`, `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/keys/{key_id}/rotate",
            path={
                "key_id": key_id,
            },
            body={
                "overlap_s": overlap_s,
            },
        )
        return self._caller.call(call, Key)


class LimitsResource:
    """What an app may do how often, shown to whoever asks."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get(
        self,
    ) -> Limits:
        """Give the limits of the caller's app and of each of its users; what remains stands in each answer's
        headers.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/limits",
            path={},
        )
        return self._caller.call(call, Limits)


class MembersResource:
    """Members: who belongs to a room, and as what."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
        room_id: str,
        *,
        after: Given[int | None] = NOT_GIVEN,
        before: Given[int | None] = NOT_GIVEN,
        limit: Given[int] = NOT_GIVEN,
        role: Given[Literal["admin", "member"] | str | None] = NOT_GIVEN,
        prefix: Given[str | None] = NOT_GIVEN,
    ) -> Pages[Member, MemberPage]:
        """Give a room's members in the order of their joining, or those of a role or whose ids begin with
        `prefix`.

        Takes the grant `rooms:read`.

        Counts against the limits of `requests`.

        - `after`: The `next` of a page.
        - `before`: The `previous` of a page.
        - `limit`: How many at most.
        - `role`: Those of this role.
        - `prefix`: What their ids begin with.

        Raises `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}/members",
            path={
                "room_id": room_id,
            },
            query={
                "after": after,
                "before": before,
                "limit": limit,
                "role": role,
                "prefix": prefix,
            },
        )
        return Pages(self._caller, call, MemberPage, "members")

    def add_many(
        self,
        room_id: str,
        *,
        members: Sequence[BatchMemberRequest],
        idempotency_key: str | None = None,
    ) -> MemberBatch:
        """Add up to 1,000 users to a room, in order; under the same key a repetition goes on where it was
        interrupted.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `DirectRoomFixed`, `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `QuotaExceeded`,
        `RoomBusy`, `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/rooms/{room_id}/members/batch",
            path={
                "room_id": room_id,
            },
            body={
                "members": members,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, MemberBatch)

    def put(
        self,
        room_id: str,
        user_id: str,
        *,
        role: Given[Literal["admin", "member"] | str | None] = NOT_GIVEN,
        history: Given[Literal["all", "from_join"] | str] = NOT_GIVEN,
        idempotency_key: str | None = None,
    ) -> Member:
        """Add a user to a room, or change a member's role.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        - `history`: Whether a new member may read what was said before.

        Raises `DirectRoomFixed`, `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `QuotaExceeded`,
        `RoomBusy`, `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "PUT",
            "/v1/rooms/{room_id}/members/{user_id}",
            path={
                "room_id": room_id,
                "user_id": user_id,
            },
            body={
                "role": role,
                "history": history,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, Member)

    def remove(
        self,
        room_id: str,
        user_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Take a user out of a room.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `DirectRoomFixed`, `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `RoomBusy`,
        `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/rooms/{room_id}/members/{user_id}",
            path={
                "room_id": room_id,
                "user_id": user_id,
            },
            takes_key=True,
            key=idempotency_key,
        )
        self._caller.do(call)


class MessagesResource:
    """Messages: what users say."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
        room_id: str,
        *,
        before: Given[int | None] = NOT_GIVEN,
        after: Given[int | None] = NOT_GIVEN,
        around: Given[int | None] = NOT_GIVEN,
        limit: Given[int] = NOT_GIVEN,
    ) -> Pages[Message, MessagePage]:
        """Give a page of a room's messages: the last ones, or those before, after or around a seq.

        Takes the grant `messages:read`.

        Counts against the limits of `requests`.

        - `before`: Those before this seq.
        - `after`: Those after this seq.
        - `around`: Those on both sides of this seq.
        - `limit`: How many at most.

        Raises `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}/messages",
            path={
                "room_id": room_id,
            },
            query={
                "before": before,
                "after": after,
                "around": around,
                "limit": limit,
            },
        )
        return Pages(self._caller, call, MessagePage, "messages")

    def send(
        self,
        room_id: str,
        *,
        parts: Sequence[Part],
        metadata: Given[Mapping[str, Any] | None] = NOT_GIVEN,
        idempotency_key: str | None = None,
    ) -> Message:
        """Send a message to a room.

        Takes the grant `messages:write`.

        Counts against the limits of `requests` and `sends`.

        Raises `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `QuotaExceeded`, `RoomBusy`,
        `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "POST",
            "/v1/rooms/{room_id}/messages",
            path={
                "room_id": room_id,
            },
            body={
                "parts": parts,
                "metadata": metadata,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, Message)

    def get(
        self,
        room_id: str,
        message_id: str,
    ) -> Message:
        """Give one message as it stands now.

        Takes the grant `messages:read`.

        Counts against the limits of `requests`.

        Raises `MessageNotFound`, `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}/messages/{message_id}",
            path={
                "room_id": room_id,
                "message_id": message_id,
            },
        )
        return self._caller.call(call, Message)

    def edit(
        self,
        room_id: str,
        message_id: str,
        *,
        parts: Sequence[Part],
        metadata: Given[Mapping[str, Any] | None] = NOT_GIVEN,
        expected_seq: Given[int | None] = NOT_GIVEN,
        idempotency_key: str | None = None,
    ) -> Message:
        """Replace what a message says.

        Takes the grant `messages:write`.

        Counts against the limits of `requests` and `sends`.

        - `expected_seq`: The `updated_seq` that it must still have.

        Raises `IdempotencyKeyReused`, `MessageNotFound`, `NotAMember`, `NotAllowed`, `QuotaExceeded`,
        `RoomBusy`, `RoomNotFound`, `SeqConflict`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "PATCH",
            "/v1/rooms/{room_id}/messages/{message_id}",
            path={
                "room_id": room_id,
                "message_id": message_id,
            },
            body={
                "parts": parts,
                "metadata": metadata,
                "expected_seq": expected_seq,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, Message)

    def delete(
        self,
        room_id: str,
        message_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Delete a message; its place stays, its words are blanked everywhere.

        Takes the grant `messages:write`.

        Counts against the limits of `requests` and `sends`.

        Raises `IdempotencyKeyReused`, `MessageNotFound`, `NotAMember`, `NotAllowed`, `QuotaExceeded`,
        `RoomBusy`, `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "DELETE",
            "/v1/rooms/{room_id}/messages/{message_id}",
            path={
                "room_id": room_id,
                "message_id": message_id,
            },
            takes_key=True,
            key=idempotency_key,
        )
        self._caller.do(call)


class ReadCursorResource:
    """Read cursor."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get(
        self,
        room_id: str,
    ) -> ReadCursor:
        """Give how far one has read; 0 before the first time.

        Takes the grant `messages:read`.

        Counts against the limits of `requests`.

        Raises `NotAMember`, `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}/read",
            path={
                "room_id": room_id,
            },
        )
        return self._caller.call(call, ReadCursor)

    def put(
        self,
        room_id: str,
        *,
        seq: int,
    ) -> ReadCursor:
        """Say how far one has read; a cursor never moves back.

        Takes the grant `messages:write`.

        Counts against the limits of `requests`.

        Raises `NotAMember`, `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "PUT",
            "/v1/rooms/{room_id}/read",
            path={
                "room_id": room_id,
            },
            body={
                "seq": seq,
            },
        )
        return self._caller.call(call, ReadCursor)


class RetentionResource:
    """Retention."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def set(
        self,
        room_id: str,
        *,
        retention_s: int | None,
    ) -> RoomRetention:
        """Say for how long a room keeps its events.

        Takes an API key.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "PUT",
            "/v1/rooms/{room_id}/retention",
            path={
                "room_id": room_id,
            },
            body={
                "retention_s": retention_s,
            },
        )
        return self._caller.call(call, RoomRetention)


class TicketsResource:
    """Tickets."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def create(
        self,
        room_id: str,
    ) -> Ticket:
        """Make a ticket with which a user reads a room, for a browser's EventSource.

        Takes the grant `messages:read`.

        Counts against the limits of `requests`.

        Raises `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "POST",
            "/v1/rooms/{room_id}/tickets",
            path={
                "room_id": room_id,
            },
        )
        return self._caller.call(call, Ticket)


class RoomsResource:
    """Rooms: made, read, changed, deleted."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @cached_property
    def members(self) -> "MembersResource":
        """Members: who belongs to a room, and as what."""
        return MembersResource(self._caller)

    @cached_property
    def messages(self) -> "MessagesResource":
        """Messages: what users say."""
        return MessagesResource(self._caller)

    @cached_property
    def read_cursor(self) -> "ReadCursorResource":
        """Read cursor."""
        return ReadCursorResource(self._caller)

    @cached_property
    def retention(self) -> "RetentionResource":
        """Retention."""
        return RetentionResource(self._caller)

    @cached_property
    def tickets(self) -> "TicketsResource":
        """Tickets."""
        return TicketsResource(self._caller)

    def list(
        self,
        *,
        after: Given[str | None] = NOT_GIVEN,
        limit: Given[int] = NOT_GIVEN,
        private: Given[bool | None] = NOT_GIVEN,
        direct: Given[bool | None] = NOT_GIVEN,
        member: Given[str | None] = NOT_GIVEN,
        prefix: Given[str | None] = NOT_GIVEN,
    ) -> Pages[Room, RoomPage]:
        """Give the rooms that the user is a member of, or for an API key all of its app, newest first.

        `prefix` is of names, and such a list comes by name; `member` is for API keys, and gives the rooms of
        that user.

        Takes the grant `rooms:read`.

        Counts against the limits of `requests`.

        - `after`: The `next` of the page before.
        - `limit`: How many at most.
        - `private`: Only private rooms, or only public ones.
        - `direct`: Only 1:1 rooms, or only others.
        - `member`: The rooms of this user; for API keys.
        - `prefix`: What names begin with.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms",
            path={},
            query={
                "after": after,
                "limit": limit,
                "private": private,
                "direct": direct,
                "member": member,
                "prefix": prefix,
            },
        )
        return Pages(self._caller, call, RoomPage, "rooms")

    def create(
        self,
        *,
        id: Given[str | None] = NOT_GIVEN,
        name: Given[str | None] = NOT_GIVEN,
        private: Given[bool] = NOT_GIVEN,
        data: Given[Mapping[str, Any] | None] = NOT_GIVEN,
        members: Given[Sequence[str] | None] = NOT_GIVEN,
        direct_with: Given[str | None] = NOT_GIVEN,
        direct: Given[Sequence[str] | None] = NOT_GIVEN,
        idempotency_key: str | None = None,
    ) -> Room:
        """Make a room, or give the one that has this id already, or is the 1:1 room of these two.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        - `id`: Without one the room is given an id.
        - `private`: Whether only members may read it.
        - `direct_with`: The user with whom the caller's user wants its 1:1 room.
        - `direct`: The two whose 1:1 room it is to be, named by an API key.

        Raises `IdempotencyKeyReused`, `QuotaExceeded`, `RoomIdTaken`, `RoomNotFound`, `UserNotFound`,
        `UserRequired`.
        """
        call = Call(
            "POST",
            "/v1/rooms",
            path={},
            body={
                "id": id,
                "name": name,
                "private": private,
                "data": data,
                "members": members,
                "direct_with": direct_with,
                "direct": direct,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, Room)

    def get(
        self,
        room_id: str,
    ) -> Room:
        """Give a room.

        Takes the grant `rooms:read`.

        Counts against the limits of `requests`.

        Raises `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}",
            path={
                "room_id": room_id,
            },
        )
        return self._caller.call(call, Room)

    def update(
        self,
        room_id: str,
        *,
        name: Given[str | None] = NOT_GIVEN,
        private: Given[bool | None] = NOT_GIVEN,
        data: Given[Mapping[str, Any] | None] = NOT_GIVEN,
        expected_seq: Given[int | None] = NOT_GIVEN,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Room:
        """Change a room's name, privacy or data.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        - `expected_seq`: The `updated_seq` that it must still have.

        Raises `DirectRoomFixed`, `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `PreconditionFailed`,
        `RoomBusy`, `RoomNotFound`, `SeqConflict`, `UserNotFound`.
        """
        call = Call(
            "PATCH",
            "/v1/rooms/{room_id}",
            path={
                "room_id": room_id,
            },
            body={
                "name": name,
                "private": private,
                "data": data,
                "expected_seq": expected_seq,
            },
            takes_key=True,
            key=idempotency_key,
            if_match=if_match,
        )
        return self._caller.call(call, Room)

    def delete(
        self,
        room_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Delete a room with everything in it.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `RoomBusy`, `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/rooms/{room_id}",
            path={
                "room_id": room_id,
            },
            takes_key=True,
            key=idempotency_key,
        )
        self._caller.do(call)

    def poll(
        self,
        room_id: str,
        *,
        after: Given[str | None] = NOT_GIVEN,
        wait: Given[int] = NOT_GIVEN,
        limit: Given[int] = NOT_GIVEN,
        last: Given[int] = NOT_GIVEN,
    ) -> PollAnswer:
        """Give what follows a cursor, at once or when it comes.

        Takes the grant `messages:read`.

        Counts against the limits of `requests`.

        - `after`: The cursor of the answer before; without one the answer is a snapshot, at once.
        - `wait`: For how many seconds to wait for the first frame.
        - `limit`: How many frames at most.
        - `last`: How many of the last messages a snapshot holds.

        Raises `RoomNotFound`, `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/rooms/{room_id}/events",
            path={
                "room_id": room_id,
            },
            query={
                "after": after,
                "wait": wait,
                "limit": limit,
                "last": last,
            },
        )
        return self._caller.call(call, PollAnswer)

    def join(
        self,
        room_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> Member:
        """Join a public room.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `QuotaExceeded`, `RoomBusy`,
        `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "POST",
            "/v1/rooms/{room_id}/join",
            path={
                "room_id": room_id,
            },
            takes_key=True,
            key=idempotency_key,
        )
        return self._caller.call(call, Member)

    def leave(
        self,
        room_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Leave a room.

        Takes the grant `rooms:write`.

        Counts against the limits of `requests`.

        Raises `DirectRoomFixed`, `IdempotencyKeyReused`, `NotAMember`, `NotAllowed`, `RoomBusy`,
        `RoomNotFound`, `UserNotFound`, `UserRequired`.
        """
        call = Call(
            "POST",
            "/v1/rooms/{room_id}/leave",
            path={
                "room_id": room_id,
            },
            takes_key=True,
            key=idempotency_key,
        )
        self._caller.do(call)


class SigningKeysResource:
    """Signing keys."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
    ) -> SigningKeyList:
        """Give the app's signing keys, without their secrets.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/signing-keys",
            path={},
        )
        return self._caller.call(call, SigningKeyList)

    def create(
        self,
        *,
        algorithm: Given[Algorithm | str] = NOT_GIVEN,
        public_key: Given[str | None] = NOT_GIVEN,
        reveal: Given[bool] = NOT_GIVEN,
    ) -> SigningKey:
        """Make a signing key; it signs from now on, and older ones go on to verify.

        With the customer's `public_key` it verifies only. A revealed secret is shown in this answer and never
        again.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        - `public_key`: The customer's own, as PEM; then we only verify.
        - `reveal`: Whether the answer is to show the secret of an HS256 key, for the customer to sign with.

        Raises `UserNotFound`, `WrongPublicKey`.
        """
        call = Call(
            "POST",
            "/v1/signing-keys",
            path={},
            body={
                "algorithm": algorithm,
                "public_key": public_key,
                "reveal": reveal,
            },
        )
        return self._caller.call(call, SigningKey)

    def retire(
        self,
        key_id: str,
    ) -> None:
        """Retire a signing key: within a second its tokens hold nowhere.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        Raises `NotFound`, `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/signing-keys/{key_id}",
            path={
                "key_id": key_id,
            },
        )
        self._caller.do(call)


class TokensResource:
    """Tokens: a customer's server trades its API key for a user's token."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def create(
        self,
        *,
        user: str,
        ttl_s: Given[int] = NOT_GIVEN,
        grants: Given[Sequence[Grant | str] | None] = NOT_GIVEN,
        rooms: Given[Sequence[str] | None] = NOT_GIVEN,
    ) -> Token:
        """Issue a token for a user, who is made if new.

        Takes an API key.

        Takes the grant `tokens:create`.

        Counts against the limits of `requests` and `tokens`.

        - `grants`: What is absent is all that the user may do.
        - `rooms`: What is absent is all rooms that the user reaches.

        Raises `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/tokens",
            path={},
            body={
                "user": user,
                "ttl_s": ttl_s,
                "grants": grants,
                "rooms": rooms,
            },
        )
        return self._caller.call(call, Token)

    def revoke(
        self,
        *,
        token: Given[str | None] = NOT_GIVEN,
        jti: Given[str | None] = NOT_GIVEN,
        all: Given[bool] = NOT_GIVEN,
    ) -> None:
        """Revoke one token, by itself or by its `jti`, or all that the app's users have: within a second they
        hold nowhere.

        Takes an API key.

        Takes the grant `users:write`.

        Counts against the limits of `requests`.

        - `all`: All that were issued so far.

        Raises `NotAToken`, `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/tokens/revoke",
            path={},
            body={
                "token": token,
                "jti": jti,
                "all": all,
            },
        )
        self._caller.do(call)


class UsageResource:
    """What an app has done, by the hour and by the day, shown to its servers."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get(
        self,
        *,
        by: Given[Literal["day", "hour"] | str] = NOT_GIVEN,
        since: Given[str | None] = NOT_GIVEN,
        days: Given[int] = NOT_GIVEN,
    ) -> Usage:
        """Give what the app did, by the hour or the day, up to now.

        It is up to a few seconds behind. Kept for 400 days.

        Takes an API key.

        Takes the grant `app:manage`.

        Counts against the limits of `requests`.

        - `by`: How finely.
        - `since`: The first day (UTC); else as many ago as are wanted.
        - `days`: How many days from the first on.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/usage",
            path={},
            query={
                "by": by,
                "since": since,
                "days": days,
            },
        )
        return self._caller.call(call, Usage)


class UsersResource:
    """Users of an app: their names and custom data."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
        *,
        prefix: Given[str] = NOT_GIVEN,
        after: Given[str | None] = NOT_GIVEN,
        limit: Given[int] = NOT_GIVEN,
    ) -> Pages[User, UserPage]:
        """Give the app's users in the order of their ids, or those whose ids begin with `prefix`.

        Takes an API key.

        Takes the grant `users:read`.

        Counts against the limits of `requests`.

        - `prefix`: What ids begin with.
        - `after`: The `next` of the page before.
        - `limit`: How many at most.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/users",
            path={},
            query={
                "prefix": prefix,
                "after": after,
                "limit": limit,
            },
        )
        return Pages(self._caller, call, UserPage, "users")

    def put_many(
        self,
        *,
        users: Sequence[BatchUserRequest],
    ) -> UserBatch:
        """Make or change up to 1,000 users, all or none.

        Takes an API key.

        Takes the grant `users:write`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/users/batch",
            path={},
            body={
                "users": users,
            },
        )
        return self._caller.call(call, UserBatch)

    def get(
        self,
        user_id: str,
    ) -> User:
        """Give a user.

        Takes the grant `users:read`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "GET",
            "/v1/users/{user_id}",
            path={
                "user_id": user_id,
            },
        )
        return self._caller.call(call, User)

    def put(
        self,
        user_id: str,
        *,
        name: Given[str | None] = NOT_GIVEN,
        data: Given[Mapping[str, Any] | None] = NOT_GIVEN,
        if_match: str | None = None,
    ) -> User:
        """Make a user, or change one; users may change themselves.

        Takes the grant `users:write`.

        Counts against the limits of `requests`.

        Raises `PreconditionFailed`, `UserNotFound`.
        """
        call = Call(
            "PUT",
            "/v1/users/{user_id}",
            path={
                "user_id": user_id,
            },
            body={
                "name": name,
                "data": data,
            },
            if_match=if_match,
        )
        return self._caller.call(call, User)

    def delete(
        self,
        user_id: str,
        *,
        messages: Given[Literal["keep", "redact"] | str] = NOT_GIVEN,
    ) -> Job:
        """Delete a user: its tokens end at once; a job takes it out of its rooms, and blanks its messages if
        wished.

        Takes an API key.

        Takes the grant `users:write`.

        Counts against the limits of `requests`.

        - `messages`: What becomes of the messages that it has sent.

        Raises `UserNotFound`.
        """
        call = Call(
            "DELETE",
            "/v1/users/{user_id}",
            path={
                "user_id": user_id,
            },
            query={
                "messages": messages,
            },
        )
        return self._caller.call(call, Job)

    def revoke(
        self,
        user_id: str,
    ) -> None:
        """Revoke all tokens that a user has been issued so far: within a second they hold nowhere.

        Takes an API key.

        Takes the grant `users:write`.

        Counts against the limits of `requests`.

        Raises `UserNotFound`.
        """
        call = Call(
            "POST",
            "/v1/users/{user_id}/revoke",
            path={
                "user_id": user_id,
            },
        )
        self._caller.do(call)


class Resources:
    """All resources of a client."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @cached_property
    def app(self) -> AppResource:
        """App."""
        return AppResource(self._caller)

    @cached_property
    def jobs(self) -> JobsResource:
        """Jobs: deletions that take their time, and how far they are."""
        return JobsResource(self._caller)

    @cached_property
    def keys(self) -> KeysResource:
        """API keys and signing keys of an app."""
        return KeysResource(self._caller)

    @cached_property
    def limits(self) -> LimitsResource:
        """What an app may do how often, shown to whoever asks."""
        return LimitsResource(self._caller)

    @cached_property
    def rooms(self) -> RoomsResource:
        """Rooms: made, read, changed, deleted."""
        return RoomsResource(self._caller)

    @cached_property
    def signing_keys(self) -> SigningKeysResource:
        """Signing keys."""
        return SigningKeysResource(self._caller)

    @cached_property
    def tokens(self) -> TokensResource:
        """Tokens: a customer's server trades its API key for a user's token."""
        return TokensResource(self._caller)

    @cached_property
    def usage(self) -> UsageResource:
        """What an app has done, by the hour and by the day, shown to its servers."""
        return UsageResource(self._caller)

    @cached_property
    def users(self) -> UsersResource:
        """Users of an app: their names and custom data."""
        return UsersResource(self._caller)
