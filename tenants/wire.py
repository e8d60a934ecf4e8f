"""A connection to Redis, past redis-py: commands out in one write, replies in as they come, in a tenth of the time."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import structlog

DEFAULT_PORT = 6379
Word = str | bytes | int

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis listens, as `REDIS_URL` says; a `path` means a Unix socket."""

    host: str | None
    port: int
    path: str | None
    tls: bool
    username: str | None
    password: str | None = field(repr=False)
    database: int = 0

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read `redis://`, `rediss://` and `unix://` addresses; raises ValueError on others."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            msg = "REDIS_URL must start with redis://, rediss:// or unix://"
            raise ValueError(msg)
        is_path = parts.scheme == "unix"
        database = parse_qs(parts.query).get("db", [""])[0] or ("" if is_path else parts.path.strip("/")) or "0"
        if not (database.isascii() and database.isdigit()):
            msg = "REDIS_URL must name its database by a number, such as redis://host/0"
            raise ValueError(msg)
        return cls(
            host=None if is_path else parts.hostname or "localhost",
            port=parts.port or DEFAULT_PORT,
            path=unquote(parts.path) if is_path else None,
            tls=parts.scheme == "rediss",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            database=int(database),
        )


class Wire(asyncio.Protocol):
    """One connection that Redis has answered on; every further reply goes to `on_reply`, an error as `hiredis.ReplyError`.

    A connection that says what is no reply is dropped.
    """

    def __init__(self, on_reply: Callable[[Any], None]) -> None:
        """Use `Wire.open`."""
        loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._on_reply: Callable[[Any], None] = self._greeted
        self._on_reply_then = on_reply
        self._answered: asyncio.Future[None] = loop.create_future()
        """Done once Redis has answered a PING: it is there, and has let us in."""
        self.lost: asyncio.Future[None] = loop.create_future()
        self.heard_at = loop.time()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address, on_reply: Callable[[Any], None]) -> Self:
        """Connect, and return once Redis has let us in and answered; a server that hangs takes connections all the same.

        Waits without end; raises OSError. What Redis says against us goes to `on_reply`.
        """
        loop = asyncio.get_running_loop()
        if address.path is not None:
            _, wire = await loop.create_unix_connection(lambda: cls(on_reply), address.path)
        else:
            tls = ssl.create_default_context() if address.tls else None
            _, wire = await loop.create_connection(
                lambda: cls(on_reply), address.host or "localhost", address.port, ssl=tls
            )
        try:
            await wire.greet(address)
        except BaseException:
            wire.drop()
            raise
        return wire

    async def greet(self, address: Address) -> None:
        """Say who we are, and wait for the first answer; raises ConnectionRefusedError."""
        if address.password is not None:
            user = () if address.username is None else (address.username,)
            self.say(pack("AUTH", *user, address.password))
        if address.database:
            self.say(pack("SELECT", address.database))
        self.say(pack("PING"))
        await asyncio.wait({self._answered, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        if not self._answered.done():
            raise ConnectionRefusedError

    def _greeted(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        if isinstance(reply, hiredis.ReplyError):
            self._on_reply_then(reply)
            self.drop()
        elif reply == b"PONG":
            self._on_reply = self._on_reply_then
            self._answered.set_result(None)

    def say(self, commands: bytes) -> None:
        """Send what `pack` has packed; what is said on a lost connection is lost too."""
        if self._transport is not None and not self._is_closing:
            self._transport.write(commands)

    @property
    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand on the replies that are whole."""
        self.heard_at = asyncio.get_running_loop().time()
        self._reader.feed(data)
        try:
            while not self._is_closing and (reply := self._reader.gets()) is not False:
                self._on_reply(reply)
        except hiredis.ProtocolError:
            log.exception("redis_unreadable")
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note the end."""
        if not self.lost.done():
            self.lost.set_result(None)


def pack(*words: Word) -> bytes:
    """Pack a command as Redis reads it."""
    return cast("bytes", hiredis.pack_command(words))  # type: ignore[arg-type]  # stub: tuples of one


@dataclass(slots=True, eq=False)
class _Asked:
    """What waits for so many replies."""

    count: int
    replies: list[Any]
    answer: "asyncio.Future[list[Any]]"


class Pipe:
    """Commands with their replies, on a connection that is made when it is needed."""

    def __init__(self, address: Address) -> None:
        """Ask the Redis at an address."""
        self._address = address
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()
        self._asked: deque[_Asked] = deque()

    async def ask(self, commands: Sequence[bytes], timeout_s: float) -> list[Any]:
        """Send commands in one write and give their replies, of which any may be a `hiredis.ReplyError`.

        Raises OSError without a connection, or where it ends before the replies are there, and TimeoutError; what was
        asked for may have happened then. Cancelled, it leaves its replies to nobody.
        """
        asked = _Asked(len(commands), [], asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect()
                if self._wire is None or self._wire.lost.done():
                    raise ConnectionResetError
                self._asked.append(asked)
                self._wire.say(b"".join(commands))
                return await asked.answer
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; the next question makes another."""
        if self._wire is not None:
            self._wire.drop()
            self._wire = None
        for asked in self._asked:
            if not asked.answer.done():
                asked.answer.set_exception(ConnectionResetError())
        self._asked.clear()

    async def _connect(self) -> None:
        if self._wire is not None:
            return
        async with self._connecting:
            if self._wire is None:
                wire = self._wire = await Wire.open(self._address, self._take)
                wire.lost.add_done_callback(lambda _: self.close() if self._wire is wire else None)

    def _take(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        if not self._asked:
            return  # a refusal while connecting, after which the connection ends
        asked = self._asked[0]
        asked.replies.append(reply)
        if len(asked.replies) == asked.count:
            self._asked.popleft()
            if not asked.answer.done():
                asked.answer.set_result(asked.replies)
