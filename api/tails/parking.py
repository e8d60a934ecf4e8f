"""Parking: where events wait that came before their predecessors, as they may when two processes publish at once."""

from api.ids import Seq
from api.log.event import Event

WAIT_S = 0.05
"""How long an event waits for its predecessor before the hole is read from PostgreSQL."""
SPACES = 256
"""With more than this the hole is read at once; what is parked can be read again, so the newest is not kept."""


class Parking:
    """The events of one room that came too early."""

    def __init__(self) -> None:
        """Start empty."""
        self._events: dict[Seq, Event] = {}
        self._since: float | None = None

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._events)

    def park(self, event: Event, now: float) -> None:
        """Keep an event until its turn; `now` is monotonic seconds."""
        if self._since is None:
            self._since = now
        if len(self._events) < SPACES:
            self._events[event.seq] = event

    def take(self, seq: Seq) -> Event | None:
        """Give the event whose turn it is, if it waits here."""
        return self._events.pop(seq, None)

    def leave_behind(self, seq: Seq, now: float) -> None:
        """Forget what is not after `seq`; whoever still waits starts waiting anew."""
        for parked in [parked for parked in self._events if parked <= seq]:
            del self._events[parked]
        self._since = now if self._events else None

    def is_overdue(self, now: float) -> bool:
        """Tell whether the hole before the parked events should be read."""
        full = len(self._events) >= SPACES
        return self._since is not None and (full or now - self._since >= WAIT_S)

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()
        self._since = None
