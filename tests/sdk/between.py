"""What stands between a client and the real service, and changes what is said: a newer server, or a faulty one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

Frame = dict[str, Any]


@dataclass
class Between:
    """Passes WebSockets on to the service's."""

    url: str = ""
    change: Callable[[Frame], list[Frame]] = lambda frame: [frame]
    """Gives what the client hears in place of a frame of the service's."""
    asked: list[Frame] = field(default_factory=list)
    """What clients have said."""
    named: list[list[Frame]] = field(default_factory=list)
    """What rooms each upgrade has named."""
    opened: int = 0
    longest: int = 100_000
    """The longest address that it takes; it answers another with 414."""
    door: asyncio.Event = field(default_factory=asyncio.Event)
    """Upgrades wait until it is set, as it is at first."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an upgrade has come."""
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
        query = client.request.path.partition("?")[2]
        middle.named.append(json.loads(parse_qs(query).get("rooms", ["[]"])[0]))
        try:
            async with connect(f"{socket_url}?{query}", additional_headers=headers) as service:
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

    async def at_the_door(client: ServerConnection, request: Request) -> Response | None:
        middle.came.set()
        await middle.door.wait()
        return client.respond(HTTPStatus.REQUEST_URI_TOO_LONG, "") if len(request.path) > middle.longest else None

    middle.door.set()
    async with serve(handle, "127.0.0.1", 0, process_request=at_the_door) as server:
        middle.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield middle
