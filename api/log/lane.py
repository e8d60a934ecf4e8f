"""Group commit: a lane takes what is queued the moment its connection is free, and commits it in one call.

No timer: at low load a batch is one item and waits for nothing, at high load batches grow by themselves. Within a
process a room's items are committed in the order of their arrival, whatever happens to their neighbours:

- A room that somebody else holds is *parked*, and so is all that comes for it, until its row is free.
- A batch with a row that makes PostgreSQL raise is halved, one half after the other, until the row stands alone.
- While several apps have something waiting, each batch takes from them in turn, and no app may fill the queue alone.
"""

import asyncio
import contextlib
import itertools
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog

from api.durations import Durations
from api.errors import Overloaded, RoomBusy
from api.ids import RoomNumber
from api.log.append import STALE_EPOCH, append
from api.log.epochs import Epochs
from api.log.event import Event
from api.log.item import Answer, Item, Outcome
from api.log.turns import Turns
from tenants.errors import ServiceError, Unavailable
from tenants.ids import AppId
from tenants.postgres import AWAY, Postgres
from tenants.roles import Role

MAX_BATCH_ITEMS = 64
MAX_BATCH_BYTES = 256 * 1024
MAX_OPEN_ITEMS = 2_000
MAX_OPEN_BYTES = 8 * 1024 * 1024
MAX_APP_ITEMS = MAX_OPEN_ITEMS // 2
MAX_APP_BYTES = MAX_OPEN_BYTES // 2
"""What one app may have open: an app that is refused for it leaves room for all others."""
MAX_PROBES = MAX_BATCH_ITEMS // 2
"""Items of a batch that ask whether a held room is free again; the rest is for rooms that nobody holds."""
DEADLINE_S = 2.0
"""How long an item may wait to be sent; then it is refused, and has not been written."""
CALL_TIMEOUT_S = 4.0
STATEMENT_TIMEOUT_MS = 3_000
LOCK_TIMEOUT_MS = 40
"""Longer than any commit of another process takes, short enough that a held room does not stall its neighbours."""
PARKED_RETRY_S = 0.02
TRIES = 3
RETRY_AFTER_S = 1.0

POISON = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
"""What one bad row raises, be it in PostgreSQL (classes 22, 23, 54) or while its arguments are encoded."""
TRY_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

log = structlog.get_logger()
Key = tuple[AppId, RoomNumber]


