"""A live room: what a process holds of a room that somebody reads."""

import asyncio
import heapq
from collections.abc import Callable

from api.ids import RoomId, RoomNumber, Seq
from api.tails.parking import Parking
from api.tails.tail import Tail
from tenants.ids import AppId

Key = tuple[AppId, RoomNumber]


class LiveRoom:
    """A room that this process holds open."""

    __slots__ = (
        "floor",
        "generation",
        "highest_head",
        "holders",
        "key",
        "opening",
        "parking",
        "reaching",
        "room_id",
        "tail",
        "telling",
        "used_at",
        "watchers",
    )

    def __init__(self, key: Key, room_id: RoomId) -> None:
        """Register the room as opening."""
        self.key = key
        self.room_id = room_id
        self.tail: Tail | None = None
        self.parking = Parking()
        self.highest_head = Seq(0)
        """The highest head that the audit or a reader has seen; the room is live only at or above it."""
        self.floor = Seq(0)
        """The highest floor that this process has heard of, be the tail there yet or not."""
        self.generation = 0
        """Grows when the tail turns out to hold what the database has lost; readers then judge their cursors anew."""
        self.holders = 0
        self.used_at = 0.0
        self.telling = False
        """Whether they are about to be told."""
        self.watchers: dict[Callable[[float], None], None] = {}
        """Who is told, and at what moment (loop time), that the room has moved."""
        self.reaching: list[tuple[Seq, int, asyncio.Future[None]]] = []
        """A heap of who waits for which seq, in the order of their seqs."""
        self.opening: asyncio.Task[None] | None = None

    @property
    def seq(self) -> Seq:
        """Where the tail ends; 0 while the room is opening."""
        return Seq(0) if self.tail is None else self.tail.seq

    def moved(self) -> None:
        """Wake those who wait for this room to move: readers once for all that comes in the same turn of the loop."""
        while self.reaching and self.reaching[0][0] <= self.seq:
            _, _, future = heapq.heappop(self.reaching)
            if not future.done():
                future.set_result(None)
        if not self.telling:
            self.telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self.telling = False
        now = asyncio.get_running_loop().time()
        for wake in list(self.watchers):
            wake(now)
        if self.tail is not None:
            self.tail.forget_stretches()
