"""The model of a room's log: what the append answers, in a few lines of Python."""

from dataclasses import dataclass, field

from api.log.event import Kind
from api.log.item import Item, Needs, Outcome

MEMBER_KINDS = {Kind.MEMBER_ADDED, Kind.MEMBER_REMOVED, Kind.MEMBER_ROLE_CHANGED}


@dataclass
class Member:
    joined_seq: int
    is_admin: bool


@dataclass
class RoomModel:
    """A room that was made without members."""

    events: list[tuple[Kind, int, int | None]] = field(default_factory=lambda: [(Kind.ROOM_CREATED, 0, None)])
    """Kind, sender and target of each, in the order of their seqs."""
    keys: dict[tuple[int, bytes], tuple[int, bytes]] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    latest: dict[int, int] = field(default_factory=dict)
    redacted: set[int] = field(default_factory=set)
    updated_seq: int = 1
    is_private: bool = False
    is_deleted: bool = False

    def append(self, item: Item) -> tuple[Outcome, int | None]:
        """Take an item; gives the outcome, and the seq where something stands for it."""
        known = self.keys.get((item.sender, item.key_hash))
        if known is not None:
            return (Outcome.DUPLICATE, known[0]) if known[1] == item.request_hash else (Outcome.KEY_REUSED, None)
        refusal = self._refusal_of_sender(item) or self._refusal_of_change(item)
        if refusal is not None:
            return refusal, None
        self.events.append((item.kind, item.sender, item.target))
        self.keys[item.sender, item.key_hash] = (len(self.events), item.request_hash)
        self._change(item, len(self.events))
        return Outcome.ACCEPTED, len(self.events)

    def _refusal_of_sender(self, item: Item) -> Outcome | None:
        sender = self.members.get(item.sender)
        if self.is_deleted or (item.needs is not Needs.NOTHING and sender is None and self.is_private):
            return Outcome.ROOM_NOT_FOUND
        if item.needs not in {Needs.NOTHING, Needs.PUBLIC_ROOM} and sender is None:
            return Outcome.NOT_A_MEMBER
        is_admin = sender is not None and sender.is_admin
        return Outcome.NOT_ALLOWED if item.needs is Needs.ADMIN and not is_admin else None

    def _refusal_of_change(self, item: Item) -> Outcome | None:
        if item.target is not None:
            return self._refusal_of_message(item, item.target)
        if item.kind in MEMBER_KINDS and item.subject is not None:
            member = self.members.get(item.subject)
            if item.kind is Kind.MEMBER_ROLE_CHANGED:
                joined_seq = None if member is None else member.joined_seq
                return None if joined_seq and item.expected in {None, joined_seq} else Outcome.SEQ_CONFLICT
            return Outcome.UNCHANGED if (member is None) is (item.kind is Kind.MEMBER_REMOVED) else None
        if item.kind is Kind.ROOM_UPDATED and item.expected not in {None, self.updated_seq}:
            return Outcome.SEQ_CONFLICT
        return None

    def _refusal_of_message(self, item: Item, target: int) -> Outcome | None:
        if target > len(self.events) or self.events[target - 1][0] is not Kind.MESSAGE_CREATED:
            return Outcome.MESSAGE_NOT_FOUND
        is_others = self.events[target - 1][1] != item.sender
        may_change_others = item.needs not in {Needs.OWN_MESSAGE, Needs.OWN_MESSAGE_OR_ADMIN}
        if item.needs is Needs.OWN_MESSAGE_OR_ADMIN:
            may_change_others = self.members[item.sender].is_admin
        if is_others and not may_change_others:
            return Outcome.NOT_ALLOWED
        if target in self.redacted:
            return Outcome.UNCHANGED if item.kind is Kind.MESSAGE_DELETED else Outcome.MESSAGE_NOT_FOUND
        return None if item.expected in {None, self.latest.get(target, target)} else Outcome.SEQ_CONFLICT

    def _change(self, item: Item, seq: int) -> None:
        subject = item.subject or 0
        match item.kind:
            case Kind.MESSAGE_EDITED | Kind.MESSAGE_DELETED if item.target is not None:
                self.latest[item.target] = seq
                self.redacted |= {item.target} if item.kind is Kind.MESSAGE_DELETED else set()
            case Kind.MEMBER_ADDED:
                self.members[subject] = Member(seq, is_admin=False)
            case Kind.MEMBER_REMOVED:
                del self.members[subject]
            case Kind.MEMBER_ROLE_CHANGED:
                self.members[subject].is_admin = True
            case Kind.ROOM_UPDATED:
                self.updated_seq, self.is_private = seq, bool(item.private)
            case Kind.ROOM_DELETED:
                self.updated_seq, self.is_deleted = seq, True
            case _:
                pass
