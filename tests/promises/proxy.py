"""A network that can be made bad: a proxy before a server, which delays, throttles, hangs, breaks off or cuts."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 64 * 1024
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


@dataclass
class Weather:
    """How the network is; all of it may change at any moment, for connections that stand, too."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    """0 is as fast as it goes."""
    hangs: bool = False
    """Half open: nothing comes through, and nobody is told."""
    cut_after: int = 0
    """Breaks a connection off after so many bytes more, be it in the middle of a frame; 0 never."""


FAIR = Weather()


@dataclass(eq=False)
class Proxy:
    """Connections through it, and the weather they meet."""

    dial: Dial
    weather: Weather = field(default_factory=Weather)
    cuts: int = 0
    _pumps: set["asyncio.Task[None]"] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        try:
            there, back = await self.dial()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        pumps = [asyncio.create_task(each) for each in (self._pump(reader, back), self._pump(there, writer))]
        self._pumps.update(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pumps.difference_update(pumps)
            for end in (writer, back):
                end.transport.abort()
                self._writers.discard(end)

    def cut(self) -> None:
        """Break every connection off, with what is under way on it."""
        for writer in list(self._writers):
            self.cuts += 1
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE):
                weather = self.weather
                if weather.delay_s or weather.jitter_s:
                    await asyncio.sleep(weather.delay_s + weather.jitter_s * random.random())
                while self.weather.hangs:
                    await asyncio.sleep(0.05)
                if weather.bytes_per_s:
                    await asyncio.sleep(len(piece) / weather.bytes_per_s)
                if weather.cut_after and passed + len(piece) > weather.cut_after:
                    writer.write(piece[: max(0, weather.cut_after - passed)])
                    await writer.drain()
                    self.cuts += 1
                    return
                passed += len(piece)
                writer.write(piece)
                await writer.drain()


@contextlib.asynccontextmanager
async def before_port(port: int) -> AsyncIterator[tuple[Proxy, int]]:
    """Stand before a TCP port of this machine; gives the proxy and its own port."""
    proxy = Proxy(lambda: asyncio.open_connection("127.0.0.1", port))
    async with await asyncio.start_server(proxy.handle, "127.0.0.1", 0) as server:
        yield proxy, server.sockets[0].getsockname()[1]
        proxy.cut()


@contextlib.asynccontextmanager
async def before_socket(target: Path, at: Path) -> AsyncIterator[Proxy]:
    """Stand before a Unix socket, at a path of its own."""
    proxy = Proxy(lambda: asyncio.open_unix_connection(target))
    async with await asyncio.start_unix_server(proxy.handle, at):
        yield proxy
        proxy.cut()
