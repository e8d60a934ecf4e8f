"""A connection: many subscriptions and one writer on one socket, whatever kind of socket it is.

Subscriptions are cursors, not queues. When a tail moves, the connection is told which of its rooms have; its writer then
takes what lies between cursor and tail. A slow client costs its cursors, and nobody else anything.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from api.errors import BadRequest
from api.flag import Flag
from api.ids import Place, RoomId, write_cursor
from api.log.event import hidden_json
from api.names import room_id as checked
from api.subscriptions import frames
from api.subscriptions.frames import CloseCode
from api.subscriptions.open_room import Opened
from api.subscriptions.reading import Reading
from api.subscriptions.subscription import Step
from api.subscriptions.surroundings import Surroundings
from api.subscriptions.writes import Writes
from api.tails.stretch import text_frame
from api.tails.tail import Entry
from tenants.errors import ServiceError, Unavailable
from tenants.grants import Grant
from tenants.scope import Caller

PAGE = 100
"""Events of one room that are sent before the connection's other rooms have their turn."""
CATCH_UP_PAGE = 500
MAX_OUTBOX_BYTES = 1024 * 1024
"""Answers and snapshots that wait for a slow client; beyond, nothing more is read from it or opened for it."""
FRAMES_PER_S = 50.0
FRAMES_BURST = 200.0
RETRY_S = 0.2

Put = Callable[[str, Place | None], Awaitable[None]]
"""Sends one text and returns when the transport has taken it; with it the place up to which the client then has all."""

WriteNow = Callable[[bytes], bool]
"""Writes WebSocket frames at once; False, with nothing written, where the client has to be waited for."""

Renew = Callable[[frames.Auth], Awaitable[None]]

log = structlog.get_logger()


