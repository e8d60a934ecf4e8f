"""A room that is followed: what comes in its order, its state as of what was taken out, and the writes into it."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from roomlog._generated.models import (
    Ack,
    ErrorFrame,
    Event,
    Part,
    Reset,
    Revoked,
    Snapshot,
    SnapshotFrame,
    Subscribed,
    TextPart,
    Unsubscribed,
)
from roomlog.errors import ClientClosed, RoomlogError
from roomlog.realtime.fold import fold
from roomlog.realtime.machine import Place, PlaceEvent, placed
from roomlog.unknown import Unknown, to_wire

RoomEvent: TypeAlias = Event | Reset | Revoked | Unsubscribed
"""What comes out of a room. `Reset`: the cursor could not be continued, and the room's state is another. `Revoked` and
`Unsubscribed`: the last thing that comes, for this user may no longer read."""

BUFFER = 1_000
"""Events that wait for the application. Beyond it the room is left off, and asked for again from there once half is taken out."""
KEEP = 100
"""Messages that the state of a room holds."""

log = logging.getLogger("roomlog")


class Link(Protocol):
    """What a room asks of its connection."""

    async def join(self, room: "AsyncRoom") -> None:
        """Follow a room."""

    def leave(self, room: "AsyncRoom") -> None:
        """Follow a room no longer."""

    def leave_off(self, room: "AsyncRoom") -> None:
        """Have a room's events stop; it stays with the connection, and may be asked for again."""

    def changed(self, room: "AsyncRoom") -> None:
        """Note that a room is to be asked for."""

    async def write(self, frame: dict[str, Any]) -> Ack:
        """Write, for as long as it takes."""
        ...


