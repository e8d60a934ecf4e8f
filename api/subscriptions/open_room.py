"""THE OPEN PATH: door, tail, catch up, then resume from the cursor or begin from a snapshot, all in one trip.

1. *door*: one small fresh read tells where the room stands and how the caller stands to it;
2. *tail*: this process's copy of the room's end, opened by the first reader (`api.tails.keeper`) and shared by the next;
3. *catch up*: the tail is brought to the head that the door saw, so that what was acknowledged before is there;
4. *judge*: a cursor that can be continued is; any other gets a reset with a fresh snapshot.
"""

from dataclasses import dataclass

from api.errors import RoomNotFound
from api.ids import Place, RoomId, RoomNumber, read_cursor
from api.log.epochs import Epochs
from api.log.views import Ask, Door
from api.permits import permit
from api.subscriptions import frames
from api.subscriptions.judge import ResetReason, judge
from api.subscriptions.subscription import Subscription
from api.tails.doors import Doors
from api.tails.keeper import Keeper
from api.tails.live_room import LiveRoom
from api.tails.tail import RING_EVENTS, Tail
from tenants.errors import Unavailable
from tenants.grants import Grant
from tenants.ids import UserNumber
from tenants.scope import Caller

TRIES = 5
"""How often the room may change under an opening before it is refused for now."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A room opened for one reader; who holds it owes `keeper.release(live)`."""

    live: LiveRoom
    generation: int
    subscription: Subscription
    greeting: str | None
    """The snapshot or reset that comes first; None when the cursor is continued."""
    reset: ResetReason | None = None
    """Why the greeting is a reset, if it is one."""


@dataclass(frozen=True, slots=True)
class RoomOpener:
    """Opens rooms for readers of any transport."""

    doors: Doors
    keeper: Keeper
    epochs: Epochs

    async def find(self, caller: Caller, room_id: RoomId) -> RoomNumber:
        """Give the number of a room that this caller may read; raises `RoomNotFound`."""
        return (await self._door(caller, room_id, None)).room

    async def open(self, caller: Caller, room_id: RoomId, cursor: str | None, last: int) -> Opened:
        """Open a room from a cursor, or else from a snapshot with its last messages.

        Raises `RoomNotFound` for what this caller may not read, `MissingGrant`, and `Unavailable` without a database.
        """
        permit(caller, Grant.MESSAGES_READ, room_id)
        place = None if cursor is None else read_cursor(cursor)
        door = await self._door(caller, room_id, place)
        live = await self.keeper.hold((caller.scope.app, door.room), room_id)
        try:
            await self.keeper.reach(live, door.head)
            reason = None
            if cursor is not None:
                reason = judge(place, door, knows=self.epochs.knows, newest=self.epochs.newest)
            if place is not None and reason is None:
                subscription = Subscription.begin(room_id, _reader(caller), place, door)
                return Opened(live, live.generation, subscription, greeting=None)
            return await self._from_snapshot(caller, live, room_id, last, reason)
        except BaseException:
            self.keeper.release(live)
            raise

    async def _door(self, caller: Caller, room_id: RoomId, cursor: Place | None) -> Door:
        seq = None if cursor is None else cursor.seq
        door = await self.doors.ask(Ask(caller.scope.app, room_id, _reader(caller), seq))
        if door is None or _is_closed(caller, door, private=door.private):
            raise RoomNotFound
        return door

    async def _from_snapshot(
        self, caller: Caller, live: LiveRoom, room_id: RoomId, last: int, reason: ResetReason | None
    ) -> Opened:
        for _ in range(TRIES):
            door = await self._door(caller, room_id, None)
            if door.room != live.key[1]:
                raise RoomNotFound  # deleted and remade meanwhile; the next try finds the new one
            await self.keeper.reach(live, door.head)
            tail = live.tail
            if tail is None:
                continue
            if not (tail.fold.lists_members and tail.fold.lists_messages):
                await self.keeper.refold(live)
            if not _still_holds(caller, door, tail):
                continue
            if tail.fold.deleted or _is_closed(caller, door, private=tail.fold.private):
                raise RoomNotFound
            # No await from here on: the snapshot, the cursor and the rights are of one moment.
            state = frames.snapshot_json(tail, door, caller, last=last)
            if reason is None:
                greeting = frames.snapshot(room_id, state)
            else:
                greeting = frames.reset(room_id, reason, state)
            subscription = Subscription.begin(room_id, _reader(caller), tail.place, door)
            subscription.known_at = tail.seq
            return Opened(live, live.generation, subscription, greeting, reason)
        raise Unavailable(retry_after_s=1.0)


def _still_holds(caller: Caller, door: Door, tail: Tail) -> bool:
    """Whether the rights that the door found at its head are still those at the tail's end."""
    since = tail.after(door.head, RING_EVENTS)
    return since is not None and all(entry.event.subject != _reader(caller) for entry in since)


def _is_closed(caller: Caller, door: Door, *, private: bool) -> bool:
    return private and door.membership is None and not caller.sees_all


def _reader(caller: Caller) -> UserNumber | None:
    return None if caller.user is None else caller.user.number
