"""One address before several processes: each connection goes to the next of those that say they are ready."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from tests.support.processes import Service

POLL_S = 0.1


class Balancer:
    """A TCP proxy that asks `/readyz`."""

    def __init__(self, services: list[Service]) -> None:
        self.ready: list[Service] = list(services)
        self.port = 0
        self._services = services
        self._turn = itertools.count()

    async def watch(self) -> None:
        while True:
            answers = [await self._is_ready(service) for service in self._services]
            self.ready = [service for service, ready in zip(self._services, answers, strict=True) if ready]
            await asyncio.sleep(POLL_S)

    async def _is_ready(self, service: Service) -> bool:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", service.internal_port)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                line = await reader.readline()
                writer.close()
                return b" 200 " in line
        return False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = self.ready
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if ready:
                service = ready[next(self._turn) % len(ready)]
                back_reader, back_writer = await asyncio.open_connection("127.0.0.1", service.port)
                await asyncio.gather(_pipe(reader, back_writer), _pipe(back_reader, writer))
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def balanced(services: list[Service]) -> AsyncIterator[Balancer]:
    balancer = Balancer(services)
    server = await asyncio.start_server(balancer.carry, "127.0.0.1", 0, backlog=4096)
    balancer.port = server.sockets[0].getsockname()[1]
    watching = asyncio.create_task(balancer.watch())
    try:
        yield balancer
    finally:
        watching.cancel()
        server.close()
        await asyncio.gather(watching, return_exceptions=True)