class AsyncRoom:
    """A room that is open: iterate over it for its events, look at `state` for how it stands.

    Every event comes once, in order, across reconnects and restarts of the service; a passing fault shows as nothing but a
    delay. Iteration ends after `Revoked` or `Unsubscribed`, or when the room is closed; it raises an `ApiError` when the
    credential ends and no other can be had.
    """

    def __init__(
        self,
        room_id: str,
        link: Link,
        *,
        cursor: str | None,
        last: int,
        keep: int,
        buffer: int,
        on_change: Callable[[Snapshot], None] | None = None,
    ) -> None:
        """Follow from `cursor`, or from a snapshot with the `last` messages."""
        self._on_change = on_change
        self.id = room_id
        self.state: Snapshot | None = None
        """The room as of the last event that came out; None for one that went on from a cursor, until its first reset."""
        self.cursor = cursor
        """Where to go on from after the last event that came out: keep it, and pass it to `open` next time."""
        self.faults = 0
        """Events that came out of order, each a fault of the service; the room was asked for again from the last good one."""
        self._link = link
        self._last = last
        self._keep = keep
        self._buffer = buffer
        self._items: deque[RoomEvent] = deque()
        self._has_items = asyncio.Event()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: Exception | None = None
        self._place = Place.WANTED
        self._seq = 0
        self._tail = cursor
        self._mark: str | None = None
        self.goes_alone = False
        """Whether it is asked for in a frame of its own: one that named it among others was refused as a whole."""
        self._consumers: list[asyncio.Task[None]] = []

    # ---- what the application does

    async def __aenter__(self) -> Self:
        """Open it: returns once its first state is there, however long that takes; raises an `ApiError` if it may not be read."""
        await self._link.join(self)
        try:
            await self._opened
        except BaseException:
            self._link.leave(self)
            raise
        if self._on_change is not None:
            self.on_change(self._on_change)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Follow it no longer; iteration ends."""
        self._link.leave(self)
        self.end(None)
        for consumer in self._consumers:
            consumer.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[RoomEvent]:
        """Give its events."""
        return self

    async def __anext__(self) -> RoomEvent:
        """Give the next event, and advance `state` and `cursor` by it."""
        while not self._items:
            if self._place is Place.ENDED:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._has_items.clear()
            await self._has_items.wait()
        return self._take_out()

    def on_change(self, tell: Callable[[Snapshot], None]) -> None:
        """Have `tell` called with the room's state: now, and after each event, in order.

        It takes the place of iterating. It is called in the client's loop and must be quick; what it raises is logged.
        """
        if self._consumers:
            raise RoomlogError("This room's changes are told to somebody already.")
        self._consumers.append(asyncio.create_task(self._tell(tell)))

    async def send(
        self,
        text: str | None = None,
        *,
        parts: Sequence[Part] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Ack:
        """Send a message, and give its acknowledgement once it is durable.

        Waits through any passing fault, and is sent again under the same key: it stands in the room once. Messages that are
        sent at the same time are in any order; await one before the next where it matters. Raises an `ApiError` if it is refused.
        """
        given = [TextPart(text=text)] if text is not None else []
        frame: dict[str, Any] = {"op": "send", "room": self.id, "parts": to_wire([*given, *(parts or ())])}
        if metadata is not None:
            frame["metadata"] = metadata
        return await self._link.write(_keyed(frame, idempotency_key))

    async def edit(
        self,
        message_id: str,
        text: str | None = None,
        *,
        parts: Sequence[Part] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Ack:
        """Have a message say something else; waits and repeats as `send` does."""
        given = [TextPart(text=text)] if text is not None else []
        frame: dict[str, Any] = {
            "op": "edit",
            "room": self.id,
            "message": message_id,
            "parts": to_wire([*given, *(parts or ())]),
        }
        if metadata is not None:
            frame["metadata"] = metadata
        return await self._link.write(_keyed(frame, idempotency_key))

    async def delete(self, message_id: str, *, idempotency_key: str | None = None) -> Ack:
        """Delete a message; waits and repeats as `send` does."""
        return await self._link.write(_keyed({"op": "delete", "room": self.id, "message": message_id}, idempotency_key))

    def ahead(self) -> Snapshot | None:
        """Give the room as of the last event that has come, taken out or not. Nothing is taken out by looking."""
        state = self.state
        for item in self._items:
            state = _after(state, item, self._keep)
        return state

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<room {self.id!r} {self._place.name.lower()} at {self._seq}>"

    # ---- what the connection does

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be asked for."""
        return self._place is Place.WANTED

    @property
    def is_wanted_anew(self) -> bool:
        """Whether it is to be asked for on the next connection."""
        return placed(self._place, PlaceEvent.LOST) is Place.WANTED

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self._place is Place.ENDED

    @property
    def wish(self) -> dict[str, Any]:
        """What asks for it."""
        return {"room": self.id, "last": self._last} if self._tail is None else {"room": self.id, "cursor": self._tail}

    def is_asked_by(self, mark: object) -> bool:
        """Tell whether a frame with this mark, or without one the upgrade, asked for it and is not answered yet."""
        return self._place is Place.ASKED and mark == self._mark

    def ask(self, mark: str | None) -> None:
        """Note that it is asked for; the answer carries `mark`."""
        self._go(PlaceEvent.ASK)
        self._mark = mark

    def take(self, frame: object) -> None:
        """Take in a frame that is about this room."""
        match frame:
            case Subscribed(id=mark) if mark != self._mark:
                pass
            case Subscribed(resumed=True, seq=seq):
                if self._go(PlaceEvent.RESUMED):
                    self._seq = seq
                    self._is_open()
            case Subscribed():
                self._go(PlaceEvent.SUBSCRIBED)
            case SnapshotFrame(snapshot=snapshot):
                self._take_state(snapshot, None)
            case Reset(snapshot=snapshot):
                self._take_state(snapshot, frame)
            case Revoked():
                self._put(frame)
                self.end(None)
            case Unsubscribed(reason=reason):
                if reason != "requested":
                    self._put(frame)
                    self.end(None)
            case Unknown(raw={"seq": int(seq), "cursor": str(cursor)}):
                self._take_event(frame, seq, cursor)
            case Unknown() | ErrorFrame():
                pass
            case _:
                self._take_event(frame, getattr(frame, "seq", -1), getattr(frame, "cursor", ""))

    def defer(self) -> bool:
        """Rest; gives whether it was asked for."""
        return self._go(PlaceEvent.DEFERRED)

    def wake(self) -> None:
        """Be wanted again."""
        if self._go(PlaceEvent.TIMER):
            self._link.changed(self)

    def lose(self) -> None:
        """Note that the connection is gone."""
        self._go(PlaceEvent.LOST)

    def end(self, error: Exception | None) -> None:
        """End: what has come may still be taken out, then comes the error, if there is one."""
        if self._go(PlaceEvent.ENDED):
            self._error = error
            if not self._opened.done():
                self._opened.set_exception(error or ClientClosed("The room was closed before it was open."))
                # Nobody may be waiting for it any more.
                self._opened.exception()
            self._has_items.set()

    # ---- within

    def _go(self, event: PlaceEvent) -> bool:
        place = placed(self._place, event)
        if place is None:
            return False
        self._place = place
        return True

    def _is_open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _take_state(self, snapshot: Snapshot, reset: Reset | None) -> None:
        if not self._go(PlaceEvent.STATE):
            return
        self._seq, self._tail = snapshot.seq, snapshot.cursor
        if reset is None and self.state is None and not self._items:
            self.state, self.cursor = snapshot, snapshot.cursor
        else:
            # What the application holds is void, and it must be told.
            self._put(reset or Reset(room=self.id, reason="membership", snapshot=snapshot))
        self._is_open()

    def _take_event(self, frame: Any, seq: int, cursor: str) -> None:
        if self._place not in {Place.FOLLOWING, Place.FILLING}:
            return
        if self._place is Place.FILLING or seq != self._seq + 1:
            self.faults += 1
            log.error("room %s: %d came after %d; asking for it again", self.id, seq, self._seq)
            self._go(PlaceEvent.GAP)
            self._link.leave_off(self)
            return
        self._go(PlaceEvent.EVENT)
        self._seq, self._tail = seq, cursor
        self._put(frame)
        if len(self._items) >= self._buffer:
            self._go(PlaceEvent.OVERFLOW)
            self._link.leave_off(self)

    def _put(self, item: Any) -> None:
        self._items.append(item)
        self._has_items.set()

    def _take_out(self) -> RoomEvent:
        item = self._items.popleft()
        self.state = _after(self.state, item, self._keep)
        match item:
            case Reset(snapshot=snapshot):
                self.cursor = snapshot.cursor
            case Revoked() | Unsubscribed():
                pass
            case Unknown(raw=raw):
                self.cursor = str(raw.get("cursor", self.cursor))
            case _:
                self.cursor = item.cursor
        if len(self._items) <= self._buffer // 2 and self._go(PlaceEvent.DRAINED):
            self._link.changed(self)
        return item

    async def _tell(self, tell: Callable[[Snapshot], None]) -> None:
        self._tell_once(tell)
        async for _ in self:
            self._tell_once(tell)

    def _tell_once(self, tell: Callable[[Snapshot], None]) -> None:
        if self.state is None:
            return
        try:
            tell(self.state)
        except Exception:
            log.exception("room %s: on_change raised", self.id)


def _after(state: Snapshot | None, item: RoomEvent, keep: int) -> Snapshot | None:
    match item:
        case Reset(snapshot=snapshot):
            return snapshot
        case Revoked() | Unsubscribed():
            return state
        case Unknown(raw=raw):
            return state and fold(state, _Placed(raw), keep=keep)
        case _:
            return state and fold(state, item, keep=keep)


class _Placed:
    """The place that an unknown event takes in the log."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.seq = raw["seq"]
        self.cursor = raw["cursor"]


def _keyed(frame: dict[str, Any], key: str | None) -> dict[str, Any]:
    return frame if key is None else {**frame, "key": key}
