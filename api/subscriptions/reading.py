"""A reading: one room that a connection reads."""

from collections.abc import Callable

from api.subscriptions.open_room import Opened


class Reading:
    """One room that a connection reads."""

    __slots__ = ("_moved", "generation", "live", "subscription")

    def __init__(self, opened: Opened, moved: Callable[["Reading", float], None]) -> None:
        """Watch the opened room; `moved` is told when it moves, and at what moment (loop time)."""
        self.live = opened.live
        self.generation = opened.generation
        self.subscription = opened.subscription
        self._moved = moved
        self.live.watchers[self.wake] = None

    def wake(self, now: float) -> None:
        """Say that the room has moved."""
        self._moved(self, now)

    @property
    def is_behind(self) -> bool:
        """Whether there is anything to do for this reader."""
        return self.generation != self.live.generation or self.subscription.cursor.seq < self.live.seq
