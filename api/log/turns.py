"""Turns: who is next when several apps have something waiting, so that a busy app does not make a quiet one wait."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from tenants.ids import AppId

T = TypeVar("T")


class Turns(Generic[T]):
    """One line for each app that waits; each in turn gives its first. Within an app, first come is first served."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._lines: OrderedDict[AppId, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        """Tell whether anybody waits."""
        return bool(self._lines)

    def __iter__(self) -> Iterator[T]:
        """Give all that waits, app by app."""
        for line in self._lines.values():
            yield from line

    def add(self, app: AppId, thing: T) -> None:
        """Stand last in the app's line."""
        self._lines.setdefault(app, deque()).append(thing)

    def add_first(self, app: AppId, things: Sequence[T]) -> None:
        """Stand before all of the app's line, in the order given."""
        if things:
            self._lines.setdefault(app, deque()).extendleft(reversed(things))

    def take(self) -> T:
        """Take the first of the app whose turn it is, which then waits until all others have had theirs."""
        app, line = next(iter(self._lines.items()))
        thing = line.popleft()
        if line:
            self._lines.move_to_end(app)
        else:
            del self._lines[app]
        return thing

    def clear(self) -> None:
        """Send everybody away."""
        self._lines.clear()
