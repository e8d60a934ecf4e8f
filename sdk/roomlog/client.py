"""The two clients: `AsyncRoomlog`, and `Roomlog` for programs without `await`."""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakValueDictionary

import httpx2

from roomlog._generated.aresources import AsyncResources, AsyncRoomsResource
from roomlog._generated.models import Snapshot
from roomlog._generated.resources import Resources, RoomsResource
from roomlog.calling import AsyncCaller, Call, Caller, Options
from roomlog.credentials import Credential, TokenProvider
from roomlog.errors import NoCredential
from roomlog.realtime.blocking import Portal, Room
from roomlog.realtime.connection import Connection
from roomlog.realtime.room import BUFFER, KEEP, AsyncRoom
from roomlog.retries import Retries
from roomlog.version import __version__

DEFAULT_URL = "http://127.0.0.1:8080"
"""Where `./dev` of the service listens."""
LAST = 50


class AsyncRooms(AsyncRoomsResource):
    """Rooms, and the one method that matters most: `open`."""

    def __init__(self, caller: AsyncCaller, connection: Connection) -> None:
        """Call by `caller`, follow by `connection`."""
        super().__init__(caller)
        self._connection = connection
        self._opened: WeakValueDictionary[str, AsyncRoom] = WeakValueDictionary()

    def open(
        self,
        room_id: str,
        *,
        cursor: str | None = None,
        last: int = LAST,
        keep: int = KEEP,
        buffer: int = BUFFER,
        on_change: Callable[[Snapshot], None] | None = None,
    ) -> AsyncRoom:
        """Follow a room: `async with client.rooms.open("general") as room: async for event in room: …`.

        - `cursor`: go on from there, as `room.cursor` was; without one it begins with the room as it stands
        - `last`: how many of the last messages that has, at most 100
        - `keep`: how many messages `room.state` holds as more come
        - `buffer`: how many events may wait for you; beyond it the room waits, too, and nothing is lost
        - `on_change`: called with the room's state, now and after each event, in place of iterating
        """
        room = AsyncRoom(
            room_id, self._connection, cursor=cursor, last=last, keep=keep, buffer=buffer, on_change=on_change
        )
        self._opened[room_id] = room
        return room

    def opened(self, room_id: str) -> AsyncRoom | None:
        """Give the room that `open` has given last for this id, while somebody holds it."""
        return self._opened.get(room_id)


class AsyncRoomlog(AsyncResources):
    """A client of Roomlog. `async with AsyncRoomlog() as client: …`, or `await client.close()` at the end.

    A server gives its API key, `key=` or ROOMLOG_API_KEY in the environment, and names the user in whose name it acts by
    `acting_as`. A user's client gives `token=`: a token, or a function that fetches one from your server, called whenever one is
    needed. `url=` or ROOMLOG_URL says where the service is.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        token: str | TokenProvider | None = None,
        url: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Make a client; nothing is asked of the service yet. `http` is one of your own, with your proxies and certificates."""
        options = _options(url, timeout_s, retries)
        self._http = http or httpx2.AsyncClient(
            base_url=options.base_url, timeout=options.timeout_s, verify=_authorities()
        )
        self._owns_http = http is None
        self._credential = _credential(key, token)
        self._open(options)

    def _open(self, options: Options) -> None:
        self._options = options
        self._connection = Connection(_socket_url(options.base_url), self._credential, options)
        super().__init__(AsyncCaller(self._http, self._credential, options))

    @cached_property
    def rooms(self) -> AsyncRooms:
        """Rooms: made, read, changed, deleted, and followed."""
        return AsyncRooms(self._caller, self._connection)

    def acting_as(self, user_id: str) -> "AsyncRoomlog":
        """Give a client that acts in a user's name, for an API key. It is closed by itself; HTTP connections are shared."""
        other = object.__new__(AsyncRoomlog)
        other._http, other._owns_http, other._credential = self._http, False, self._credential
        other._open(replace(self._options, acting_as=user_id))
        return other

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """Ask for anything, with this client's credential and retries, and give the answer as it came, refusals too."""
        return await self._caller.send(_raw(method, path, query, body))

    async def close(self) -> None:
        """End the socket and the connections; rooms end, and what is not acknowledged is given up."""
        await self._connection.close()
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Use it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    def __repr__(self) -> str:
        """Show where and as what it asks, and no secret."""
        return f"<AsyncRoomlog {self._options.base_url} {self._credential!r}>"


