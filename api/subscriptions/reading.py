"""A reading: one room that a connection reads."""

from collections.abc import Callable

from api.subscriptions.open_room import Opened


class Reading:
    """One room that a connection reads."""

    __slots__ = ("generation", "live", "subscription", "wake")

    def __init__(self, opened: Opened, wake: Callable[["Reading"], None]) -> None:
        """Watch the opened room."""
        self.live = opened.live
        self.generation = opened.generation
        self.subscription = opened.subscription
        self.wake = lambda: wake(self)
        self.live.watchers[self.wake] = None

    @property
    def is_behind(self) -> bool:
        """Whether there is anything to do for this reader."""
        return self.generation != self.live.generation or self.subscription.cursor.seq < self.live.seq
