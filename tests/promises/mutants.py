"""Fourteen planted bugs, each of which an ordinary run must notice; the checks that are sharp are the ones that have cut.

A mutant is planted into a service's process by `launch`, and nowhere else. Where the service covers a fault more than once,
the mutant takes the other covers away, too: what remains must be seen by clients.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

import api.log.lane
import api.subscriptions.open_room
import api.tails.keeper
import api.wiring
from api.errors import RoomNotFound
from api.fanout.listener import NotListening
from api.ids import Place, RoomId, Seq, read_cursor, write_cursor
from api.log.append import append
from api.log.commits import CommitReader, Visible
from api.log.event import Event, Kind
from api.log.item import Answer, Item, Outcome
from api.log.lane import Lane
from api.log.read import Reader
from api.log.views import Door, Snapshot
from api.subscriptions.connection import Connection
from api.subscriptions.judge import ResetReason, judge
from api.subscriptions.open_room import Opened, RoomOpener
from api.subscriptions.subscription import Step, Subscription
from api.tails.keeper import Keeper
from api.tails.live_room import Key, LiveRoom
from api.tails.payload import read_payload
from api.tails.tail import Offer, Tail
from tenants.ids import AppId
from tenants.scope import Caller

PAUSE_S = 0.5
"""Longer than the audit's interval: what happens meanwhile is seen by nobody who is not looking."""
COMMIT_S = 0.04
"""How long a commit takes, so that what is done too early is early by so much."""


def m1_the_audit_sees_nothing() -> None:
    async def look(_: CommitReader) -> Visible:
        return Visible(heads=[], controls=[])

    CommitReader.look = look  # type: ignore[method-assign]


def m2_history_is_read_before_the_channel_is_subscribed() -> None:
    async def open_(self: Keeper, live: LiveRoom) -> None:
        try:
            snapshot = await self._reader.snapshot(*live.key)
            if snapshot is None:
                raise RoomNotFound
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(NotListening):
                await self._listener.subscribe(api.tails.keeper.room_channel(*live.key))
            live.tail = Tail(*live.key, snapshot)
            self._settle(live)
        except BaseException:
            self._close(live)
            raise

    async def reach(_: Keeper, live: LiveRoom, head: Seq, *, cause: str = "reader") -> None:
        """Nobody looks again where the head is."""

    Keeper._open = open_  # type: ignore[method-assign]
    Keeper.reach = reach  # type: ignore[method-assign]


def m3_what_is_there_already_is_appended_again() -> None:
    offer = Tail.offer

    def offer_all(self: Tail, event: Event, *, verified: bool = False) -> Offer:
        if event.epoch == self.epoch and event.seq <= self.seq and not verified:
            seq = self.seq
            self._append(event)
            self.seq = seq
            return Offer.APPENDED
        return offer(self, event, verified=verified)

    Tail.offer = offer_all  # type: ignore[method-assign]
    _trust_the_tail()


def m4_published_before_the_commit() -> None:
    call = Lane._call

    async def publish_then_commit(self: Lane, items: Sequence[Item], *, skip_held: bool) -> list[Answer]:
        if self._connection is None or self._connection.is_closed():
            return await call(self, items, skip_held=skip_held)
        async with self._connection.transaction():
            answers = await append(self._connection, self._epochs, items, skip_held=skip_held, timeout_s=4)
            self._publish([each.event for each in answers if each.outcome is Outcome.ACCEPTED and each.event])
            await asyncio.sleep(COMMIT_S)
        return answers

    Lane._call = publish_then_commit  # type: ignore[method-assign]


def m5_acked_before_the_commit() -> None:
    commit = Lane._commit

    async def ack_then_commit(self: Lane, batch: list[Any]) -> None:
        if self._connection is None or self._connection.is_closed():
            await commit(self, batch)
            return
        items = [waiting.item for waiting in batch]
        try:
            async with self._connection.transaction():
                answers = await append(self._connection, self._epochs, items, skip_held=True, timeout_s=4)
                for waiting, answer in zip(batch, answers, strict=True):
                    if answer.outcome is Outcome.HELD:
                        self._park(waiting)
                    elif not waiting.answer.done():
                        waiting.answer.set_result(answer)
                await asyncio.sleep(COMMIT_S)
        except Exception:  # noqa: BLE001 - a bug is what this is to be
            # Whoever has had an answer is not asked whether it still holds.
            self._hang_up()
            self._refuse_all(api.log.lane.Unavailable(retry_after_s=1))
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if answer.outcome is not Outcome.HELD:
                self._unpark(waiting)
        self._publish([each.event for each in answers if each.outcome is Outcome.ACCEPTED and each.event])

    Lane._commit = ack_then_commit  # type: ignore[method-assign]


def m6_keys_are_not_looked_up() -> None:
    async def append_anew(connection: Any, epochs: Any, items: Sequence[Item], **more: Any) -> list[Answer]:
        anew = [replace(item, key_hash=os.urandom(16)) for item in items]
        return await append(connection, epochs, anew, **more)

    api.log.lane.append = append_anew  # type: ignore[assignment]


