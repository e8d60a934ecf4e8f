"""Chat through a network that cuts, stalls and breaks off, while tokens end and pushes are lost.

Readers, writers, and one who goes on from cursors, by both clients; what an application may see of the faults is a delay.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from roomlog import AsyncRoom, AsyncRoomlog, Room
from roomlog.models import Snapshot, TextPart
from roomlog.testing import ChatServer

ROOMS = ("one", "two", "three")
WRITERS = ("alice", "bob", "carol")
PAUSE_S = 0.25
"""Between two writes of one writer. Alice writes twice over, and stays within what a user may send on a machine of any speed:
what is refused for good there would be a complaint of the pace, not of the network."""
FAULTS = ("drop", "truncate", "stall", "token", "push")
WEIGHTS = (5, 4, 3, 1, 1)
MOST_STALL_S = 3.0
CALM_S = (0.3, 2.0)
"""From one fault to the next."""
SMALL_BUFFER = 10
STAY_S = 2.0
SETTLE_S = 60.0
MAX_COMPLAINT = 1_000


@dataclass
class Told:
    """What came of it."""

    writes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    ended: int = 0
    """Connections that ended and were made anew."""
    complaints: list[str] = field(default_factory=list)
    """Exceptions, errors in the log, events out of order: there may be none."""

    def __str__(self) -> str:
        writes, faults = (
            " ".join(f"{name}={count}" for name, count in sorted(of.items())) for of in (self.writes, self.faults)
        )
        return (
            f"writes: {writes}\nfaults: {faults}\nevents heard: {self.heard}, connections made anew: {self.ended}\n"
            f"complaints: {len(self.complaints)}"
        )


class Heard:
    """What one reader has heard of one room: each event is the one after the last."""

    def __init__(self, who: str, told: Told, room: AsyncRoom | Room) -> None:
        assert room.state is not None
        self.seq = room.state.seq
        self._who, self._told = f"{who} in {room.id}", told

    def take(self, event: Any) -> None:
        self._told.heard += 1
        if getattr(event, "seq", None) != self.seq + 1:
            self._told.complaints.append(f"{self._who}: {event!r} came after {self.seq}")
        self.seq = getattr(event, "seq", self.seq)


class Run:
    """One run."""

    def __init__(self, server: ChatServer, seed: int) -> None:
        self.told = Told()
        self._server = server
        self._random = random.Random(seed)
        self._is_over = asyncio.Event()
        self._shown: dict[str, Snapshot] = {}

    async def go(self, seconds: float) -> Told:
        """Chat for so long, then let the network be well, and hold everything that is open against the server."""
        async with self._server.async_client() as client:
            for user in WRITERS:
                await client.users.put(user)
            for room in ROOMS:
                await client.rooms.create(id=room, members=list(WRITERS))
        async with contextlib.AsyncExitStack() as stack:
            users = [await stack.enter_async_context(self._server.async_user(user)) for user in WRITERS]
            rooms = [[await stack.enter_async_context(user.rooms.open(room)) for room in ROOMS] for user in users]
            slow = await stack.enter_async_context(self._server.async_client())
            behind = await stack.enter_async_context(slow.rooms.open(ROOMS[0], buffer=SMALL_BUFFER))
            onlooker = await stack.enter_async_context(self._server.async_client())
            for room in ROOMS:
                await stack.enter_async_context(onlooker.rooms.open(room, on_change=self._note))
            readers = [self._read(name, room) for name, own in zip(WRITERS, rooms, strict=True) for room in own]
            readers.append(self._read("slow", behind, pause_s=2 * PAUSE_S))
            reading = [asyncio.create_task(self._complain(each)) for each in readers]
            writers = [self._write(*each) for each in zip(users, rooms, strict=True)]
            writers += [self._go_on_from_cursors(), asyncio.to_thread(self._chat_without_await)]
            writing = [asyncio.create_task(self._complain(each)) for each in writers]
            with _errors(self.told):
                await self._make_faults(seconds)
                self._is_over.set()
                await asyncio.to_thread(self._server.heal)
                async with asyncio.timeout(SETTLE_S):
                    await asyncio.gather(*writing)
                for room in ROOMS:
                    await self._complain(self._prove(room, [each for own in rooms for each in own if each.id == room]))
                await self._complain(self._server.async_assert_converged(ROOMS[0], behind))
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            self.told.complaints += [
                f"{each!r} met {each.faults} faults" for own in rooms for each in own if each.faults
            ]
        return self.told

    # ---- those who chat

    async def _read(self, who: str, room: AsyncRoom, pause_s: float = 0.0) -> None:
        heard = Heard(who, self.told, room)
        async for event in room:
            heard.take(event)
            await asyncio.sleep(pause_s)

    async def _write(self, client: AsyncRoomlog, rooms: list[AsyncRoom]) -> None:
        said: list[tuple[AsyncRoom, str]] = []
        while not self._is_over.is_set():
            await asyncio.sleep(self._random.uniform(0, 2 * PAUSE_S))
            room, chance = self._random.choice(rooms), self._random.random()
            if chance < 0.7 or not said:
                ack = await room.send(f"{self.told.writes['send']}")
                said.append((room, str(ack.message)))
                self.told.writes["send"] += 1
            elif chance < 0.8:
                await client.rooms.messages.send(room.id, parts=[TextPart(text="by REST")])
                self.told.writes["send by REST"] += 1
            elif chance < 0.95:
                where, message = self._random.choice(said)
                await where.edit(message, f"edited {self.told.writes['edit']}")
                self.told.writes["edit"] += 1
            else:
                where, message = said.pop(self._random.randrange(len(said)))
                await where.delete(message)
                self.told.writes["delete"] += 1

    async def _go_on_from_cursors(self) -> None:
        """Leave, and come back with another client where one was."""
        heard, cursor = None, None
        while not self._is_over.is_set():
            async with self._server.async_user("bob") as client, client.rooms.open(ROOMS[1], cursor=cursor) as room:
                heard = heard or Heard("on and off", self.told, room)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STAY_S):
                        while True:
                            heard.take(await anext(room))
                cursor = room.cursor
            self.told.writes["continued"] += 1

    def _chat_without_await(self) -> None:
        with self._server.user("alice") as client, client.rooms.open(ROOMS[2]) as room:
            heard = Heard("without await", self.told, room)
            while not self._is_over.is_set():
                time.sleep(PAUSE_S)
                room.send("without await")
                self.told.writes["send without await"] += 1
                heard.take(room.next(SETTLE_S))
            with contextlib.suppress(TimeoutError):
                while True:
                    heard.take(room.next(STAY_S))
            self._server.assert_converged(ROOMS[2], room)

    def _note(self, state: Snapshot) -> None:
        last = self._shown.get(state.room.id)
        if last is not None and state.seq != last.seq + 1:
            self.told.complaints.append(f"on_change was called with {state.seq} after {last.seq}")
        self._shown[state.room.id] = state

    async def _complain(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - each of them is what this looks for
            self.told.complaints.append(f"{work.__qualname__}: {error!r}"[:MAX_COMPLAINT])

    # ---- the network, and the proof

    async def _make_faults(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await asyncio.sleep(self._random.uniform(*CALM_S))
            (fault,) = self._random.choices(FAULTS, WEIGHTS)
            match fault:
                case "drop":
                    self._server.drop_sockets()
                case "truncate":
                    self._server.truncate_next()
                case "stall":
                    self._server.stall(self._random.uniform(0.1, MOST_STALL_S))
                case "token":
                    await asyncio.to_thread(self._server.expire_token, self._random.choice(WRITERS))
                case _:
                    async with self._server.lose_publish():
                        await asyncio.sleep(0.3)
            self.told.faults[fault] += 1

    async def _prove(self, room: str, opened: list[AsyncRoom]) -> None:
        """Everybody shows what the server has, and what was acknowledged stands there once."""
        await self._server.async_assert_converged(room, *opened, within_s=SETTLE_S)
        state = opened[0].ahead()
        assert state is not None
        async with asyncio.timeout(SETTLE_S):
            while (shown := self._shown[room]).seq < state.seq:
                await asyncio.sleep(0.05)
        if (shown.seq, shown.message_count) != (state.seq, state.message_count):
            self.told.complaints.append(f"on_change shows {shown!r}")
        self.told.writes["message in the log"] += state.message_count


@contextlib.contextmanager
def _errors(told: Told) -> Any:
    """Complain of what the client logs as an error, and count its connections that end."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                told.complaints.append(record.getMessage())
            told.ended += record.msg.startswith("the connection ended")

    log, handler = logging.getLogger("roomlog"), Handler()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


def missing(told: Told) -> int:
    """Give how many acknowledged messages the log has too few, or, negative, too many."""
    sent = sum(told.writes[name] for name in ("send", "send by REST", "send without await"))
    return sent - told.writes["message in the log"]