@dataclass(slots=True, eq=False)
class _Waiting:
    """An item in the queue, and who waits for its answer."""

    item: Item
    answer: asyncio.Future[Answer]
    deadline: float

    @property
    def room(self) -> Key:
        return (self.item.app, self.item.room)

    @property
    def arrived(self) -> float:
        return self.deadline - DEADLINE_S

    def refuse(self, error: ServiceError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class _Open:
    """What has no answer yet."""

    items: int = 0
    size_bytes: int = 0

    def change(self, items: int, size_bytes: int) -> None:
        self.items += items
        self.size_bytes += size_bytes


@dataclass(slots=True)
class LaneCounts:
    """What a lane has done since it started."""

    calls: int = 0
    items: int = 0
    halvings: int = 0
    parked: int = 0
    refused: int = 0
    """Items that found the queue, or their app's half of it, full."""
    unknown: int = 0
    """Calls whose connection broke before the answer came."""
    waits: Durations = field(default_factory=Durations)
    """Of each batch, how long its longest-waiting new item has waited to be taken."""
    acks: Durations = field(default_factory=Durations)
    """Of each answered item, from its arrival to its answer."""


class Lane:
    """One connection, one queue, one task."""

    def __init__(
        self,
        postgres: Postgres,
        epochs: Epochs,
        publish: Callable[[Sequence[Event]], None],
        count: Callable[[Sequence[Item]], None] | None = None,
    ) -> None:
        """Write through `postgres`; hand what was committed to `publish` and `count`, which must neither block nor raise."""
        self._postgres = postgres
        self._epochs = epochs
        self._publish = publish
        self._count = count
        self._queue: Turns[_Waiting] = Turns()
        self._parked: OrderedDict[Key, deque[_Waiting]] = OrderedDict()
        self._open = _Open()
        self._open_by_app: defaultdict[AppId, _Open] = defaultdict(_Open)
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.counts = LaneCounts()

    @property
    def open_items(self) -> int:
        """How many items have no answer yet."""
        return self._open.items

    async def append(self, item: Item) -> Answer:
        """Commit an item and say what became of it; an accepted one is durable when this returns.

        Raises `Overloaded` when the queue or its app's half of it is full and `RoomBusy` when the room stays held for
        2 s (neither was written), and `Unavailable` without a database, after which a retry under the same key tells
        what happened.
        """
        if self._is_full(item.app):
            self.counts.refused += 1
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, loop.create_future(), loop.time() + DEADLINE_S)
        self._queue.add(item.app, waiting)
        self._count_open(item, 1)
        self._idle.clear()
        self._arrived.set()
        try:
            return await waiting.answer
        finally:
            self._count_open(item, -1)
            if self._open.items == 0:
                self._idle.set()

    async def run(self) -> None:
        """Commit what arrives, until cancelled."""
        try:
            while True:
                batch = self._take()
                if batch:
                    await self._commit(batch)
                if not self._queue:
                    await self._rest()
        finally:
            self._refuse_all(Unavailable(retry_after_s=RETRY_AFTER_S))
            self._hang_up()

    async def drain(self) -> None:
        """Wait until all that was taken in has its answer; bounded by the items' own deadlines."""
        async with asyncio.timeout(DEADLINE_S + CALL_TIMEOUT_S):
            await self._idle.wait()

    def _is_full(self, app: AppId) -> bool:
        if self._open.items >= MAX_OPEN_ITEMS or self._open.size_bytes >= MAX_OPEN_BYTES:
            return True
        of_app = self._open_by_app.get(app)
        return of_app is not None and (of_app.items >= MAX_APP_ITEMS or of_app.size_bytes >= MAX_APP_BYTES)

    def _count_open(self, item: Item, change: int) -> None:
        of_app = self._open_by_app[item.app]
        for counted in (self._open, of_app):
            counted.change(change, change * item.size_bytes)
        if of_app.items == 0:
            del self._open_by_app[item.app]

    async def _rest(self) -> None:
        """Sleep until something arrives or parked rooms are due."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARKED_RETRY_S if self._parked else None):
                await self._arrived.wait()

    def _take(self) -> list[_Waiting]:
        """Pick the next batch: one item of each parked room, then of each app in turn what has come since.

        The first item of a parked room asks whether the room is free again; the others stay behind it, so that a room
        with a long queue weighs no more on its neighbours than one with a short queue. Where more rooms are parked than
        may ask at once, they take turns.
        """
        now = asyncio.get_running_loop().time()
        batch: list[_Waiting] = []
        weight, arrived = 0, now
        for room in list(itertools.islice(self._parked, MAX_PROBES)):
            line = self._parked[room]
            self._parked.move_to_end(room)
            while line and _is_over(line[0], now, RoomBusy):
                line.popleft()
            if line:
                batch.append(line[0])
            else:
                del self._parked[room]
        while self._queue and len(batch) < MAX_BATCH_ITEMS and weight < MAX_BATCH_BYTES:
            waiting = self._queue.take()
            if waiting.room in self._parked:
                self._parked[waiting.room].append(waiting)
            elif not _is_over(waiting, now, Unavailable):
                batch.append(waiting)
                weight += waiting.item.size_bytes
                arrived = min(arrived, waiting.arrived)
        if batch:
            self.counts.waits.observe(now - arrived)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        items = [waiting.item for waiting in batch]
        try:
            answers = await self._answers(items, skip_held=bool(self._parked))
        except Unavailable as error:
            # Without a database the others would only wait for the same answer.
            for waiting in batch:
                waiting.refuse(error)
            self._refuse_all(error)
            return
        except asyncio.CancelledError:
            # The lane ends in mid-call: what became of these is unknown to whoever waits for them.
            for waiting in batch:
                waiting.refuse(Unavailable(retry_after_s=RETRY_AFTER_S))
            raise
        except Exception:
            # A fault of ours must not end the lane: these writers are told, the next ones go on.
            log.exception("append_failed", items=len(items))
            for waiting in batch:
                waiting.refuse(ServiceError())
            return
        accepted: list[Event] = []
        written: list[Item] = []
        now = asyncio.get_running_loop().time()
        for waiting, answer in zip(batch, answers, strict=True):
            if answer.outcome is Outcome.HELD:
                self._park(waiting)
                continue
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
                self.counts.acks.observe(now - waiting.arrived)
            self._unpark(waiting)
            if answer.outcome is Outcome.ACCEPTED and answer.event is not None:
                accepted.append(answer.event)
                written.append(waiting.item)
        if accepted:
            self._publish(accepted)
            if self._count is not None:
                self._count(written)

    def _park(self, waiting: _Waiting) -> None:
        line = self._parked.setdefault(waiting.room, deque())
        if waiting not in line:
            self.counts.parked += 1
            line.append(waiting)

    def _unpark(self, waiting: _Waiting) -> None:
        """Let the items behind an answered one go first of all that waits for their app."""
        line = self._parked.pop(waiting.room, None)
        if line is not None:
            self._queue.add_first(waiting.item.app, [other for other in line if other is not waiting])

    async def _answers(self, items: Sequence[Item], *, skip_held: bool) -> list[Answer]:
        for _ in range(TRIES):
            try:
                return await self._call(items, skip_held=skip_held)
            except POISON as error:
                return await self._halve(items, error, skip_held=skip_held)
            except asyncpg.LockNotAvailableError:
                skip_held = True
            except TRY_AGAIN:
                continue
            except AWAY:
                # Whether the call was committed is unknown; the items' keys make it safe to ask again.
                self.counts.unknown += 1
                self._hang_up()
            except asyncpg.PostgresError as error:
                if error.sqlstate != STALE_EPOCH:
                    raise
                self._hang_up()
        raise Unavailable(retry_after_s=RETRY_AFTER_S)

    async def _call(self, items: Sequence[Item], *, skip_held: bool) -> list[Answer]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._postgres.connect(
                Role.LANE,
                application="roomlog-lane",
                statement_timeout_ms=STATEMENT_TIMEOUT_MS,
                lock_timeout_ms=LOCK_TIMEOUT_MS,
            )
            await self._epochs.check(self._connection)
        self.counts.calls += 1
        self.counts.items += len(items)
        return await append(self._connection, self._epochs, items, skip_held=skip_held, timeout_s=CALL_TIMEOUT_S)

    async def _halve(self, items: Sequence[Item], error: Exception, *, skip_held: bool) -> list[Answer]:
        self.counts.halvings += 1
        if len(items) == 1:
            log.error("poison", error=type(error).__name__, app=items[0].app, room=items[0].room)
            return [Answer(Outcome.POISON)]
        middle = len(items) // 2
        first = await self._answers(items[:middle], skip_held=skip_held)
        return first + await self._answers(items[middle:], skip_held=skip_held)

    def _refuse_all(self, error: ServiceError) -> None:
        for waiting in itertools.chain(self._queue, *self._parked.values()):
            waiting.refuse(error)
        self._queue.clear()
        self._parked.clear()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


class Lanes:
    """The lanes of one database; a room always uses the same one."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        """Spread rooms over one or two lanes: more would only wait for each other on a hot room's row."""
        self.lanes = lanes

    async def append(self, item: Item) -> Answer:
        """Commit an item through its room's lane; see `Lane.append`."""
        return await self.lanes[item.room % len(self.lanes)].append(item)

    async def drain(self) -> None:
        """Wait until every lane has answered all that it took in."""
        for lane in self.lanes:
            await lane.drain()


def _is_over(waiting: _Waiting, now: float, error: type[ServiceError]) -> bool:
    """Whether nobody waits any more, or the item has waited too long, which it is told."""
    if now > waiting.deadline:
        waiting.refuse(error(retry_after_s=RETRY_AFTER_S))
    return waiting.answer.done()
