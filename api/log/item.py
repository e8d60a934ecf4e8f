"""Items: what somebody wants in a room's log, and what may become of it."""

from enum import IntEnum

import msgspec

from api.ids import RoomNumber, Seq
from api.log.event import Event, Kind
from tenants.ids import AppId, UserNumber


class Needs(IntEnum):
    """What must hold of the sender, decided while the room's row is locked."""

    NOTHING = 0
    MEMBER = 1
    ADMIN = 2
    PUBLIC_ROOM = 3
    OWN_MESSAGE = 4
    OWN_MESSAGE_OR_ADMIN = 5


class Outcome(IntEnum):
    """What became of an item."""

    ACCEPTED = 1
    DUPLICATE = 2
    KEY_REUSED = 3
    UNCHANGED = 4
    ROOM_NOT_FOUND = 5
    NOT_A_MEMBER = 6
    NOT_ALLOWED = 7
    MESSAGE_NOT_FOUND = 8
    SEQ_CONFLICT = 9
    HELD = 11
    """Somebody else holds the room's row; nothing was decided."""
    POISON = 12
    """PostgreSQL itself refused the row; said by the lane, which found it by halving."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """One event that somebody wants in a room's log, with all that the append decides by."""

    app: AppId
    room: RoomNumber
    kind: Kind
    sender: UserNumber
    key_hash: bytes
    """16 bytes; unique by (app, room, sender) for as long as the event lives."""
    request_hash: bytes
    """16 bytes; the same key with another request is refused."""
    needs: Needs
    facts: str
    body: str = ""
    target: Seq | None = None
    subject: UserNumber | None = None
    expected: Seq | None = None
    """What `updated_seq` (of a message or room) or `joined_seq` (of a member) must still be; None: whatever it is."""
    private: bool | None = None
    """See `Event.private`; `state` says it too."""
    state: str | None = None
    """JSON for the row that member and room events change: `user, role, private` or `name, data, private`."""

    @property
    def size_bytes(self) -> int:
        """About what the item weighs in the call."""
        return len(self.facts) + len(self.body) + len(self.state or "") + 200


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of an item, and the event that stands for it: the new one, or for a duplicate the first one.

    `event` is None where nothing was written.
    """

    outcome: Outcome
    event: Event | None = None
