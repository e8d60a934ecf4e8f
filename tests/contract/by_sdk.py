"""Two more followers: the SDK with `await`, and without."""

import asyncio
import contextlib
from typing import Any

import msgspec

from roomlog import ApiError, AsyncRoom, AsyncRoomlog, ClientClosed, Room, Roomlog
from tests.contract.followers import Follower, Frame, Refused

PATIENCE_S = 0.2
"""How long one look lasts; between two of them a test may be over, or have moved to another process."""


class BySdk(Follower):
    """Follows by `AsyncRoomlog`, which comes back by itself."""

    _client: AsyncRoomlog | None = None
    _room: AsyncRoom | None = None
    _where: Any = None
    _first: list[Frame]

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        await self.close()
        self._where, self._first = self.service, []
        self._client = AsyncRoomlog(token=self.credential, url=self.service.url)
        self._room = self._client.rooms.open(room, cursor=cursor, last=last)
        try:
            await self._room.__aenter__()
        except ApiError as error:
            raise Refused({"status": error.status, **error.problem}) from error
        if self._room.state is not None:
            self._first = [snapshot_frame(room, self._room.state)]

    async def hear(self) -> Frame:
        assert self._room is not None
        if self._first:
            return self._first.pop()
        while True:
            if self._where is not self.service:
                await self.open(self._room.id, self._room.cursor)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return dict(msgspec.to_builtins(await anext(self._room)))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                return {"type": "closed", "code": 1000}
            except ApiError as error:
                return {"type": "closed", "code": 4401, "reason": error.code}

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


class ByBlockingSdk(Follower):
    """Follows by `Roomlog`, from a thread."""

    _client: Roomlog | None = None
    _room: Room | None = None
    _where: Any = None
    _first: list[Frame]

    async def open(self, room: str, cursor: str | None = None, last: int = 50) -> None:
        await self.close()
        self._where, self._first = self.service, []
        self._client = Roomlog(token=self.credential, url=self.service.url)
        self._room = self._client.rooms.open(room, cursor=cursor, last=last)
        try:
            await asyncio.to_thread(self._room.__enter__)
        except ApiError as error:
            raise Refused({"status": error.status, **error.problem}) from error
        if self._room.state is not None:
            self._first = [snapshot_frame(room, self._room.state)]

    async def hear(self) -> Frame:
        assert self._room is not None
        if self._first:
            return self._first.pop()
        while True:
            if self._where is not self.service:
                await self.open(self._room.id, self._room.cursor)
            frame = await asyncio.to_thread(look, self._room)
            if frame is not None:
                return frame

    async def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(ClientClosed):
                await asyncio.to_thread(self._client.close)
            self._client = None


def look(room: Room) -> Frame | None:
    """Give what comes while one look lasts."""
    try:
        return dict(msgspec.to_builtins(room.next(PATIENCE_S)))
    except TimeoutError:
        return None
    except StopIteration:
        return {"type": "closed", "code": 1000}
    except ApiError as error:
        return {"type": "closed", "code": 4401, "reason": error.code}


def snapshot_frame(room: str, state: Any) -> Frame:
    return {"type": "snapshot", "room": room, "snapshot": msgspec.to_builtins(state)}
