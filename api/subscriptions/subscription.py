"""A subscription: one reader's place in one room's log, and what the next event means to that reader. Pure."""

from dataclasses import dataclass
from enum import Enum

from api.ids import Place, RoomId, Seq
from api.log.event import Event, Kind
from api.log.views import Door
from api.tails.stretch import Stretch
from tenants.ids import UserNumber


class Step(Enum):
    """What to do with the next event."""

    SHOW = "show"
    HIDE = "hide"
    """Its place is shown, its content is not: it is about a message older than the history this member may read."""
    REVOKE_REMOVED = "removed"
    """It removes this reader, who has seen everything before it and sees nothing from it on."""
    REVOKE_PRIVATE = "room_private"
    """It closes the room to those who are no members, and this reader is none."""
    SHOW_AND_END = "room_deleted"
    VIOLATION = "violation"
    """It is not the next one: nothing may be sent."""


@dataclass(slots=True)
class Subscription:
    """A cursor into a room's log, with the reader's rights as its events change them."""

    room_id: RoomId
    user: UserNumber | None
    """None for an API key and for the inspector, which may read whatever the app has."""
    cursor: Place
    known_at: Seq
    """The head at which the rights below were read; events up to there have been accounted for."""
    is_member: bool
    visible_from: Seq

    @classmethod
    def begin(cls, room_id: RoomId, user: UserNumber | None, cursor: Place, door: Door) -> "Subscription":
        """Stand at `cursor` with the rights that `door` found."""
        membership = door.membership
        return cls(
            room_id=room_id,
            user=user,
            cursor=cursor,
            known_at=door.head,
            is_member=membership is not None,
            visible_from=Seq(0) if membership is None else membership.visible_from,
        )

    def advance(self, event: Event) -> Step:
        """Decide about an event and move past it; a violation moves nothing."""
        if event.seq != self.cursor.seq + 1 or event.room != self.cursor.room:
            return Step.VIOLATION
        self.cursor = event.place
        if event.seq > self.known_at:
            refusal = self._change_rights(event)
            if refusal is not None:
                return refusal
        about = event.message_seq
        if about is not None and about < self.visible_from:
            return Step.HIDE
        return Step.SHOW_AND_END if event.kind is Kind.ROOM_DELETED else Step.SHOW

    def takes(self, stretch: Stretch) -> bool:
        """Tell whether a stretch is what comes next for this reader, and all of it is to be shown."""
        if stretch.begin != self.cursor.seq + 1 or stretch.end.room != self.cursor.room:
            return False
        return not stretch.changes_rights and stretch.oldest_message >= self.visible_from

    def _change_rights(self, event: Event) -> Step | None:
        if self.user is None:
            return None
        is_own = event.subject == self.user
        if event.kind is Kind.MEMBER_ADDED and is_own:
            self.is_member = True
            self.visible_from = event.seq if event.private else Seq(0)
        elif event.kind is Kind.MEMBER_REMOVED and is_own:
            return Step.REVOKE_REMOVED
        elif event.kind is Kind.ROOM_UPDATED and event.private and not self.is_member:
            return Step.REVOKE_PRIVATE
        return None
