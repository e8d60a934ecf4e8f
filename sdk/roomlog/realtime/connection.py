"""The connection: one socket for all of a client's rooms, driven by the state machine; kept, renewed and moved without a word."""

import asyncio
import contextlib
import itertools
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from roomlog._generated.errors import BY_CODE
from roomlog._generated.models import (
    Ack,
    Authenticated,
    AuthExpiring,
    Connected,
    ErrorFrame,
    Reconnect,
    ServerFrame,
)
from roomlog.calling import Options
from roomlog.credentials import Credential, Refusals
from roomlog.errors import ApiError, ClientClosed, RoomlogError, UnexpectedAnswer
from roomlog.realtime.machine import Link, LinkEvent, moved
from roomlog.realtime.outbox import Outbox
from roomlog.realtime.pace import Pace
from roomlog.realtime.room import AsyncRoom
from roomlog.retries import AGAIN, Retries, read_retry_after
from roomlog.unknown import Unknown, decode_any

OPEN_S = 10.0
"""For the socket to open, and for the greeting."""
MAX_MESSAGE = 64 * 1024 * 1024
"""A snapshot can be some megabytes long."""
STEADY_S = 5.0
"""A connection that lasted so long was good: the next waits begin anew."""
MAX_ROOMS_A_FRAME = 200
MAX_NAMED = 4_096
"""Characters of an address that name rooms; there are servers on the way that take 8,192 in all."""
TOO_LONG = frozenset({400, 414, 431})
AGAIN_S = 1.0
"""When to repeat what was refused for now without saying for how long."""
WAITS = {1013: 5.0, 4429: 5.0}
"""By close code: how long to stay away at least."""
REFUSALS = {4401: "unauthenticated", 4403: "unauthenticated", 4404: "unauthenticated"}
"""By close code: what the credential is refused with."""

log = logging.getLogger("roomlog")


