"""The service taken apart: one process's wiring in the test's own loop, so that a race can be forced at a named step."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from api.ids import Place, RoomId, RoomNumber
from api.log.answers import Written
from api.log.create import NewRoom, create_room
from api.log.item import Needs
from api.members.actions import MemberDoors, put_member, remove_member
from api.members.schemas import MemberChange
from api.messages.schemas import NewMessage, TextPart
from api.messages.send import send
from api.settings import Settings
from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.wiring import Wiring
from tenants.accounts import create_tenant
from tenants.apps import create_app
from tenants.ids import KeyNumber, UserId
from tenants.scope import Caller, Scope, User
from tenants.tokens import MAKE_USER
from tenants.users import find_user

WAIT_S = 15.0
__all__ = ["Inside", "Needs", "Reading", "inside"]


@dataclass
class Inside:
    """One process's wiring, and an app to use it with."""

    wiring: Wiring
    scope: Scope

    @property
    def server(self) -> Caller:
        return Caller(self.scope, key=KeyNumber(1))

    async def user(self, name: str) -> User:
        values = {"app": self.scope.app, "user": name}
        async with self.wiring.postgres.transaction(self.scope) as connection:
            await connection.execute(MAKE_USER, values)
        return await find_user(self.wiring.postgres, self.scope, UserId(name))

    @contextlib.asynccontextmanager
    async def as_owner(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction of the schema's owner, for what the service itself may not do."""
        url = "postgresql+asyncpg://" + self.wiring.settings.database_url.split("://", 1)[1]
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            yield connection

    async def caller(self, name: str) -> Caller:
        return Caller(self.scope, user=await self.user(name))

    async def room(self, name: str, *members: str, private: bool = False) -> RoomNumber:
        users = [(await self.user(member), "member") for member in members]
        room = NewRoom(RoomId(name), name, private, "{}", users)
        key, request = secrets.token_bytes(16), secrets.token_bytes(16)
        _, number = await create_room(
            self.wiring.postgres, self.wiring.epochs, self.scope, 0, room, key_hash=key, request_hash=request
        )
        return number

    async def say(self, room: str, text: str, user: str, key: str | None = None) -> Written:
        message = NewMessage(parts=[TextPart(text)])
        caller = Caller(self.scope, user=await self.user(user), key=KeyNumber(1))
        wiring = self.wiring
        return await send(wiring.directory, wiring.pepper, caller, RoomId(room), message, key or secrets.token_hex(8))

    async def add(self, room: str, user: str, **change: Any) -> None:
        await self.user(user)
        change_ = MemberChange(**change)
        await put_member(self._doors, self.server, RoomId(room), UserId(user), change_, secrets.token_hex(8))

    async def remove(self, room: str, user: str) -> None:
        await remove_member(self._doors, self.server, RoomId(room), UserId(user), secrets.token_hex(8))

    @property
    def _doors(self) -> MemberDoors:
        return MemberDoors(self.wiring.postgres, self.wiring.lanes, self.wiring.pepper, self.wiring.budgets)

    @contextlib.asynccontextmanager
    async def reading(self, caller: Caller | None = None) -> AsyncIterator["Reading"]:
        reading = Reading(self, caller or self.server)
        writer = asyncio.create_task(reading.connection.write())
        try:
            yield reading
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await reading.connection.end()


class Reading:
    """A connection without a socket: what it sends is kept here, be it written at once or by the writer."""

    def __init__(self, inside: Inside, caller: Caller) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_behind = False
        """Whether the client has to be waited for, so that nothing can be written at once."""
        self._arrived = asyncio.Event()
        self.connection = Connection(inside.wiring.around, caller, self._put, write_now=self._write_now)

    def _write_now(self, data: bytes) -> bool:
        if self.is_behind:
            return False
        self.sent += [json.loads(text) for text in texts_of(data)]
        self._arrived.set()
        return True

    async def _put(self, text: str, _: Place | None) -> None:
        self.sent.append(json.loads(text))
        self._arrived.set()

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        wanted = frames.Wanted(room=room, cursor=cursor, last=last)
        await self.connection.handle(frames.Subscribe(rooms=[wanted]))

    def places(self, room: str) -> list[int]:
        """Give the seq of each snapshot and event of a room, in the order they came."""
        places: list[int] = []
        for frame in self.sent:
            if frame.get("room") != room:
                continue
            if "snapshot" in frame:
                places.append(frame["snapshot"]["seq"])
            elif "." in frame["type"] or frame["type"] == "hidden":
                places.append(frame["seq"])
        return places

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.sent if frame["type"] == kind]

    async def until(self, holds: Any, wait_s: float = WAIT_S) -> None:
        async with asyncio.timeout(wait_s):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_seq(self, room: str, seq: int) -> None:
        await self.until(lambda: bool(self.places(room)) and self.places(room)[-1] >= seq)


def texts_of(data: bytes) -> list[bytes]:
    """Take a server's WebSocket frames apart."""
    texts: list[bytes] = []
    while data:
        assert data[0] == 0x81
        wide = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + wide]) if wide else data[1]
        text, data = data[2 + wide : 2 + wide + size], data[2 + wide + size :]
        assert len(text) == size
        texts.append(text)
    return texts


@contextlib.asynccontextmanager
async def inside(environment: dict[str, str], scope: Scope | None = None) -> AsyncIterator[Inside]:
    """Open a process's wiring with an app of its own, or with another's."""
    async with Wiring.open(Settings.read(environment)) as wiring:
        if scope is None:
            tenant = await create_tenant(wiring.postgres, "T")
            scope = (await create_app(wiring.postgres, wiring.settings.master_keys, tenant.id, "A", "test")).scope
        async with asyncio.timeout(WAIT_S):
            while wiring.audit.is_stale or wiring.audit.mode.value != "live":
                await asyncio.sleep(0.01)
        yield Inside(wiring, scope)