class Connection:
    """One client: its rooms, its answers, its writer."""

    def __init__(
        self,
        around: Surroundings,
        caller: Caller,
        put: Put,
        *,
        write_now: WriteNow | None = None,
        is_one_way: bool = False,
    ) -> None:
        """Serve `caller`; a client that can say nothing (`is_one_way`) has its connection end with its last room."""
        self.caller = caller
        self.is_one_way = is_one_way
        self.close_code: CloseCode | None = None
        self.given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when nobody should wait any longer for the client to read what it was sent."""
        self.sent_at = asyncio.get_running_loop().time()
        self.blocked_since: float | None = None
        """Since when one text has been waiting for the client to read."""
        self.unread_bytes = 0
        """The length of the text before it, of which the client may not have read everything."""
        self.expires_at: float | None = None
        """When the credential ends (loop time); no event goes out after it."""
        self.warn_at: float | None = None
        """When the client is to be told that the end is near."""
        self.leave_at: float | None = None
        """When to end a connection whose client cannot be asked to go by itself."""
        self.renew: Renew = _cannot_renew
        """What the transport does with another credential that the client sends."""
        self._around = around
        self._app = caller.scope.app
        self._deliveries = around.tallies.deliveries
        self._put = put
        self._write_now = write_now
        self._readings: dict[RoomId, Reading] = {}
        self._ready: dict[Reading, float] = {}
        """The rooms that have something to send, and since when."""
        self._outbox: list[tuple[str, Place | None]] = []
        self._outbox_bytes = 0
        self._outbox_has_room = Flag()
        self._outbox_has_room.set()
        self._wake = Flag()
        self._writes = Writes(around, caller, self.say, self.refuse)
        self._stalled = False
        self._frames_left = FRAMES_BURST
        self._frames_at = self.sent_at

    # ---- from outside

    def say(self, text: str, place: Place | None = None) -> None:
        """Send a text before any event, or queue it where it has to wait."""
        if self._is_free and self._write_now is not None and self._write_now(text_frame(text)):
            self.unread_bytes = len(text)
            self.sent_at = asyncio.get_running_loop().time()
            return
        self._outbox.append((text, place))
        self._outbox_bytes += len(text)
        if self._outbox_bytes > MAX_OUTBOX_BYTES:
            self._outbox_has_room.clear()
        self._wake.set()

    def look_up(self) -> None:
        """Have the writer look whether delivery must halt or may go on."""
        self._wake.set()

    def close(self, code: CloseCode) -> None:
        """End the connection with a code once what is queued has been sent."""
        if self.close_code is None:
            self.close_code = code
        self._wake.set()

    def cut(self, code: CloseCode) -> None:
        """End the connection with a code at once: what is queued is for nobody any more."""
        self._outbox.clear()
        self._outbox_bytes = 0
        self._outbox_has_room.set()
        self.close_code = code
        if self.blocked_since is not None:
            self.give_up()
        self._wake.set()

    def give_up(self) -> None:
        """Have nobody wait any longer for the client to read."""
        if not self.given_up.done():
            self.given_up.set_result(None)

    def has_expired_at(self, now: float) -> bool:
        """Tell whether the credential has ended by a moment (loop time)."""
        return self.expires_at is not None and now > self.expires_at

    def replace(self, caller: Caller) -> None:
        """Go on as the same caller with other grants; rooms that they do not cover are left."""
        self.caller = self._writes.caller = caller
        for room_id, reading in list(self._readings.items()):
            if not (caller.may(Grant.MESSAGES_READ) and caller.reaches(room_id)):
                self._leave(reading)
                self.say(frames.unsubscribed(None, room_id, "not_granted"))

    @property
    def backlog_bytes(self) -> int:
        """About how much waits for the client to read."""
        return self._outbox_bytes + (0 if self.blocked_since is None else self.unread_bytes)

    @property
    def readings(self) -> int:
        """How many rooms this connection reads."""
        return len(self._readings)

    @property
    def is_behind(self) -> bool:
        """Whether events are there that have not been sent."""
        return any(reading.is_behind for reading in self._readings.values())

    async def settle(self) -> None:
        """Wait until every write that was taken in has its answer in the outbox."""
        await self._writes.settle()

    async def end(self) -> None:
        """Let go of everything; what is still being written is given up, its outcome unknown to the client."""
        for reading in list(self._readings.values()):
            self._leave(reading)
        await self._writes.end()

    # ---- what the client says

    async def handle(self, frame: frames.ClientFrame) -> None:
        """Do what a frame asks; returns when the next frame may be read."""
        await self._outbox_has_room.wait()
        match frame:
            case frames.Send() | frames.Edit() | frames.Delete():
                await self._writes.start(frame)
                return
            case _ if not self._may_speak():
                self.close(CloseCode.TOO_MANY_FRAMES)
            case frames.Subscribe():
                await self._subscribe(frame)
            case frames.Unsubscribe():
                self._unsubscribe(frame)
            case frames.Ping():
                self.say(frames.pong(frame.id))
            case frames.Auth():
                await self._renew(frame)

    async def _renew(self, frame: frames.Auth) -> None:
        try:
            await self.renew(frame)
        except ServiceError as error:
            self.refuse(frame.id, error)

    def refuse(self, mark: frames.Id, error: ServiceError, room_id: str | None = None) -> None:
        """Answer with a problem."""
        self.say(frames.error(mark, self._around.problem(error), room_id))

    def _may_speak(self) -> bool:
        now = asyncio.get_running_loop().time()
        earned = (now - self._frames_at) * FRAMES_PER_S
        self._frames_left = min(FRAMES_BURST, self._frames_left + earned) - 1
        self._frames_at = now
        return self._frames_left >= 0

    async def _subscribe(self, frame: frames.Subscribe) -> None:
        for wanted in frame.rooms:
            await self._outbox_has_room.wait()
            room_id = RoomId(wanted.room)
            held = self._readings.get(room_id)
            if held is not None:
                self._leave(held)
            if len(self._readings) >= frames.MAX_SUBSCRIPTIONS:
                limit = f"A connection reads at most {frames.MAX_SUBSCRIPTIONS} rooms."
                self.refuse(frame.id, BadRequest(limit), room_id)
                continue
            try:
                opened = await self.open(wanted)
            except ServiceError as error:
                self.refuse(frame.id, error, room_id)
                continue
            self.announce(frame.id, opened)
            self.begin(opened)

    async def open(self, wanted: frames.Wanted) -> Opened:
        """Open a room for this client; who has it owes `begin`. Raises what `RoomOpener.open` raises, and `BadRequest`."""
        return await self._around.opener.open(self.caller, checked(wanted.room), wanted.cursor, wanted.last)

    def announce(self, mark: frames.Id, opened: Opened) -> None:
        """Tell the client where an opened room's frames begin."""
        cursor = opened.subscription.cursor
        resumed = opened.greeting is None
        self.say(
            frames.subscribed(
                mark,
                opened.subscription.room_id,
                seq=cursor.seq,
                cursor=write_cursor(cursor),
                resumed=resumed,
            )
        )

    def begin(self, opened: Opened) -> None:
        """Send an opened room's snapshot where one is due, then what comes."""
        self._greet(opened)
        reading = Reading(opened, self._moved)
        self._readings[opened.subscription.room_id] = reading
        self._moved(reading, asyncio.get_running_loop().time())

    def _greet(self, opened: Opened) -> None:
        counts = self._around.counts
        if opened.greeting is None:
            counts.resumes += 1
            return
        if opened.reset is None:
            counts.snapshots += 1
        else:
            counts.resets[opened.reset] += 1
        self.say(opened.greeting, opened.subscription.cursor)

    def _unsubscribe(self, frame: frames.Unsubscribe) -> None:
        for room_id in frame.rooms:
            reading = self._readings.get(RoomId(room_id))
            if reading is not None:
                self._leave(reading)
            self.say(frames.unsubscribed(frame.id, room_id, "requested"))

    def _moved(self, reading: Reading, now: float) -> None:
        if reading.is_behind and not self._hand_over(reading, now):
            # A reader who is behind keeps the time since when he is.
            self._ready.setdefault(reading, now)
            self._wake.set()

    @property
    def _is_free(self) -> bool:
        """Whether nothing waits to be sent, so that what comes now is next."""
        return not self._outbox and self.blocked_since is None

    def _hand_over(self, reading: Reading, now: float) -> bool:
        """Send all that a room has for a reader at once and in one piece, if it may be: the way of nearly every event.

        What has to wait, or means something of its own to this reader, is for the writer.
        """
        live, subscription = reading.live, reading.subscription
        if self._write_now is None or live.tail is None or reading.generation != live.generation:
            return False
        if not self._is_free or self._ready or self._stalled or self._must_halt(now):
            return False
        stretch = live.tail.stretch(subscription.cursor.seq)
        if stretch is None or not subscription.takes(stretch) or not self._write_now(stretch.data):
            return False
        subscription.cursor = stretch.end
        self.unread_bytes = len(stretch.data)
        self.sent_at = now
        counts = self._around.counts
        counts.events += stretch.count
        self._deliveries[self._app] += stretch.count
        counts.deliveries.observe(0.0)  # in the same turn of the loop, in which its clock stands still
        return True

    def _leave(self, reading: Reading) -> None:
        room_id = reading.subscription.room_id
        if self._readings.get(room_id) is reading:
            del self._readings[room_id]
        self._ready.pop(reading, None)
        reading.live.watchers.pop(reading.wake, None)
        self._around.opener.keeper.release(reading.live)

    def _finish(self, reading: Reading) -> None:
        """Leave a room that ends for this client."""
        self._leave(reading)
        if self.is_one_way and not self._readings:
            self.close(CloseCode.ENDED)

    # ---- the writer

    async def write(self) -> None:
        """Send what there is to send; returns when the connection is to be closed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox or self._may_deliver():
                if self._outbox:
                    await self._send_answer()
                elif self._stalled:
                    self._stalled = False
                    await self._send(frames.LIVE)
                else:
                    reading, since = next(iter(self._ready.items()))
                    del self._ready[reading]
                    await self._deliver(reading, since)
            if self.close_code is not None:
                return
            if self._around.audit.is_stale and not self._stalled:
                self._stalled = True
                await self._send(frames.STALLED)

    def _may_deliver(self) -> bool:
        """Whether events may go out now: never from a process that cannot know who has been removed."""
        if self._must_halt(asyncio.get_running_loop().time()):
            return False
        return self._stalled or bool(self._ready)

    def _must_halt(self, now: float) -> bool:
        return self.close_code is not None or self._around.audit.is_stale_at(now) or self.has_expired_at(now)

    async def _send_answer(self) -> None:
        text, place = self._outbox.pop(0)
        self._outbox_bytes -= len(text)
        if self._outbox_bytes <= MAX_OUTBOX_BYTES:
            self._outbox_has_room.set()
        await self._send(text, place)

    async def _send(self, text: str, place: Place | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.blocked_since = loop.time()
        await self._put(text, place)
        self.blocked_since = None
        self.unread_bytes = len(text)
        self.sent_at = loop.time()

    async def _deliver(self, reading: Reading, since: float) -> None:
        """Send one room's next events, up to a page; what remains has its turn again."""
        if reading.generation != reading.live.generation:
            await self._judge_again(reading)
            return
        entries = await self._next_entries(reading)
        if entries is None:
            await self._judge_again(reading)
            return
        subscription = reading.subscription
        for entry in entries:
            if (
                self._must_halt(asyncio.get_running_loop().time())
                or self._readings.get(subscription.room_id) is not reading
            ):
                break
            step = subscription.advance(entry.event)
            if step is Step.SHOW or step is Step.SHOW_AND_END:
                self._around.counts.events += 1
                self._deliveries[self._app] += 1
                await self._send(entry.json(subscription.room_id), entry.event.place)
            elif step is Step.HIDE:
                await self._send(hidden_json(entry.event, subscription.room_id), entry.event.place)
            if step is not Step.SHOW and step is not Step.HIDE:
                await self._stop(reading, step, entry)
                return
        if entries:
            self._around.counts.deliveries.observe(asyncio.get_running_loop().time() - since)
        if reading.is_behind and self._readings.get(subscription.room_id) is reading:
            self._ready[reading] = since

    async def _next_entries(self, reading: Reading) -> list[Entry] | None:
        """Give what follows the cursor, from the ring or else from PostgreSQL; None if the cursor no longer holds."""
        tail, cursor = reading.live.tail, reading.subscription.cursor
        if tail is None:
            return []
        entries = tail.after(cursor.seq, PAGE)
        if entries is not None:
            return entries
        self._around.counts.catch_ups += 1
        try:
            async with self._around.catch_ups:
                events = await self._around.reader.events(
                    [(self.caller.scope.app, cursor.room, cursor.seq)], limit=CATCH_UP_PAGE
                )
        except ServiceError:
            await asyncio.sleep(RETRY_S)
            return []
        if not events or events[0].seq != cursor.seq:
            return None
        if events[0].epoch.ordinal > cursor.epoch.ordinal:
            return None
        return [Entry(event) for event in events[1:]]

    async def _stop(self, reading: Reading, step: Step, entry: Entry) -> None:
        subscription = reading.subscription
        room_id = subscription.room_id
        if step is Step.VIOLATION:
            self._around.counts.invariant_violations += 1
            log.error("invariant_violation", expected=subscription.cursor.seq + 1, got=entry.event.seq)
            await self._judge_again(reading)
            return
        self._finish(reading)
        if step is Step.SHOW_AND_END:
            await self._send(frames.unsubscribed(None, room_id, step.value))
        else:
            self._around.counts.revocations += 1
            await self._send(frames.revoked(room_id, entry.event.seq, step.value))

    async def _judge_again(self, reading: Reading) -> None:
        """Open the room anew from where its reader stands: goes on silently, or resets, or ends."""
        subscription = reading.subscription
        room_id = subscription.room_id
        opened: Opened | None = None
        refusal: ServiceError | None = None
        try:
            cursor = write_cursor(subscription.cursor)
            opened = await self._around.opener.open(self.caller, room_id, cursor, frames.DEFAULT_LAST)
        except ServiceError as error:
            refusal = error
        if self._readings.get(room_id) is not reading:
            # Meanwhile the client has unsubscribed, or subscribed anew.
            if opened is not None:
                self._around.opener.keeper.release(opened.live)
            return
        if isinstance(refusal, Unavailable):
            await asyncio.sleep(RETRY_S)
            self._moved(reading, asyncio.get_running_loop().time())
            return
        if opened is None:
            tail = reading.live.tail
            is_deleted = tail is not None and tail.fold.deleted
            self.say(frames.unsubscribed(None, room_id, Step.SHOW_AND_END.value if is_deleted else "lost"))
            self._finish(reading)
            return
        self._leave(reading)
        self._greet(opened)
        again = Reading(opened, self._moved)
        self._readings[room_id] = again
        self._moved(again, asyncio.get_running_loop().time())


async def _cannot_renew(_: frames.Auth) -> None:
    raise BadRequest("This connection is authenticated already.")