class Connection:
    """The socket of a client, and all that goes over it."""

    def __init__(self, url: str, credential: Credential, options: Options) -> None:
        """Connect to `url` as soon as a room is joined or something is written."""
        self._url = url
        self._credential = credential
        self._options = options
        self._retries = Retries(times=0, first_s=0.5, most_s=15.0)
        self._rooms: dict[str, AsyncRoom] = {}
        self._leaving: list[str] = []
        self._named: list[AsyncRoom] = []
        """Those that the upgrade of this connection has named."""
        self._most_named = MAX_NAMED
        self._outbox = Outbox()
        self._pace = Pace()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self.state = Link.IDLE
        self._error: Exception | None = None
        self._attempt = 0
        self._not_before_s = 0.0
        self._heartbeat_s = 20.0
        self._used = ""
        self._refusals = Refusals()
        self._expiring = asyncio.Event()
        self._move_at: float | None = None

    # ---- what rooms ask for

    async def join(self, room: AsyncRoom) -> None:
        """Follow a room."""
        if room.id in self._rooms:
            raise RoomlogError(f"The room {room.id!r} is open in this client already.")
        self._start()
        self._rooms[room.id] = room
        self._outbox.has_news.set()

    def leave(self, room: AsyncRoom) -> None:
        """Follow a room no longer."""
        if self._rooms.get(room.id) is room:
            del self._rooms[room.id]
            self._leaving.append(room.id)
            self._outbox.has_news.set()

    def leave_off(self, room: AsyncRoom) -> None:
        """Have a room's events stop; it stays, and may be asked for again."""
        self._leaving.append(room.id)
        self._outbox.has_news.set()

    def changed(self, room: AsyncRoom) -> None:
        """Note that a room is to be asked for."""
        del room
        self._outbox.has_news.set()

    async def write(self, frame: dict[str, Any]) -> Ack:
        """Write, for as long as it takes."""
        self._start()
        if self._options.acting_as is not None:
            frame = {**frame, "as": self._options.acting_as}
        return await self._outbox.write(frame)

    async def close(self) -> None:
        """End it; what is not acknowledged is given up, and rooms end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.state is not Link.CLOSED:
            self.state = moved(self.state, LinkEvent.STOP)
        self._give_up(ClientClosed("The client was closed before this was done."))

    def drop(self) -> None:
        """Cut the socket as a bad network would; for tests of what is built on this."""
        if self._socket is not None:
            self._socket.transport.abort()

    # ---- the machine

    def _start(self) -> None:
        if self.state is Link.CLOSED:
            raise self._error or ClientClosed("The client is closed.")
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        event = LinkEvent.START
        does: dict[Link, Callable[[], Any]] = {
            Link.CONNECTING: self._connect,
            Link.GREETING: self._greet,
            Link.OPEN: self._follow,
            Link.WAITING: self._wait,
        }
        try:
            while True:
                self.state = moved(self.state, event)
                log.debug("%s: %s", event.name, self.state.name)
                if self.state is Link.CLOSED:
                    break
                event = await does[self.state]()
        finally:
            await self._hang_up(self._socket)
        self._give_up(self._error or ClientClosed("The client is closed."))

    async def _connect(self) -> LinkEvent:
        before, self._move_at = self._socket, None
        try:
            self._used = await self._credential.aget(self._refusals.last)
        except Exception as error:
            # The application's own function: that it fails may pass, too.
            log.warning("no token: %r", error)
            return self._lost()
        headers = {"Authorization": f"Bearer {self._used}", "User-Agent": self._options.user_agent}
        if self._options.acting_as is not None:
            headers["Roomlog-As"] = self._options.acting_as
        self._named = self._rooms_to_name()
        try:
            self._socket = await connect(
                self._url + _query(self._named),
                additional_headers=headers,
                open_timeout=OPEN_S,
                close_timeout=1,
                max_size=MAX_MESSAGE,
                ping_interval=None,
                compression=None,
                user_agent_header=None,
            )
        except InvalidStatus as error:
            return self._turned_away(error)
        except InvalidURI as error:
            return self._refuse(RoomlogError(str(error)))
        except (OSError, InvalidHandshake, TimeoutError, ConnectionClosed, EOFError) as error:
            log.info("no connection: %r", error)
            return self._lost()
        finally:
            if before is not None and before is not self._socket:
                await self._hang_up(before)
        for room in self._rooms.values():
            room.lose()
        for room in self._named:
            room.ask(None)
        self._outbox.lose()
        return LinkEvent.CONNECTED

    def _rooms_to_name(self) -> list[AsyncRoom]:
        """Choose the rooms to name in the upgrade: they open without another round trip."""
        wanted = [room for room in self._rooms.values() if room.is_wanted_anew and not room.goes_alone]
        sizes = itertools.accumulate(len(_quoted(room)) for room in wanted)
        return [room for room, size in zip(wanted, sizes, strict=True) if size <= self._most_named]

    async def _greet(self) -> LinkEvent:
        try:
            async with asyncio.timeout(OPEN_S):
                frame = decode_any(await self._receive(), ServerFrame)
        except ConnectionClosed as error:
            return self._closed(error)
        except (TimeoutError, msgspec.MsgspecError):
            return self._lost()
        if not isinstance(frame, Connected):
            return self._lost()
        self._heartbeat_s = frame.heartbeat_ms / 1000
        self._refusals.clear()
        return LinkEvent.GREETED

    async def _follow(self) -> LinkEvent:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._expiring.clear()
        # Those that were named, and closed since.
        self._leaving = [room.id for room in self._named if room.is_over]
        self._outbox.has_news.set()
        tasks = [asyncio.create_task(work()) for work in (self._read, self._write, self._renew)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if loop.time() - began >= STEADY_S:
            self._attempt = 0
        for result in results:
            if isinstance(result, LinkEvent):
                return result
        # Whoever reads and whoever writes meet the same end of the socket, which counts once.
        for result in results:
            if isinstance(result, ConnectionClosed):
                return self._closed(result)
        log.error(
            "the connection failed: %r", [each for each in results if not isinstance(each, asyncio.CancelledError)]
        )
        return self._lost()

    async def _wait(self) -> LinkEvent:
        await self._hang_up(self._socket)
        self._socket = None
        for room in self._rooms.values():
            room.lose()
        self._outbox.lose()
        # The first attempt after a good connection is as random as the others: all clients of a process lose it together.
        wait_s = self._retries.wait_s(self._attempt) + self._not_before_s
        self._attempt, self._not_before_s = self._attempt + 1, 0.0
        await asyncio.sleep(wait_s)
        return LinkEvent.TIMER

    # ---- on an open socket

    async def _receive(self) -> bytes | str:
        assert self._socket is not None  # noqa: S101 - the machine has it so
        return await self._socket.recv()

    async def _read(self) -> LinkEvent:
        loop = asyncio.get_running_loop()
        while True:
            limit_s = 2 * self._heartbeat_s
            if self._move_at is not None:
                limit_s = min(limit_s, max(0.0, self._move_at - loop.time()))
            try:
                async with asyncio.timeout(limit_s):
                    text = await self._receive()
            except TimeoutError:
                if self._move_at is not None and loop.time() >= self._move_at:
                    return LinkEvent.MOVE
                log.info("nothing was heard for %.0f s", limit_s)
                return self._lost()
            try:
                frame = decode_any(text, ServerFrame)
            except msgspec.MsgspecError as error:
                log.warning("a frame could not be read: %s", error)
                return self._lost()
            self._take(frame)

    def _take(self, frame: object) -> None:
        match frame:
            case Ack(id=mark):
                self._outbox.acknowledge(mark, frame)
            case ErrorFrame():
                self._take_error(frame)
            case AuthExpiring():
                self._expiring.set()
            case Authenticated():
                log.debug("the connection goes on with another token")
            case Reconnect(after_ms=after_ms):
                self._move_at = asyncio.get_running_loop().time() + after_ms / 1000
            case Unknown(raw=raw):
                self._pass_on(raw.get("room"), frame)
            case _:
                self._pass_on(getattr(frame, "room", None), frame)

    def _pass_on(self, room_id: object, frame: object) -> None:
        room = self._rooms.get(room_id) if isinstance(room_id, str) else None
        if room is not None:
            room.take(frame)
            self._forget_if_over(room)

    def _take_error(self, frame: ErrorFrame) -> None:
        problem = msgspec.to_builtins(frame.problem)
        error = BY_CODE.get(frame.problem.code, ApiError)(problem, frame.problem.status)
        passes = error.status in AGAIN
        again_s = error.retry_after_s or AGAIN_S
        loop = asyncio.get_running_loop()
        if self._outbox.holds(frame.id):
            if passes:
                self._outbox.put_off(frame.id, loop.time() + again_s)
            else:
                self._outbox.refuse(frame.id, error)
            return
        room = self._rooms.get(frame.room or "")
        asked = [each for each in self._rooms.values() if each.is_asked_by(frame.id)] if room is None else [room]
        if not asked:
            log.warning("the service refused something: %s", error)
        for each in asked:
            if passes or (room is None and len(asked) > 1):
                # Of several that were named together, each is asked for by itself, to know which one is meant.
                each.goes_alone = True
                if each.defer():
                    loop.call_later(again_s if passes else 0, each.wake)
            else:
                each.end(error)
                self._forget_if_over(each)

    def _forget_if_over(self, room: AsyncRoom) -> None:
        if room.is_over and self._rooms.get(room.id) is room:
            del self._rooms[room.id]

    async def _write(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            self._outbox.has_news.clear()
            await self._write_rooms()
            while (write := self._outbox.next(loop.time())) is not None:
                await self._say({**write.frame, "id": write.mark})
                await self._write_rooms()
            next_at = self._outbox.next_at()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_at):
                    await self._outbox.has_news.wait()

    async def _write_rooms(self) -> None:
        while self._leaving:
            leaving, self._leaving = self._leaving[:MAX_ROOMS_A_FRAME], self._leaving[MAX_ROOMS_A_FRAME:]
            await self._say({"op": "unsubscribe", "rooms": list(dict.fromkeys(leaving))})
        while wanted := [room for room in self._rooms.values() if room.is_wanted][:MAX_ROOMS_A_FRAME]:
            together = [room for room in wanted if not room.goes_alone]
            wanted = together or wanted[:1]
            mark = "s" + secrets.token_hex(8)
            for room in wanted:
                room.ask(mark)
            await self._say({"op": "subscribe", "id": mark, "rooms": [room.wish for room in wanted]})

    async def _renew(self) -> NoReturn:
        while True:
            await self._expiring.wait()
            self._expiring.clear()
            if not self._credential.renews:
                continue
            try:
                self._used = await self._credential.aget(self._used)
            except Exception as error:
                log.warning("no new token: %r", error)
                await asyncio.sleep(AGAIN_S)
                self._expiring.set()
                continue
            await self._say({"op": "auth", "id": "a" + secrets.token_hex(8), "token": self._used})

    async def _say(self, frame: dict[str, Any]) -> None:
        assert self._socket is not None  # noqa: S101 - the machine has it so
        loop = asyncio.get_running_loop()
        # Several tasks say things, each in its turn.
        async with self._turn:
            while (wait_s := self._pace.wait_s(loop.time())) > 0:  # noqa: ASYNC110 - it is the time that is waited for
                await asyncio.sleep(wait_s)
            await self._socket.send(json.dumps(frame, separators=(",", ":"), ensure_ascii=False))

    # ---- how connections end

    def _lost(self) -> LinkEvent:
        return LinkEvent.LOST

    def _closed(self, closed: ConnectionClosed) -> LinkEvent:
        code = closed.rcvd.code if closed.rcvd is not None else 1006
        log.info("the connection ended: %s", closed)
        self._not_before_s = WAITS.get(code, 0.0)
        name = REFUSALS.get(code)
        if name is None:
            return self._lost()
        reason = closed.rcvd.reason if closed.rcvd is not None else ""
        return self._unless_renewed(
            BY_CODE[name]({"code": name, "title": f"The service closed with {code} {reason}."}, 401)
        )

    def _turned_away(self, error: InvalidStatus) -> LinkEvent:
        status = error.response.status_code
        if self._named and status in TOO_LONG:
            # Something on the way takes no such address: rooms are asked for by frames alone.
            self._most_named = 0
            return self._lost()
        if status in AGAIN:
            self._not_before_s = min(60.0, read_retry_after(error.response.headers.get("retry-after")) or 0.0)
            log.info("the service takes nobody now: %d", status)
            return self._lost()
        try:
            problem = json.loads(error.response.body or b"")
            refusal: RoomlogError = BY_CODE.get(problem["code"], ApiError)(problem, status)
        except (ValueError, KeyError, TypeError):
            return self._refuse(UnexpectedAnswer(f"{self._url} was answered with {status}."))
        return self._unless_renewed(refusal) if status == 401 else self._refuse(refusal)  # noqa: PLR2004

    def _unless_renewed(self, error: RoomlogError) -> LinkEvent:
        """Try another token, for as long as the provider has others and not too often in a row."""
        if self._credential.renews and self._refusals.is_worth_another(self._used):
            return self._lost()
        return self._refuse(error)

    def _refuse(self, error: Exception) -> LinkEvent:
        self._error = error
        return LinkEvent.REFUSED

    def _give_up(self, error: Exception) -> None:
        for room in list(self._rooms.values()):
            room.end(error)
        self._rooms.clear()
        self._outbox.fail(error)

    async def _hang_up(self, socket: ClientConnection | None) -> None:
        if socket is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await socket.close()


def _query(rooms: Sequence[AsyncRoom]) -> str:
    return f"?rooms=%5B{'%2C'.join(map(_quoted, rooms))}%5D" if rooms else ""


def _quoted(room: AsyncRoom) -> str:
    return quote(json.dumps(room.wish, separators=(",", ":")), safe="")
