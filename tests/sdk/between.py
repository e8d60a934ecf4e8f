"""What stands between a client and the real service, and changes what is said: a newer server, or a faulty one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

Frame = dict[str, Any]


@dataclass
class Between:
    """Passes WebSockets on to the service's."""

    url: str = ""
    change: Callable[[Frame], list[Frame]] = lambda frame: [frame]
    """Gives what the client hears in place of a frame of the service's."""
    asked: list[Frame] = field(default_factory=list)
    """What clients have said."""
    opened: int = 0
    sockets: set[ServerConnection] = field(default_factory=set)

    async def close_all(self, code: int, reason: str) -> None:
        """Close all sockets as the service would."""
        await asyncio.gather(*(socket.close(code, reason) for socket in list(self.sockets)))


@contextlib.asynccontextmanager
async def between(socket_url: str) -> AsyncIterator[Between]:
    """Stand before the service; `url` is where clients find it."""
    middle = Between()

    async def handle(client: ServerConnection) -> None:
        assert client.request is not None
        middle.opened += 1
        middle.sockets.add(client)
        headers = {"Authorization": client.request.headers["Authorization"]}
        try:
            async with connect(socket_url, additional_headers=headers) as service:
                pumps = [asyncio.create_task(each) for each in (up(client, service), down(service, client))]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except InvalidStatus:
            # Too late for a status: the client's socket is open.
            await client.close(4401, "unauthenticated")
        finally:
            middle.sockets.discard(client)

    async def up(client: Any, service: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in client:
                middle.asked.append(json.loads(text))
                await service.send(text)

    async def down(service: Any, client: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in service:
                for frame in middle.change(json.loads(text)):
                    await client.send(json.dumps(frame))
        await client.close(service.close_code or 1011, service.close_reason or "")

    async with serve(handle, "127.0.0.1", 0) as server:
        middle.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield middle
