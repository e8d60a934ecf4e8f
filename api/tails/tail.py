"""The tail: the end of one live room's log, contiguous by construction, with the state it folds to.

Pure: it is handed events and says what became of them; reading, waiting and waking are the keeper's.
"""

from collections import deque
from enum import Enum

from api.ids import Epoch, Place, RoomId, RoomNumber, Seq
from api.log.event import Event, Kind, event_json
from api.log.views import Snapshot
from api.tails.fold import Fold
from api.tails.stretch import Stretch, join
from tenants.ids import AppId

RING_EVENTS = 512
STRETCH_EVENTS = 100
MAX_STRETCHES = 16
"""Places for which what follows is kept joined; whoever stands elsewhere is rare, and served all the same."""
ENTRY_BYTES = 400
"""About what an event costs besides its texts."""


class Offer(Enum):
    """What a tail did with an event."""

    APPENDED = "appended"
    OLD = "old"
    EARLY = "early"
    OTHER_EPOCH = "other_epoch"
    """Written in another epoch than the tail's end: the database must be asked whether that end still stands."""
    FORKED = "forked"
    """The database holds another event at a place where this tail has one: what it holds has been lost."""


class Entry:
    """An event in the ring, and its JSON once somebody has needed it."""

    __slots__ = ("_json", "event")

    def __init__(self, event: Event) -> None:
        """Hold an event."""
        self.event = event
        self._json: str | None = None

    def json(self, room_id: RoomId) -> str:
        """Give the event's JSON, made on first use and shared by all who read the room."""
        if self._json is None:
            self._json = event_json(self.event, room_id)
        return self._json

    @property
    def size_bytes(self) -> int:
        """About what this entry weighs."""
        return ENTRY_BYTES + 2 * (len(self.event.facts) + len(self.event.body or ""))


class Tail:
    """A ring of recent events and the room's state at its end."""

    def __init__(self, app: AppId, room: RoomNumber, snapshot: Snapshot) -> None:
        """Begin at a snapshot, with an empty ring."""
        self.app = app
        self.room = room
        self.room_id = snapshot.room_id
        self.floor = snapshot.floor
        self.fold = Fold(snapshot)
        self.seq = snapshot.seq
        self.epoch: Epoch = snapshot.epoch
        self._ring: deque[Entry] = deque()
        self._ring_bytes = 0
        self._stretches: dict[Seq, Stretch | None] = {}

    @property
    def place(self) -> Place:
        """Where the tail ends; the cursor of a snapshot taken from it."""
        return Place(self.room, self.epoch, self.seq)

    @property
    def base(self) -> Seq:
        """The seq before the first event in the ring."""
        return Seq(self.seq - len(self._ring))

    @property
    def size_bytes(self) -> int:
        """About what the ring and the state weigh."""
        joined = sum(len(stretch.data) for stretch in self._stretches.values() if stretch is not None)
        return self._ring_bytes + joined + self.fold.size_bytes

    def offer(self, event: Event, *, verified: bool = False) -> Offer:
        """Append the event if it is the next one.

        `verified` says that it was read from the database together with the event at this tail's end, so that a change
        of epoch between the two is known to be harmless.
        """
        if event.epoch != self.epoch and not verified:
            return Offer.OLD if event.epoch.ordinal < self.epoch.ordinal else Offer.OTHER_EPOCH
        if event.seq <= self.seq:
            return Offer.FORKED if verified and self._differs(event) else Offer.OLD
        if event.seq > self.seq + 1:
            return Offer.EARLY
        self._append(event)
        return Offer.APPENDED

    def after(self, seq: Seq, limit: int) -> list[Entry] | None:
        """Give up to `limit` entries after a seq, or None if the ring no longer holds the first of them."""
        skip = seq - self.base
        if skip < 0:
            return None
        entries = self._ring
        # A deque is walked from its nearer end, and readers mostly stand near the right one.
        return [entries[index] for index in range(skip, min(skip + limit, len(entries)))]

    def stretch(self, seq: Seq) -> Stretch | None:
        """Give all that follows a seq in one piece; None where that is nothing, too much, or no longer in the ring."""
        if seq not in self._stretches:
            entries = self.after(seq, STRETCH_EVENTS + 1)
            is_fit = bool(entries) and len(entries or ()) <= STRETCH_EVENTS
            if len(self._stretches) >= MAX_STRETCHES:
                self._stretches.clear()
            self._stretches[seq] = join([entry.event for entry in entries or ()], self.room_id) if is_fit else None
        return self._stretches[seq]

    def forget_stretches(self) -> None:
        """Give the memory back of what was joined, once all who stood there have had it."""
        self._stretches.clear()

    def refold(self, snapshot: Snapshot) -> bool:
        """Take a fresh snapshot's state in place of a fold that has become partial; False if the two do not meet."""
        since = self.after(snapshot.seq, RING_EVENTS) if snapshot.seq <= self.seq else None
        if since is None:
            return False
        self.fold = Fold(snapshot)
        for entry in since:
            self.fold.apply(entry.event)
        return True

    def move_floor(self, floor: Seq) -> None:
        """Let go of what the database has let go of; a floor never moves back."""
        if floor <= self.floor:
            return
        self.floor = floor
        self._stretches.clear()
        while self._ring and self._ring[0].event.seq < floor:
            self._ring_bytes -= self._ring.popleft().size_bytes
        self.fold.forget_before(floor)

    def forget_events(self) -> None:
        """Give the ring's memory back; readers who are behind are served from PostgreSQL."""
        self._ring.clear()
        self._stretches.clear()
        self._ring_bytes = 0

    def forget_messages(self) -> None:
        """Give the messages' memory back; who opens the room next has its snapshot read."""
        self.fold.forget_messages()

    def _append(self, event: Event) -> None:
        self._stretches.clear()
        if event.kind is Kind.MESSAGE_DELETED:
            self._redact(event.target)
        entry = Entry(event)
        self._ring.append(entry)
        self._ring_bytes += entry.size_bytes
        if len(self._ring) > RING_EVENTS:
            self._ring_bytes -= self._ring.popleft().size_bytes
        self.fold.apply(event)
        self.seq = event.seq
        self.epoch = event.epoch

    def _redact(self, target: Seq | None) -> None:
        """Blank every event about a deleted message: a late reader of the ring must not see it either."""
        for index, entry in enumerate(self._ring):
            if entry.event.message_seq == target and entry.event.body:
                blank = Entry(entry.event.redacted())
                self._ring[index] = blank
                self._ring_bytes += blank.size_bytes - entry.size_bytes

    def _differs(self, event: Event) -> bool:
        index = event.seq - self.base - 1
        return index >= 0 and self._ring[index].event.epoch != event.epoch
