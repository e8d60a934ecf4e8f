"""Doors: one small fresh read before anybody joins a room; those who come while one is under way share the next."""

import asyncio

from api.log.read import Reader
from api.log.views import Ask, Door
from tenants.errors import ServiceError, Unavailable

MAX_ASKS = 500
"""Asks in one statement."""
MAX_WAITING = 20_000


class Doors:
    """Batches asks: each statement carries all that has come since the last one was sent, and is as fresh as any."""

    def __init__(self, reader: Reader) -> None:
        """Ask through `reader`."""
        self._reader = reader
        self._waiting: list[tuple[Ask, asyncio.Future[Door | None]]] = []
        self._arrived = asyncio.Event()
        self.statements = 0

    async def ask(self, ask: Ask) -> Door | None:
        """Tell where a room stands, read after this was called; None where no such room is. Raises `Unavailable`."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable(retry_after_s=1.0)
        answer: asyncio.Future[Door | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Send what waits, one statement at a time, until cancelled."""
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:MAX_ASKS], self._waiting[MAX_ASKS:]
            if not self._waiting:
                self._arrived.clear()
            await self._send([(ask, answer) for ask, answer in batch if not answer.done()])

    async def _send(self, batch: list[tuple[Ask, asyncio.Future[Door | None]]]) -> None:
        if not batch:
            return
        self.statements += 1
        try:
            doors = await self._reader.doors([ask for ask, _ in batch])
        except ServiceError as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), door in zip(batch, doors, strict=True):
            if not answer.done():
                answer.set_result(door)
