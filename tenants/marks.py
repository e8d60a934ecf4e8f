"""Marks: the names under which what was verified can be found again when it holds no more."""

from collections.abc import Iterable
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Mark = tuple[Literal["app", "key", "signing_key", "user", "token", "room"], int, int | str]
"""What kind of thing, of which app, which one."""


class Marked(Generic[T]):
    """Things by their marks."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._things: dict[Mark, set[T]] = {}

    def add(self, thing: T, marks: Iterable[Mark]) -> None:
        """Put a thing under its marks."""
        for mark in marks:
            self._things.setdefault(mark, set()).add(thing)

    def remove(self, thing: T, marks: Iterable[Mark]) -> None:
        """Take a thing from under its marks."""
        for mark in marks:
            things = self._things.get(mark)
            if things is not None:
                things.discard(thing)
                if not things:
                    del self._things[mark]

    def of(self, mark: Mark) -> list[T]:
        """Give all that has a mark."""
        return list(self._things.get(mark, ()))

    def __len__(self) -> int:
        """Count the marks."""
        return len(self._things)
