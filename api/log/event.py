"""Events: the durable facts of a room's log, and the one place where their JSON is put together.

An event's JSON is made of three texts. *Born* members (seq, number, id, time) exist only once the append has happened;
*facts* (who, what it is about) stay for ever; the *body* (what people wrote) is blanked when the message is deleted.
Facts and body are encoded once, by the verb that writes the event, and never parsed again by the service.
"""

from enum import IntEnum

import msgspec

from api.ids import Epoch, Place, RoomId, RoomNumber, Seq, write_cursor, write_message_id
from tenants.ids import AppId, UserId, UserNumber


class Kind(IntEnum):
    """What happened. The numbers are stored and never change their meaning."""

    UNKNOWN = 0
    """What a newer version wrote: it has its place in the log, which is all that this one can show of it."""
    MESSAGE_CREATED = 1
    MESSAGE_EDITED = 2
    MESSAGE_DELETED = 3
    MEMBER_ADDED = 11
    MEMBER_REMOVED = 12
    MEMBER_ROLE_CHANGED = 13
    ROOM_CREATED = 21
    ROOM_UPDATED = 22
    ROOM_DELETED = 23

    @classmethod
    def _missing_(cls, value: object) -> "Kind":
        # While processes are replaced one by one, the old ones read what the new ones write.
        del value
        return cls.UNKNOWN

    @property
    def wire_name(self) -> str:
        """The kind as frames spell it, such as `message.created`."""
        return _WIRE_NAMES[self]

    @property
    def subject_name(self) -> str:
        """The member of a frame that carries the full new state: `message`, `member`, or `state` of the room."""
        noun = _WIRE_NAMES[self].partition(".")[0]
        return "state" if noun == "room" else noun


_WIRE_NAMES = {kind: kind.name.lower().replace("_", ".", 1) for kind in Kind}
REDACTED = '"redacted":true'
"""Stands in the place of a body that has been blanked."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One durable fact in a room's log, carrying the full new state of what it changes."""

    app: AppId
    room: RoomNumber
    seq: Seq
    epoch: Epoch
    kind: Kind
    at: str
    """RFC 3339; for people, not for order."""
    facts: str
    body: str | None
    """JSON members that people wrote; None when redacted, empty for kinds that have none."""
    number: int | None = None
    """Place among the room's messages, on `message.created` only."""
    target: Seq | None = None
    """The message that this edits or deletes, by the seq of its creation."""
    subject: UserNumber | None = None
    """The user whom this adds or removes."""
    private: bool | None = None
    """On `room.*`: whether only members may read from here on. On `member.added`: whether they may not read what came before."""

    @property
    def place(self) -> Place:
        """Where this event stands; its cursor spells that."""
        return Place(self.room, self.epoch, self.seq)

    @property
    def message_seq(self) -> Seq | None:
        """The seq that created the message this event is about; None if it is about none."""
        return self.seq if self.kind is Kind.MESSAGE_CREATED else self.target

    def redacted(self) -> "Event":
        """Give the same event without its body."""
        return msgspec.structs.replace(self, body=None)


def state_json(event: Event) -> str:
    """Write the full new state of what an event changes: born members, facts, body."""
    body = REDACTED if event.body is None else event.body
    return "{" + ",".join(filter(None, (_BORN[event.kind](event), event.facts, body))) + "}"


def event_json(event: Event, room_id: RoomId) -> str:
    """Write an event as every transport shows it: the same text for every reader of the room."""
    if event.kind is Kind.UNKNOWN:
        return hidden_json(event, room_id)
    return (
        f'{{"type":"{event.kind.wire_name}","room":"{room_id}","seq":{event.seq},'
        f'"cursor":"{write_cursor(event.place)}","at":"{event.at}",'
        f'"{event.kind.subject_name}":{state_json(event)}}}'
    )


def changed_room_facts(facts: str, created_at: str) -> str:
    """Give the facts of a `room.updated` or `room.deleted`."""
    return f'{facts},"created_at":"{created_at}"'


def hidden_json(event: Event, room_id: RoomId) -> str:
    """Write what a member sees of an event about a message older than the history they may read: its place alone."""
    return f'{{"type":"hidden","room":"{room_id}","seq":{event.seq},"cursor":"{write_cursor(event.place)}"}}'


def created_facts(sender: UserId) -> str:
    """Give the facts of a `message.created`."""
    return f'"sender":"{sender}"'


def changed_facts(original: Event) -> str:
    """Give the facts of an edit or deletion: all that `original`, the `message.created`, was born with and stated."""
    return (
        f'"id":"{write_message_id(original.place)}","seq":{original.seq},"number":{original.number},'
        f'"created_at":"{original.at}",{original.facts}'
    )


def member_facts(user_id: UserId, role: str) -> str:
    """Give the facts of a member event."""
    return f'"user":"{user_id}","role":"{role}"'


def room_facts(room_id: RoomId, *, name: str, private: bool, data: str) -> str:
    """Give the facts of a `room.created`; `data` is JSON text. Later ones add `created_at` by `changed_room_facts`."""
    return (
        f'"id":"{room_id}","name":{msgspec.json.encode(name).decode()},'
        f'"private":{"true" if private else "false"},"data":{data}'
    )


def _created(event: Event) -> str:
    return (
        f'"id":"{write_message_id(event.place)}","seq":{event.seq},"number":{event.number},'
        f'"updated_seq":{event.seq},"created_at":"{event.at}"'
    )


def _edited(event: Event) -> str:
    return f'"updated_seq":{event.seq},"edited_at":"{event.at}"'


def _deleted(event: Event) -> str:
    return f'"updated_seq":{event.seq},"deleted_at":"{event.at}"'


def _added(event: Event) -> str:
    return f'"joined_seq":{event.seq},"joined_at":"{event.at}"'


def _removed(event: Event) -> str:
    return f'"removed_seq":{event.seq}'


def _nothing(_: Event) -> str:
    return ""


def _room_created(event: Event) -> str:
    return f'"created_at":"{event.at}","updated_seq":{event.seq},"updated_at":"{event.at}"'


def _room_changed(event: Event) -> str:
    return f'"updated_seq":{event.seq},"updated_at":"{event.at}"'


_BORN = {
    Kind.UNKNOWN: _nothing,
    Kind.MESSAGE_CREATED: _created,
    Kind.MESSAGE_EDITED: _edited,
    Kind.MESSAGE_DELETED: _deleted,
    Kind.MEMBER_ADDED: _added,
    Kind.MEMBER_REMOVED: _removed,
    Kind.MEMBER_ROLE_CHANGED: _nothing,
    Kind.ROOM_CREATED: _room_created,
    Kind.ROOM_UPDATED: _room_changed,
    Kind.ROOM_DELETED: _room_changed,
}