class Rooms(RoomsResource):
    """Rooms, and the one method that matters most: `open`."""

    def __init__(self, caller: Caller, portal: Portal, connect: Callable[[], Connection]) -> None:
        """Call by `caller`, follow by what `connect` gives in the portal's loop."""
        super().__init__(caller)
        self._portal = portal
        self._connect = connect
        self._opened: WeakValueDictionary[str, Room] = WeakValueDictionary()

    def open(
        self,
        room_id: str,
        *,
        cursor: str | None = None,
        last: int = LAST,
        keep: int = KEEP,
        buffer: int = BUFFER,
        on_change: Callable[[Snapshot], None] | None = None,
    ) -> Room:
        """Follow a room: `with client.rooms.open("general") as room: for event in room: …`.

        - `cursor`: go on from there, as `room.cursor` was; without one it begins with the room as it stands
        - `last`: how many of the last messages that has, at most 100
        - `keep`: how many messages `room.state` holds as more come
        - `buffer`: how many events may wait for you; beyond it the room waits, too, and nothing is lost
        - `on_change`: called with the room's state, now and after each event, in place of iterating, from the client's own thread
        """

        def make() -> AsyncRoom:
            return AsyncRoom(
                room_id, self._connect(), cursor=cursor, last=last, keep=keep, buffer=buffer, on_change=on_change
            )

        room = Room(self._portal, make)
        self._opened[room_id] = room
        return room

    def opened(self, room_id: str) -> Room | None:
        """Give the room that `open` has given last for this id, while somebody holds it."""
        return self._opened.get(room_id)


class Roomlog(Resources):
    """A client of Roomlog, for programs without `await`. `with Roomlog() as client: …`, or `client.close()` at the end.

    A server gives its API key, `key=` or ROOMLOG_API_KEY in the environment, and names the user in whose name it acts by
    `acting_as`. A user's client gives `token=`: a token, or a function that fetches one from your server, called whenever one is
    needed. `url=` or ROOMLOG_URL says where the service is. A client may be used from several threads.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        token: str | TokenProvider | None = None,
        url: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        """Make a client; nothing is asked of the service yet. `http` is one of your own, with your proxies and certificates."""
        options = _options(url, timeout_s, retries)
        self._http = http or httpx2.Client(base_url=options.base_url, timeout=options.timeout_s, verify=_authorities())
        self._owns_http = http is None
        self._credential = _credential(key, token)
        self._open(options)

    def _open(self, options: Options) -> None:
        self._options = options
        self._portal = Portal()
        self._connection: Connection | None = None
        super().__init__(Caller(self._http, self._credential, options))

    @cached_property
    def rooms(self) -> Rooms:
        """Rooms: made, read, changed, deleted, and followed."""
        return Rooms(self._caller, self._portal, self._connect)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(_socket_url(self._options.base_url), self._credential, self._options)
        return self._connection

    def acting_as(self, user_id: str) -> "Roomlog":
        """Give a client that acts in a user's name, for an API key. It is closed by itself; HTTP connections are shared."""
        other = object.__new__(Roomlog)
        other._http, other._owns_http, other._credential = self._http, False, self._credential
        other._open(replace(self._options, acting_as=user_id))
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """Ask for anything, with this client's credential and retries, and give the answer as it came, refusals too."""
        return self._caller.send(_raw(method, path, query, body))

    def close(self) -> None:
        """End the socket and the connections; rooms end, and what is not acknowledged is given up."""
        if self._connection is not None:
            self._portal.call(self._connection.close())
        self._portal.close()
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Show where and as what it asks, and no secret."""
        return f"<Roomlog {self._options.base_url} {self._credential!r}>"


@cache
def _authorities() -> ssl.SSLContext:
    """Read once what certificates are trusted by: it takes 40 ms, and a server may have a client for each of its users."""
    return httpx2.create_ssl_context()


def _options(url: str | None, timeout_s: float, retries: Retries | None) -> Options:
    base_url = (url or os.environ.get("ROOMLOG_URL") or DEFAULT_URL).rstrip("/")
    return Options(base_url, timeout_s, retries or Retries(), user_agent=f"roomlog-python/{__version__}")


def _credential(key: str | None, token: str | TokenProvider | None) -> Credential:
    if key is not None and token is not None:
        raise NoCredential("Give `key=` or `token=`, not both.")
    fixed = token if isinstance(token, str) else key
    if fixed is None and token is None:
        fixed = os.environ.get("ROOMLOG_API_KEY")
    if not fixed and token is None:
        raise NoCredential("Give `key=` (servers) or `token=` (users' clients), or set ROOMLOG_API_KEY.")
    return Credential(fixed, token if callable(token) else None)


def _socket_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path}/v1/connect", "", ""))


def _raw(method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> Call:
    return Call(method.upper(), path.replace("{", "{{").replace("}", "}}"), query=query or {}, body=body)