def m7_channels_are_named_without_the_app() -> None:
    def channel(_: AppId, room: int) -> str:
        return f"rl1:{{{room:x}}}"

    def on_payload(self: Keeper, name: str, payload: bytes) -> None:
        event = read_payload(payload)
        for key, live in list(self._rooms.items()):
            if channel(*key) == name:
                self._take(live, event)

    api.tails.keeper.room_channel = api.wiring.room_channel = channel  # type: ignore[assignment]
    Keeper.on_payload = on_payload  # type: ignore[method-assign]


def m8_live_rooms_are_kept_without_the_app() -> None:
    hold = Keeper.hold

    async def hold_any(self: Keeper, key: Key, room_id: RoomId) -> LiveRoom:
        same = next((other for other in self._rooms if other[1] == key[1]), key)
        return await hold(self, same, room_id)

    Keeper.hold = hold_any  # type: ignore[method-assign]


def m9_a_removal_is_not_obeyed() -> None:
    change = Subscription._change_rights

    def keep_rights(self: Subscription, event: Event) -> Step | None:
        return None if event.kind is Kind.MEMBER_REMOVED else change(self, event)

    Subscription._change_rights = keep_rights  # type: ignore[method-assign]


def m10_a_snapshot_is_read_in_two_statements() -> None:
    read = Reader.snapshot

    async def read_twice(self: Reader, app: AppId, room: Any) -> Snapshot | None:
        head = await read(self, app, room)
        await asyncio.sleep(COMMIT_S)
        rest = await read(self, app, room)
        return None if head is None or rest is None else replace(rest, seq=head.seq, epoch=head.epoch)

    Reader.snapshot = read_twice  # type: ignore[method-assign]


def m11_a_cursor_before_the_floor_goes_on_from_the_floor() -> None:
    open_ = RoomOpener.open

    async def open_at_floor(self: RoomOpener, caller: Caller, room_id: RoomId, cursor: str | None, last: int) -> Opened:
        place = None if cursor is None else read_cursor(cursor)
        if place is not None:
            door = await self._door(caller, room_id, None)
            if door.room == place.room and place.seq < door.floor:
                cursor = write_cursor(Place(place.room, place.epoch, door.floor))
        return await open_(self, caller, room_id, cursor, last)

    RoomOpener.open = open_at_floor  # type: ignore[method-assign]


def m12_another_token_sets_the_cursors_back() -> None:
    begin, replaced = Connection.begin, Connection.replace

    def remember(self: Connection, opened: Opened) -> None:
        begin(self, opened)
        self.__dict__.setdefault("_began", {})[opened.subscription.room_id] = opened.subscription.cursor

    def set_back(self: Connection, caller: Caller) -> None:
        replaced(self, caller)
        for room_id, reading in self._readings.items():
            reading.subscription.cursor = self.__dict__["_began"].get(room_id, reading.subscription.cursor)
            self._moved(reading, asyncio.get_running_loop().time())

    Connection.begin = remember  # type: ignore[method-assign]
    Connection.replace = set_back  # type: ignore[method-assign]


def m13_early_events_are_appended_at_once() -> None:
    offer = Tail.offer

    def offer_early(self: Tail, event: Event, *, verified: bool = False) -> Offer:
        if event.epoch == self.epoch and event.seq > self.seq + 1:
            self._append(event)
            return Offer.APPENDED
        return offer(self, event, verified=verified)

    Tail.offer = offer_early  # type: ignore[method-assign]
    _trust_the_tail()


def m14_epochs_are_not_compared() -> None:
    def judge_by_seq(cursor: Place | None, door: Door, **how: Any) -> ResetReason | None:
        reason = judge(cursor, door, **how)
        return None if reason is ResetReason.EPOCH_LOST and cursor and cursor.seq <= door.head else reason

    def offer_by_seq(self: Tail, event: Event, *, verified: bool = False) -> Offer:
        if event.seq <= self.seq:
            return Offer.OLD
        if event.seq > self.seq + 1:
            return Offer.EARLY
        self._append(event)
        return Offer.APPENDED

    async def stay(_: Keeper, __: LiveRoom) -> None:
        """What another life of the database has written there is not looked at."""

    api.subscriptions.open_room.judge = judge_by_seq  # type: ignore[assignment]
    Tail.offer = offer_by_seq  # type: ignore[method-assign]
    Keeper._fork = stay  # type: ignore[method-assign]


def _trust_the_tail() -> None:
    """Take away the last look before a frame is sent: whether it is the next one."""
    advance = Subscription.advance

    def advance_anyhow(self: Subscription, event: Event) -> Step:
        self.cursor = replace(self.cursor, seq=Seq(event.seq - 1))
        return advance(self, event)

    Subscription.advance = advance_anyhow  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "M1": m1_the_audit_sees_nothing,
    "M2": m2_history_is_read_before_the_channel_is_subscribed,
    "M3": m3_what_is_there_already_is_appended_again,
    "M4": m4_published_before_the_commit,
    "M5": m5_acked_before_the_commit,
    "M6": m6_keys_are_not_looked_up,
    "M7": m7_channels_are_named_without_the_app,
    "M8": m8_live_rooms_are_kept_without_the_app,
    "M9": m9_a_removal_is_not_obeyed,
    "M10": m10_a_snapshot_is_read_in_two_statements,
    "M11": m11_a_cursor_before_the_floor_goes_on_from_the_floor,
    "M12": m12_another_token_sets_the_cursors_back,
    "M13": m13_early_events_are_appended_at_once,
    "M14": m14_epochs_are_not_compared,
}
