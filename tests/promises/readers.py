"""Those who read: they come and go, resume on whichever process, and note every frame that they are shown."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.ids import read_cursor
from tests.contract.followers import TRANSPORTS, Lost, Refused
from tests.promises.history import Frame, History, Run, Session, pack
from tests.promises.people import BROKEN, LASTING_S, NotNow, Pass, People
from tests.support.document import NotAsDocumented
from tests.support.sockets import EVENTS
from tests.support.world import App

OPEN_S = 5.0
LOOK_S = 0.25
LAST = 50
GOODBYES = {1000, 1001, 1012, 1013, 4401, 4408}
"""Close codes that a client of a service under faults may be given; 4403 is for those whose tokens were ended."""
REFUSALS = {429, 503}


@dataclass
class Reading:
    """What one reader has of one room: the run of the moment, and the cursor to go on from."""

    history: History
    reader: str
    app: str
    room_id: str
    user: str | None
    is_steady: bool = True
    comes_and_goes: bool = False
    """Whether the room may be none for this reader for a while: removed from it, or the room deleted and made anew."""
    run: Run | None = None
    cursor: str | None = None
    session: Session | None = None
    asked_at: float = 0.0
    token_ends_at: float = 0.0

    def ask(self, ends_at: float) -> Frame:
        """Give what to subscribe to, and note that it is asked for now."""
        self.asked_at, self.token_ends_at = time.monotonic(), ends_at
        wanted: Frame = {"room": self.room_id, "last": LAST}
        return wanted if self.cursor is None else {**wanted, "cursor": self.cursor}

    def take(self, frame: Frame) -> None:
        """Note a frame about this room."""
        kind = frame["type"]
        if kind == "subscribed" and frame["resumed"]:
            if self.run is None or frame["seq"] != self.run.last:
                self.odd(f"resumed at {frame['seq']} by one who had {None if self.run is None else self.run.last}")
            self.open()
        elif kind in {"snapshot", "reset"}:
            self._begin(frame)
        elif kind.startswith(EVENTS):
            self._event(frame)
        elif kind == "revoked":
            if self.run is not None:
                self.run.end_seq = frame["seq"]
            self.finish("revoked")
        elif kind == "unsubscribed":
            if frame["reason"] in {"lost", "room_deleted"} and (self.comes_and_goes or self._lost_tail()):
                self.finish("refused")
            else:
                self.odd(f"left out: {frame}")

    def open(self) -> None:
        """Note that the subscription stands on this connection from now on."""
        self.pause()
        self.session = Session(time.monotonic(), token_ends_at=self.token_ends_at)
        if self.run is not None:
            self.run.sessions.append(self.session)

    def pause(self) -> None:
        """Note that the connection is over; the next one goes on."""
        if self.session is not None:
            self.session.closed_at = time.monotonic()
        self.session = None

    def finish(self, end: str) -> None:
        """Note how a run ended; what comes next begins anew."""
        if self.run is not None:
            self.run.end = end
        self.pause()
        self.run, self.cursor = None, None

    def refused(self) -> None:
        """Note that there is no such room for this reader now."""
        if not (self.comes_and_goes or self._lost_tail()):
            self.odd("404 for a room that is there")
        self.finish("refused")

    def odd(self, what: str) -> None:
        self.history.unexpected.append(f"{self.reader}, {self.room_id}: {what}")

    def _event(self, frame: Frame) -> None:
        if self.run is None:
            self.odd(f"an event without a snapshot: {frame}")
            return
        if self.session is None:
            self.open()
        assert self.session is not None
        now = time.monotonic()
        self.history.seen(self.run, frame, now)
        self.session.last_frame_at = now
        self.cursor = frame["cursor"]
        if frame["type"] == "room.deleted":
            self.finish("deleted")

    def _begin(self, frame: Frame) -> None:
        snapshot, reason = frame["snapshot"], frame.get("reason")
        place = read_cursor(snapshot["cursor"])
        if place is None or place.seq != snapshot["seq"]:
            self.odd(f"a snapshot with the cursor {snapshot['cursor']}")
            return
        if self.run is not None:
            if reason is None:
                self.odd("a snapshot for one who came with a cursor")
            self.run.end = "reset"
        if reason is not None:
            self.history.resets[reason] = self.history.resets.get(reason, 0) + 1
        self.history.look_for_leaks(self.app, msgspec.json.encode(frame).decode(), self.reader)
        self.run = Run(
            *(self.reader, self.app, self.room_id, self.user, place, self.asked_at, LAST),
            packed_snapshot=pack(snapshot),
            reset=reason,
            is_steady=self.is_steady,
        )
        self.history.runs.append(self.run)
        self.cursor = snapshot["cursor"]
        self.open()

    def _lost_tail(self) -> bool:
        return any(window.name == "lost-tail" for window in self.history.windows)


@dataclass
class Habits:
    """How a reader behaves."""

    user: str | None
    """None for a backend, which reads by its API key."""
    ttl_s: tuple[int, int] = (LASTING_S, LASTING_S)
    """Of its tokens, from and to."""
    renews: float = 1.0
    """How often it sends another token when it is told that the one it has will end."""
    renews_early: float = 0.0
    """How often it does so after a frame, without having been told."""
    sleeps: bool = False
    """Whether it stops reading for some seconds now and then, with its connection open."""
    is_ended: bool = False
    """Whether its tokens are revoked now and then."""


class SocketReader:
    """Reads several rooms on one WebSocket after another."""

    def __init__(
        self, people: People, name: str, app: App, rooms: list[str], habits: Habits, comes_and_goes: set[str]
    ) -> None:
        self.people = people
        self.app = app
        self.habits = habits
        self.leaves = False
        self.readings = {
            room: Reading(
                *(people.history, name, app.id, room, habits.user),
                is_steady=not habits.sleeps,
                comes_and_goes=room in comes_and_goes,
            )
            for room in rooms
        }

    def leave(self) -> None:
        """Leave before everybody does, with all that it is to have."""
        self.leaves = True
        for reading in self.readings.values():
            reading.finish("left")

    @property
    def has_all(self) -> bool:
        """Whether it has been shown all that was acknowledged in its rooms."""
        acked = self.people.history.newest_ack
        runs = [reading.run for reading in self.readings.values()]
        return all(run is not None and run.last >= acked.get(run.room, 0) for run in runs)

    async def run(self) -> None:
        """Come and go until nobody reads any more."""
        people, chance = self.people, self.people.chance
        while people.reading and not self.leaves:
            try:
                await self._connect_and_read()
            except (*BROKEN, NotNow):
                await asyncio.sleep(0.1)
            for reading in self.readings.values():
                reading.pause()
                if people.writing and not self.leaves and chance.random() < 0.05:
                    reading.finish("forgotten")
            people.history.reconnects += 1
            await people.nap(chance.choice((0.0, 0.1, 0.5, 3.0)) * chance.random())
            await asyncio.sleep(0.05)

    async def _pass(self) -> Pass:
        habits, people = self.habits, self.people
        if habits.user is None:
            return Pass(self.app.key)
        if habits.ttl_s[0] == LASTING_S:
            return await people.lasting(self.app, habits.user)
        return await people.brief(self.app, habits.user, people.chance.randint(*habits.ttl_s))

    async def _connect_and_read(self) -> None:
        people = self.people
        held = await self._pass()
        brief = held.ends_at < float("inf")
        where = people.somewhere(on_time=brief)
        headers = {"Authorization": f"Bearer {held.credential}"}
        queue = 2 if self.habits.sleeps else None
        try:
            async with asyncio.timeout(OPEN_S):
                raw = await connect_socket(
                    where.socket_url, additional_headers=headers, max_size=None, max_queue=queue, close_timeout=1
                )
        except InvalidStatus as error:
            status = error.response.status_code
            if status not in REFUSALS and not (status == 401 and (brief or people.is_off())):
                people.history.unexpected.append(f"a socket was refused with {status}")
            raise NotNow from error
        try:
            await self._read(raw, held)
        except ConnectionClosed as closed:
            code = None if closed.rcvd is None else closed.rcvd.code
            if code is not None and code not in GOODBYES and not (code == 4403 and self.habits.is_ended):
                people.history.unexpected.append(f"a socket was closed with {code}")
        finally:
            if people.chance.random() < 0.5:
                raw.transport.abort()
            await raw.close()

    async def _read(self, raw: ClientConnection, held: Pass) -> None:
        people, chance = self.people, self.people.chance
        until = time.monotonic() + chance.uniform(0.5, 8.0)
        wanted = [reading.ask(held.ends_at) for reading in self.readings.values()]
        await raw.send(json.dumps({"op": "subscribe", "rooms": wanted}))
        # After the end of the writing everybody stays, so that what is still under way can arrive.
        while people.reading and not self.leaves and (not people.writing or time.monotonic() < until):
            if self.habits.sleeps and people.writing and chance.random() < 0.02:
                await people.nap(chance.uniform(1.0, 6.0))
            try:
                async with asyncio.timeout(LOOK_S):
                    frame: Frame = msgspec.json.decode(await raw.recv())
            except TimeoutError:
                continue
            held = await self._take(raw, frame, held)
            if chance.random() < self.habits.renews_early:
                held = await self._renew(raw)

    async def _take(self, raw: ClientConnection, frame: Frame, held: Pass) -> Pass:
        kind, reading = frame["type"], self.readings.get(frame.get("room", ""))
        if kind == "auth.expiring":
            if self.people.chance.random() < self.habits.renews:
                held = await self._renew(raw)
        elif kind == "authenticated":
            for each in self.readings.values():
                each.token_ends_at = held.ends_at
                if each.session is not None:
                    each.session.token_ends_at = held.ends_at
        elif kind == "error":
            self._refused(frame, reading)
        elif reading is not None and not self.leaves:
            reading.take(frame)
        return held

    async def _renew(self, raw: ClientConnection) -> Pass:
        held = await self._pass()
        await raw.send(json.dumps({"op": "auth", "id": "renewed", "token": held.credential}))
        return held

    def _refused(self, frame: Frame, reading: Reading | None) -> None:
        status = frame["problem"]["status"]
        if status in REFUSALS:
            raise NotNow
        if frame.get("id") == "renewed" and status == 401:
            return  # ended on its way, or revoked
        if status == 404 and reading is not None:
            reading.refused()
        else:
            self.people.history.unexpected.append(f"a subscriber was told {frame}")


class FollowingReader:
    """Reads one room by Server-Sent Events or by long poll."""

    def __init__(self, people: People, name: str, app: App, room: str, user: str, transport: str) -> None:
        self.people = people
        self.app = app
        self.transport = TRANSPORTS[transport]
        self.reading = Reading(people.history, f"{name} by {transport}", app.id, room, user)

    async def run(self) -> None:
        """Come and go until nobody reads any more."""
        people, chance = self.people, self.people.chance
        while people.reading:
            with contextlib.suppress(*BROKEN, NotNow):
                await self._follow()
            self.reading.pause()
            people.history.reconnects += 1
            await people.nap(chance.random() * 0.5)
            await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        people, reading = self.people, self.reading
        assert reading.user is not None
        held = await people.lasting(self.app, reading.user)
        follower: Any = self.transport(people.somewhere(), held.credential)
        wanted = reading.ask(held.ends_at)
        try:
            async with asyncio.timeout(OPEN_S):
                await follower.open(wanted["room"], wanted.get("cursor"), LAST)
            if reading.run is not None:
                reading.open()
            async with asyncio.timeout(people.chance.uniform(1.0, 8.0) if people.writing else 1.0):
                while people.reading:
                    frame = await follower.hear()
                    if frame["type"] == "closed":
                        self._closed(frame["code"])
                        return
                    reading.take(frame)
        except Refused as refused:
            self._refused(refused.status)
        except NotAsDocumented as odd:
            reading.odd(str(odd)[:500])
        except ValueError as error:
            # What was cut off in its middle is no JSON.
            raise Lost from error
        finally:
            await follower.close()

    def _closed(self, code: int) -> None:
        if code not in GOODBYES:
            self.reading.odd(f"closed with {code}")

    def _refused(self, status: int) -> None:
        if status == 404:
            self.reading.refused()
        elif status not in REFUSALS and not (status == 401 and self.people.is_off()):
            self.reading.odd(f"refused with {status}")
        raise NotNow
