"""The outbox: writes that are not acknowledged yet, each with its idempotency key, so that none is written twice."""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from roomlog._generated.models import Ack

MAX_WAITING = 1_000
"""Writes of a connection that are not acknowledged; who writes more waits for room."""
MAX_IN_FLIGHT = 32
"""Writes that are on their way at once; the service takes 64."""


@dataclass(eq=False)
class Write:
    """One write."""

    frame: dict[str, Any]
    done: asyncio.Future[Ack]
    is_in_flight: bool = False
    not_before: float = 0.0
    mark: str = field(default_factory=lambda: "w" + secrets.token_hex(8))


class Outbox:
    """Writes in the order in which they were made."""

    def __init__(self) -> None:
        """Begin empty."""
        self._writes: OrderedDict[str, Write] = OrderedDict()
        self._has_room = asyncio.Condition()
        self.has_news = asyncio.Event()
        """Set when something may have become sendable."""

    def __len__(self) -> int:
        """Give how many are not acknowledged."""
        return len(self._writes)

    async def write(self, frame: dict[str, Any]) -> Ack:
        """Put a write in, and give its acknowledgement; raises what it is refused with for good.

        Waits for as long as it takes. Who cancels it takes it back if it has not gone out yet; else it may be done all the same.
        """
        async with self._has_room:
            await self._has_room.wait_for(lambda: len(self._writes) < MAX_WAITING)
            write = Write({"key": secrets.token_hex(16), **frame}, asyncio.get_running_loop().create_future())
            self._writes[write.mark] = write
        self.has_news.set()
        try:
            return await write.done
        finally:
            self._writes.pop(write.mark, None)
            async with self._has_room:
                self._has_room.notify()

    def next(self, now: float) -> Write | None:
        """Give the next write to go out at `now`, if one may, and note it as on its way."""
        in_flight = sum(write.is_in_flight for write in self._writes.values())
        if in_flight >= MAX_IN_FLIGHT:
            return None
        for write in self._writes.values():
            if not write.is_in_flight and write.not_before <= now and not write.done.done():
                write.is_in_flight = True
                return write
        return None

    def next_at(self) -> float | None:
        """Give when the first of those that were put off may go out."""
        waiting = [write.not_before for write in self._writes.values() if not write.is_in_flight and write.not_before]
        return min(waiting, default=None)

    def acknowledge(self, mark: object, ack: Ack) -> None:
        """Note that a write is durable."""
        write = self._writes.get(str(mark))
        if write is not None and not write.done.done():
            write.done.set_result(ack)
        self.has_news.set()

    def refuse(self, mark: object, error: Exception) -> None:
        """Note that a write is refused for good."""
        write = self._writes.get(str(mark))
        if write is not None and not write.done.done():
            write.done.set_exception(error)
        self.has_news.set()

    def put_off(self, mark: object, until: float) -> None:
        """Note that a write is to be sent again, at `until` at the earliest."""
        write = self._writes.get(str(mark))
        if write is not None:
            write.is_in_flight, write.not_before = False, until
        self.has_news.set()

    def holds(self, mark: object) -> bool:
        """Tell whether a mark is one of ours."""
        return str(mark) in self._writes

    def lose(self) -> None:
        """Note that the connection is gone: what was on its way goes out again on the next one, under the same key."""
        for write in self._writes.values():
            write.is_in_flight = False
        self.has_news.set()

    def fail(self, error: Exception) -> None:
        """End all writes."""
        for write in self._writes.values():
            if not write.done.done():
                write.done.set_exception(error)
