"""Rooms for programs without `await`: the same rooms, in a loop on a thread of the client's own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from roomlog._generated.models import Ack, Part, Snapshot
from roomlog.errors import ClientClosed
from roomlog.realtime.room import AsyncRoom, RoomEvent

T = TypeVar("T")


class Portal:
    """A loop on a thread, begun when it is first needed."""

    def __init__(self) -> None:
        """Begin nothing yet."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Do `work` in the loop and wait for it; what interrupts the wait cancels the work. Raises TimeoutError."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=5)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise ClientClosed("The client is closed.")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name="roomlog", daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


class Room:
    """A room that is open: iterate over it for its events, look at `state` for how it stands. See `AsyncRoom`."""

    def __init__(self, portal: Portal, make: Callable[[], AsyncRoom]) -> None:
        """Follow the room that `make` makes, in the portal's loop."""
        self._portal = portal
        self._room = portal.call(_made(make))

    @property
    def id(self) -> str:
        """The room's id."""
        return self._room.id

    @property
    def state(self) -> Snapshot | None:
        """The room as of the last event that came out."""
        return self._room.state

    @property
    def cursor(self) -> str | None:
        """Where to go on from after the last event that came out."""
        return self._room.cursor

    def __enter__(self) -> Self:
        """Open it: returns once its first state is there; raises an `ApiError` if it may not be read."""
        self._portal.call(self._room.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Follow it no longer; iteration ends, in other threads, too."""
        self._portal.call(self._room.close())

    def __iter__(self) -> Iterator[RoomEvent]:
        """Give its events."""
        return self

    def __next__(self) -> RoomEvent:
        """Give the next event, and advance `state` and `cursor` by it."""
        return self.next()

    def next(self, timeout_s: float | None = None) -> RoomEvent:
        """Give the next event; raises TimeoutError if none comes in time, StopIteration if none will."""
        try:
            return self._portal.call(_within(self._room, timeout_s))
        except _Ended:
            raise StopIteration from None

    def send(
        self,
        text: str | None = None,
        *,
        parts: Sequence[Part] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Ack:
        """Send a message, and give its acknowledgement once it is durable. See `AsyncRoom.send`."""
        return self._portal.call(self._room.send(text, parts=parts, metadata=metadata, idempotency_key=idempotency_key))

    def edit(
        self,
        message_id: str,
        text: str | None = None,
        *,
        parts: Sequence[Part] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Ack:
        """Have a message say something else."""
        return self._portal.call(
            self._room.edit(message_id, text, parts=parts, metadata=metadata, idempotency_key=idempotency_key)
        )

    def delete(self, message_id: str, *, idempotency_key: str | None = None) -> Ack:
        """Delete a message."""
        return self._portal.call(self._room.delete(message_id, idempotency_key=idempotency_key))

    def ahead(self) -> Snapshot | None:
        """Give the room as of the last event that has come, taken out or not. Nothing is taken out by looking."""
        return self._portal.call(_ahead(self._room))

    def __repr__(self) -> str:
        """Show where it is."""
        return repr(self._room)


class _Ended(Exception):
    """No event will come; a coroutine may not raise StopIteration."""


async def _made(make: Callable[[], AsyncRoom]) -> AsyncRoom:
    return make()


async def _ahead(room: AsyncRoom) -> Snapshot | None:
    return room.ahead()


async def _within(room: AsyncRoom, timeout_s: float | None) -> RoomEvent:
    try:
        async with asyncio.timeout(timeout_s):
            return await anext(room)
    except StopAsyncIteration:
        raise _Ended from None
