"""A TCP proxy in front of the server, whose connections can be cut, held up and broken off in the middle of a word."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
CHUNK = 64 * 1024
HOST = "127.0.0.1"
CALL_S = 60.0


class Proxy:
    """Passes on what comes on `port` to `upstream_port`, in a loop on a thread of its own."""

    def __init__(self, upstream_port: int) -> None:
        """Begin with the door shut: `open_door` opens it."""
        self.port = 0
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._stalled_until = 0.0
        self._truncates = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="roomlog-proxy", daemon=True)
        self._thread.start()

    # ---- from any thread

    def run(self, work: Callable[[], T]) -> T:
        """Have the proxy's thread do something, and wait for it."""

        async def do() -> T:
            return work()

        return self._call(do())

    def open_door(self) -> None:
        """Take connections, on the same port each time."""
        self._call(self._open_door())

    def shut_door(self) -> None:
        """Refuse connections, and cut those that there are."""
        self.run(self._shut_door)

    def drop_sockets(self) -> int:
        """Cut all connections, as a network does that has forgotten them; gives how many there were."""
        return self.run(self._drop)

    def stall(self, seconds: float) -> None:
        """Pass nothing on for so long, in either direction; what comes meanwhile is passed on afterwards. Returns at once."""

        def begin() -> None:
            self._stalled_until = self._loop.time() + seconds

        self.run(begin)

    def truncate_next(self) -> None:
        """Pass on half of what the server says next, and cut that connection."""

        def begin() -> None:
            self._truncates = True

        self.run(begin)

    def heal(self) -> None:
        """Stall and truncate no longer."""

        def end() -> None:
            self._stalled_until, self._truncates = 0.0, False

        self.run(end)

    def close(self) -> None:
        """Cut everything and end the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)

    # ---- in the proxy's thread

    async def _open_door(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _shut_door(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._drop()

    def _drop(self) -> int:
        for link in self._links:
            for writer in link:
                writer.transport.abort()
        return len(self._links)

    async def _close(self) -> None:
        self._shut_door()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server's callback runs in one
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        link = (writer, to_server)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(reader, to_server, is_answer=False)),
            asyncio.create_task(self._pump(from_server, writer, is_answer=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._links.discard(link)
            for each in link:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                while (wait_s := self._stalled_until - self._loop.time()) > 0:  # noqa: ASYNC110 - it is the time that is waited for
                    await asyncio.sleep(min(wait_s, 0.05))
                if is_answer and self._truncates:
                    self._truncates = False
                    writer.write(chunk[: len(chunk) // 2])
                    return
                writer.write(chunk)
                await writer.drain()
