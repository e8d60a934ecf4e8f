"""The fold: a room's state at a seq, made by applying its events one after the other.

The law that all of Roomlog rests on: the fold of a snapshot at S and the events S+1 … T is the snapshot at T. Where a
snapshot shows only a part (the last messages, the first members) the fold keeps a part of that part, never anything else.
"""

from api.ids import Seq
from api.log.event import Event, Kind, member_facts, room_facts, state_json
from api.log.views import MEMBERS_IN_SNAPSHOT, MESSAGES_IN_SNAPSHOT, MemberRow, RoomRow, Snapshot
from tenants.ids import UserNumber


class Fold:
    """The state of one room, as JSON texts that are put together and never parsed."""

    __slots__ = (
        "_is_short",
        "deleted",
        "member_count",
        "members",
        "message_count",
        "messages",
        "private",
        "room",
    )

    def __init__(self, snapshot: Snapshot) -> None:
        """Start from a snapshot."""
        self.room = _room_json(snapshot)
        self.private = snapshot.room.private
        self.deleted = snapshot.room.deleted
        self.members: dict[UserNumber, str] = {member.number: _member_json(member) for member in snapshot.members}
        self.member_count = snapshot.member_count
        self.messages: dict[Seq, str] = {message.seq: state_json(message.latest) for message in snapshot.messages}
        self.message_count = snapshot.message_count
        self._is_short = False

    @property
    def lists_members(self) -> bool:
        """Whether `members` is as long as a snapshot's; once members have left a long list it may be shorter."""
        return len(self.members) >= min(self.member_count, MEMBERS_IN_SNAPSHOT)

    @property
    def lists_messages(self) -> bool:
        """Whether `messages` is as long as a snapshot's; after `forget_messages` it is not."""
        return not self._is_short or len(self.messages) >= MESSAGES_IN_SNAPSHOT

    @property
    def size_bytes(self) -> int:
        """About what this state weighs."""
        texts = sum(map(len, self.messages.values())) + sum(map(len, self.members.values()))
        return texts + len(self.room) + 100 * (len(self.messages) + len(self.members))

    def forget_messages(self) -> None:
        """Give their memory back; who opens the room next reads a snapshot."""
        self._is_short = self._is_short or bool(self.messages)
        self.messages.clear()

    def forget_before(self, floor: Seq) -> None:
        """Drop the messages that the room no longer keeps."""
        for seq in [seq for seq in self.messages if seq < floor]:
            del self.messages[seq]

    def apply(self, event: Event) -> None:
        """Advance by one event; events are applied in order, each once."""
        match event.kind:
            case Kind.MESSAGE_CREATED:
                self.message_count += 1
                self.messages[event.seq] = state_json(event)
                if len(self.messages) > MESSAGES_IN_SNAPSHOT:
                    del self.messages[next(iter(self.messages))]
            case Kind.MESSAGE_EDITED | Kind.MESSAGE_DELETED:
                if event.target is not None and event.target in self.messages:
                    self.messages[event.target] = state_json(event)
            case Kind.MEMBER_ADDED | Kind.MEMBER_REMOVED | Kind.MEMBER_ROLE_CHANGED:
                self._apply_member(event)
            case Kind.ROOM_CREATED | Kind.ROOM_UPDATED | Kind.ROOM_DELETED:
                self.room = state_json(event)
                self.private = self.private if event.private is None else event.private
                self.deleted = event.kind is Kind.ROOM_DELETED
            case Kind.UNKNOWN:
                pass

    def _apply_member(self, event: Event) -> None:
        if event.subject is None:
            return
        if event.kind is Kind.MEMBER_REMOVED:
            self.member_count -= 1
            self.members.pop(event.subject, None)
        elif event.kind is Kind.MEMBER_ADDED:
            # Members are listed by joining: a new one stands last, and is listed if all before it are.
            if self.member_count == len(self.members) < MEMBERS_IN_SNAPSHOT:
                self.members[event.subject] = state_json(event)
            self.member_count += 1
        elif event.subject in self.members:
            self.members[event.subject] = state_json(event)


def _room_json(snapshot: Snapshot) -> str:
    room: RoomRow = snapshot.room
    facts = room_facts(snapshot.room_id, name=room.name, private=room.private, data=room.data)
    return (
        f'{{{facts},"created_at":"{room.created_at}","updated_seq":{room.updated_seq},'
        f'"updated_at":"{room.updated_at}"}}'
    )


def _member_json(member: MemberRow) -> str:
    return (
        f'{{"joined_seq":{member.joined_seq},"joined_at":"{member.joined_at}",{member_facts(member.id, member.role)}}}'
    )
