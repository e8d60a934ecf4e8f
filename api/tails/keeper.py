"""The keeper of this process's tails: opens each live room once, feeds it, repairs it, and lets it go.

Opening: *register, subscribe, wait for Redis to confirm, then read PostgreSQL, then merge.* Whatever is committed before
the read is in the snapshot; whatever is committed after it is published after the confirmation, or seen by the audit.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Iterable

import structlog

from api.errors import RoomNotFound
from api.fanout.listener import Listener, NotListening
from api.ids import RoomId, RoomNumber, Seq
from api.log.epochs import Epochs
from api.log.event import Event
from api.log.read import Reader
from api.log.views import Standing
from api.tails.live_room import Key, LiveRoom
from api.tails.parking import WAIT_S
from api.tails.payload import read_payload
from api.tails.tail import Offer, Tail
from tenants.channels import room_channel
from tenants.errors import ServiceError, Unavailable
from tenants.ids import AppId

REPAIR_ROOMS = 200
"""Rooms in one repairing query."""
REPAIR_EVENTS = 500
"""Events of one room in one repairing query; a room further behind takes several."""
VERIFY_ROOMS = 10_000
REACH_TIMEOUT_S = 3.0
GRACE_S = 0.2
"""How long a publication may take; 99 of 100 take less than half of it on a machine that is busy with everything at once."""
RETRY_S = 0.1
SWEEP_S = 1.0
LINGER_S = 10.0
"""How long a room that nobody reads stays open, for those who are only reconnecting."""
BUDGET_BYTES = 64 * 1024 * 1024

log = structlog.get_logger()
_ORDER = itertools.count()
"""Tells waiters for the same seq apart in a heap."""


class KeeperCounts:
    """What a keeper has done since it started."""

    def __init__(self) -> None:
        """Start from zero."""
        self.opened = 0
        self.forked = 0
        self.strange_payloads = 0
        self.repairs: dict[str, int] = {}
        """Rooms repaired from PostgreSQL, by cause: `audit`, `hole`, `epoch`, `opening`, `verify`."""


class Keeper:
    """All rooms that this process holds open."""

    def __init__(self, reader: Reader, epochs: Epochs, listener: Listener) -> None:
        """Read through `reader`, subscribe through `listener`."""
        self._reader = reader
        self._epochs = epochs
        self._listener = listener
        self._rooms: dict[Key, LiveRoom] = {}
        self._behind: dict[Key, str] = {}
        self._wanted = asyncio.Event()
        self._openings: set[asyncio.Task[None]] = set()
        self.counts = KeeperCounts()
        self.gap_seen = False
        """Whether events may have been missed since the last `verify`."""

    def __len__(self) -> int:
        """Count the open rooms."""
        return len(self._rooms)

    # ---- opening and letting go

    async def hold(self, key: Key, room_id: RoomId) -> LiveRoom:
        """Open a room, or join in its opening; the caller owes a `release`.

        Raises `RoomNotFound` if there never was such a room and `Unavailable` without a database.
        """
        live = self._rooms.get(key)
        if live is None:
            live = self._rooms[key] = LiveRoom(key, room_id)
            live.opening = asyncio.create_task(self._open(live))
            self._openings.add(live.opening)
            live.opening.add_done_callback(self._opened)
        live.holders += 1
        live.used_at = asyncio.get_running_loop().time()
        if live.opening is not None and not live.opening.done():
            try:
                await asyncio.shield(live.opening)
            except BaseException:
                self.release(live)
                raise
        return live

    def release(self, live: LiveRoom) -> None:
        """Say that a holder is done with a room."""
        live.holders -= 1
        live.used_at = asyncio.get_running_loop().time()

    async def _open(self, live: LiveRoom) -> None:
        try:
            # Without Redis the room opens all the same: the process is DEGRADED then, and the audit delivers.
            with contextlib.suppress(NotListening):
                await self._listener.subscribe(room_channel(*live.key))
            snapshot = await self._reader.snapshot(*live.key)
            if snapshot is None:
                raise RoomNotFound
            live.tail = Tail(*live.key, snapshot)
            live.tail.move_floor(live.floor)
            self.counts.opened += 1
            self._settle(live)
            await self.reach(live, live.highest_head, cause="opening")
        except BaseException:
            self._close(live)
            raise

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.discard(opening)
        if not opening.cancelled():
            opening.exception()  # those who waited have had it; if nobody waited any more, nobody misses it

    def _close(self, live: LiveRoom) -> None:
        if self._rooms.get(live.key) is live:
            del self._rooms[live.key]
            self._behind.pop(live.key, None)
            self._listener.unsubscribe(room_channel(*live.key))
        for _, _, future in live.reaching:
            if not future.done():
                future.set_exception(Unavailable(retry_after_s=1.0))

    async def reach(self, live: LiveRoom, head: Seq, *, cause: str = "reader") -> None:
        """Wait until a room's tail is at `head` or beyond, reading PostgreSQL if it is not.

        Raises `Unavailable` after 3 s.
        """
        if live.seq >= head:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(live.reaching, (head, next(_ORDER), future))
        self._want(live, cause)
        try:
            async with asyncio.timeout(REACH_TIMEOUT_S):
                await future
        except TimeoutError as error:
            raise Unavailable(retry_after_s=1.0) from error

    async def refold(self, live: LiveRoom) -> None:
        """Bring a room's state, shortened to save memory, back to a snapshot's length; raises `Unavailable`."""
        snapshot = await self._reader.snapshot(*live.key)
        if snapshot is None or live.tail is None:
            raise RoomNotFound
        await self.reach(live, snapshot.seq)
        if not live.tail.refold(snapshot):
            raise Unavailable(retry_after_s=1.0)

    # ---- what arrives

    def on_payload(self, channel: str, payload: bytes) -> None:
        """Take a payload from Redis; one that does not belong to its channel is counted and dropped."""
        try:
            event = read_payload(payload)
        except ValueError:
            self.counts.strange_payloads += 1
            return
        key = (event.app, event.room)
        if room_channel(*key) != channel:
            self.counts.strange_payloads += 1
            return
        live = self._rooms.get(key)
        if live is not None:
            self._take(live, event)

    def _take(self, live: LiveRoom, event: Event) -> None:
        loop = asyncio.get_running_loop()
        if live.tail is None:
            live.parking.park(event, loop.time())
            return
        if self._is_of_the_past(event):
            self._want(live, "epoch")
            return
        match live.tail.offer(event):
            case Offer.APPENDED:
                self._settle(live)
            case Offer.EARLY:
                if not live.parking:
                    loop.call_later(WAIT_S, self._look_at_parking, live)
                live.parking.park(event, loop.time())
                self._look_at_parking(live)
            case Offer.OTHER_EPOCH | Offer.FORKED:
                self._want(live, "epoch")
            case Offer.OLD:
                pass

    def _settle(self, live: LiveRoom) -> None:
        """Append what was parked and is due now, then wake the readers."""
        tail = live.tail
        if tail is None:
            return
        while (event := live.parking.take(Seq(tail.seq + 1))) is not None:
            if self._is_of_the_past(event) or tail.offer(event) is not Offer.APPENDED:
                self._want(live, "epoch")
                break
        now = asyncio.get_running_loop().time()
        live.parking.leave_behind(tail.seq, now)
        if live.parking:
            asyncio.get_running_loop().call_later(WAIT_S, self._look_at_parking, live)
        live.moved()

    def _is_of_the_past(self, event: Event) -> bool:
        """Tell whether a payload is of a life that is over: its event may be lost, though the one before it is not."""
        return event.epoch.ordinal < self._epochs.newest.ordinal

    def _look_at_parking(self, live: LiveRoom) -> None:
        if live.parking.is_overdue(asyncio.get_running_loop().time()):
            self._want(live, "hole")

    def on_heads(self, heads: Iterable[tuple[AppId, RoomNumber, Seq]], *, grace: bool) -> None:
        """Take what the audit saw. With `grace`, a room that is behind is repaired only if it still is in a moment.

        Most of what a look finds missing has been published and is on its way.
        """
        late: list[tuple[LiveRoom, Seq]] = []
        for app, room, head in heads:
            behind = self._rooms.get((app, room))
            if behind is None or behind.seq >= head:
                continue
            behind.highest_head = max(behind.highest_head, head)
            if behind.tail is None:
                continue
            late.append((behind, head))
        if grace and late:
            asyncio.get_running_loop().call_later(GRACE_S, self._want_late, late)
        else:
            self._want_late(late)

    def _want_late(self, late: list[tuple[LiveRoom, Seq]]) -> None:
        for live, head in late:
            if live.seq < head:
                self._want(live, "audit")

    def on_floor(self, key: Key, floor: Seq) -> None:
        """Take the news that a room has let go of what stands before a seq."""
        live = self._rooms.get(key)
        if live is None:
            return
        live.floor = max(live.floor, floor)
        if live.tail is not None:
            live.tail.move_floor(floor)

    async def verify(self) -> None:
        """Compare every open room with the database: repair those behind, judge anew those that it contradicts.

        Take a new baseline of the commits first, never afterwards. Raises `Unavailable`.
        """
        self.gap_seen = False
        lives = [live for live in self._rooms.values() if live.tail is not None]
        try:
            for start in range(0, len(lives), VERIFY_ROOMS):
                places = [(*live.key, live.seq) for live in lives[start : start + VERIFY_ROOMS]]
                epochs = {live.key: live.tail.epoch for live in lives if live.tail is not None}
                for standing in await self._reader.standings(places):
                    live = self._rooms.get((standing.app, standing.room))
                    if live is not None and live.tail is not None:
                        await self._judge(live, standing, epochs[live.key].ordinal)
        except BaseException:
            self.gap_seen = True
            raise

    async def _judge(self, live: LiveRoom, standing: Standing, ordinal: int) -> None:
        tail = live.tail
        if tail is None:
            return
        if standing.head is None or standing.epoch_there != ordinal or not self._epochs.knows(tail.epoch):
            await self._fork(live)
            return
        tail.move_floor(standing.floor)
        if live.seq < standing.head:
            self._want(live, "verify")

    # ---- repairing

    def _want(self, live: LiveRoom, cause: str) -> None:
        if self._rooms.get(live.key) is live:
            self._behind.setdefault(live.key, cause)
            self._wanted.set()

    async def run(self) -> None:
        """Repair what is behind and sweep what is unused, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repair_for_ever())
            tasks.create_task(self._sweep_for_ever())

    async def _repair_for_ever(self) -> None:
        try:
            while True:
                await self._wanted.wait()
                batch = [
                    (live, cause)
                    for key, cause in list(self._behind.items())[:REPAIR_ROOMS]
                    if (live := self._rooms.get(key)) is not None and live.tail is not None
                ]
                for key in list(self._behind)[:REPAIR_ROOMS]:
                    del self._behind[key]
                if not self._behind:
                    self._wanted.clear()
                if batch:
                    await self._repair_or_wait(batch)
        finally:
            for task in self._openings:
                task.cancel()
            await asyncio.gather(*self._openings, return_exceptions=True)

    async def _repair_or_wait(self, batch: list[tuple[LiveRoom, str]]) -> None:
        try:
            await self._repair(batch)
        except ServiceError:
            for live, cause in batch:
                self._want(live, cause)
            await asyncio.sleep(RETRY_S)

    async def _repair(self, batch: list[tuple[LiveRoom, str]]) -> None:
        """Read on from where each room's tail stands, that event included: it must still be the same."""
        anchors = {live.key: live.tail.place for live, _ in batch if live.tail is not None}
        rows: dict[Key, list[Event]] = {key: [] for key in anchors}
        places = [(*key, anchor.seq) for key, anchor in anchors.items()]
        for event in await self._reader.events(places, limit=REPAIR_EVENTS):
            rows[event.app, event.room].append(event)
        for live, cause in batch:
            events = rows[live.key]
            if not events or events[0].place != anchors[live.key] or not self._extend(live, events[1:]):
                await self._fork(live)
                continue
            if len(events) > 1:
                self.counts.repairs[cause] = self.counts.repairs.get(cause, 0) + 1
            if len(events) == REPAIR_EVENTS:
                self._want(live, cause)

    def _extend(self, live: LiveRoom, events: list[Event]) -> bool:
        """Append what was read; False if the tail holds something else at one of these places."""
        if live.tail is None:
            return True
        for event in events:
            if live.tail.offer(event, verified=True) is Offer.FORKED:
                return False
        self._settle(live)
        return True

    async def _fork(self, live: LiveRoom) -> None:
        """Begin a room's tail anew: the database has lost what it holds, or has erased it with a deleted room."""
        snapshot = await self._reader.snapshot(*live.key)
        live.generation += 1
        is_erased = snapshot is not None and snapshot.room.deleted
        self.counts.forked += not is_erased
        if snapshot is None:
            # The room itself was made in what is lost: its readers find that out when they ask at the door.
            self._close(live)
            live.moved()
            return
        if not is_erased:
            log.warning("tail_forked", app=live.key[0], room=live.key[1], had=live.seq, has=snapshot.seq)
        live.tail = Tail(*live.key, snapshot)
        live.parking.clear()
        live.moved()

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = asyncio.get_running_loop().time()
            for live in list(self._rooms.values()):
                if live.holders == 0 and live.tail is not None and now - live.used_at > LINGER_S:
                    self._close(live)
            self._keep_to_budget()

    def _keep_to_budget(self) -> None:
        """Shrink the least recently used rings, then forget their states' messages, until the budget is kept."""
        tails = [
            live.tail for live in sorted(self._rooms.values(), key=lambda live: live.used_at) if live.tail is not None
        ]
        total = sum(tail.size_bytes for tail in tails)
        for shrink in (Tail.forget_events, Tail.forget_messages):
            for tail in tails:
                if total <= BUDGET_BYTES:
                    return
                before = tail.size_bytes
                shrink(tail)
                total -= before - tail.size_bytes
