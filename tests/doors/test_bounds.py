"""What a process holds of clients that are many, slow or silent: each bound where it is kept, with its outcome beyond."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from uvicorn.server import ServerState

from api import pulse, serve
from api.asgi import build_internal, build_service
from api.edge import http_guard, socket_guard
from api.edge.http_guard import GuardedHttp, Newcomers
from api.edge.socket_guard import GuardedSocket
from api.pulse import Pulse
from api.subscriptions import connections as registry
from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.subscriptions.connections import SPREAD, Connections
from api.subscriptions.frames import CloseCode
from api.tails.stretch import text_frame
from tenants.authority import Credentialed
from tenants.keys import create_key
from tests.endurance.raw import dial, raw_socket, upgrade
from tests.support.inside import Inside

WAIT_S = 10.0
MORE_THAN_KERNELS_TAKE = 16 * 1024 * 1024


def connection_of(here: Inside, connections: Connections) -> Connection:
    """Register a connection that nobody writes to: what is said to it waits."""

    async def put(_: str, __: object) -> None:
        raise AssertionError

    connection = Connection(here.wiring.around, here.server, put)
    connections.add(connection, Credentialed(connection.caller, None))
    return connection


# ---- the registry


async def test_of_too_much_that_waits_the_largest_part_is_given_up(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the budget nobody is; beyond, those for whom most waits, and no more of them than must be."""
    connections = Connections(here.wiring.audit, here.wiring.tallies)
    small, large, middle = (connection_of(here, connections) for _ in range(3))
    for connection, size in ((small, 10), (large, 50), (middle, 40)):
        connection.say("x" * size)
    monkeypatch.setattr(registry, "MAX_BACKLOG_BYTES", 100)
    connections._keep_to_budget()
    assert connections.closed_slow == 0
    small.say("x")
    connections._keep_to_budget()
    assert [each.close_code for each in (small, large, middle)] == [None, CloseCode.SLOW, None]
    assert large.given_up.done()
    assert connections.closed_slow == 1


async def test_a_long_text_may_be_read_for_longer(here: Inside) -> None:
    """30 s, and 1 s for each 32 KiB; before it nothing happens, after it the client is given up."""
    connections = Connections(here.wiring.audit, here.wiring.tallies)
    for size, patience_s in ((0, 30), (320 * 1024, 40)):
        connection = connection_of(here, connections)
        connection.unread_bytes = size
        connection.blocked_since = 1_000.0
        connections._sweep(connection, 1_000.0 + patience_s - 0.1)
        assert connection.close_code is None
        connections._sweep(connection, 1_000.0 + patience_s + 0.1)
        assert connection.close_code is CloseCode.SLOW


async def test_turns_to_leave_are_even_and_begin_after_the_delay(here: Inside) -> None:
    """First the process only says that it goes; then there is one client in each slice of the time."""
    connections = Connections(here.wiring.audit, here.wiring.tallies)
    crowd = [connection_of(here, connections) for _ in range(40)]
    draining = asyncio.create_task(connections.drain(60.0, after_s=0.3))
    await asyncio.sleep(0)
    assert connections.is_going
    assert not connections.is_draining
    assert not any(connection.backlog_bytes for connection in crowd)
    async with asyncio.timeout(WAIT_S):
        while not all(connection.backlog_bytes for connection in crowd):
            await asyncio.sleep(0.01)
    assert connections.is_draining
    turns = sorted(json.loads(connection._outbox[0][0])["after_ms"] for connection in crowd)
    slice_ms = 60_000 * SPREAD / len(crowd)
    for number, turn in enumerate(turns):
        assert number * slice_ms - 1 <= turn <= (number + 1) * slice_ms + 1
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)


async def test_a_connection_reads_so_many_rooms(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one within the bound is opened, the next refused; one that is left makes room."""
    monkeypatch.setattr(frames, "MAX_SUBSCRIPTIONS", 2)
    for name in ("a", "b", "c"):
        await here.room(name, "ann")
    async with here.reading() as reading:
        for name in ("a", "b", "c"):
            await reading.open(name)
        await reading.until(lambda: bool(reading.of_type("error")))
        assert [said["room"] for said in reading.of_type("subscribed")] == ["a", "b"]
        assert [(said["room"], said["problem"]["code"]) for said in reading.of_type("error")] == [("c", "bad_request")]
        await reading.connection.handle(frames.Unsubscribe(rooms=["a"]))
        await reading.open("c")
        await reading.until(lambda: len(reading.of_type("subscribed")) == 3)


# ---- a late loop


async def test_a_late_loop_is_measured_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Late once is a hiccup, late five times in a row an overload, and it passes."""
    monkeypatch.setattr(pulse, "LATE_S", 0.05)
    measured = Pulse()
    measuring = asyncio.create_task(measured.run())
    async with asyncio.timeout(WAIT_S):
        await asyncio.sleep(0)
        while measured.lag_s <= pulse.LATE_S:
            time.sleep(pulse.EVERY_S + 0.1)  # noqa: ASYNC251 - to be late is the point
            await asyncio.sleep(0)
        assert not measured.is_late
        while not measured.is_late:
            time.sleep(pulse.EVERY_S + 0.1)  # noqa: ASYNC251 - to be late is the point
            await asyncio.sleep(0)
        while measured.is_late:
            await asyncio.sleep(pulse.EVERY_S)
    measuring.cancel()
    await asyncio.gather(measuring, return_exceptions=True)


async def test_a_late_process_takes_nobody_new_and_recovers(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upgrades, streams and polls get 503 `overloaded`, and the balancer hears of it; afterwards all is as before."""
    await here.room("r", "ann")
    key = (await create_key(here.wiring.postgres, here.wiring.pepper, here.scope.app, "k"))[1]
    public, internal = build_service(here.wiring), build_internal(here.wiring)

    async def ask(app: Any, path: str) -> tuple[int, str | None]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://a") as client:
            async with asyncio.timeout(WAIT_S):
                answer = await client.get(path, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, answer.json().get("code")

    late = pulse.LATE_S
    monkeypatch.setattr(pulse, "LATE_S", -1.0)
    for path in ("/v1/rooms/r/subscribe", "/v1/rooms/r/events?wait=0"):
        assert await ask(public, path) == (503, "overloaded")
    assert await upgraded(public, key) == 503
    assert (await ask(internal, "/readyz"))[0] == 503
    monkeypatch.setattr(pulse, "LATE_S", late)
    async with asyncio.timeout(WAIT_S):
        while here.wiring.pulse.is_late:
            await asyncio.sleep(pulse.EVERY_S)
    assert (await ask(public, "/v1/rooms/r/events?wait=0"))[0] == 200
    assert await upgraded(public, key) == 101
    assert (await ask(internal, "/readyz"))[0] == 200


async def upgraded(app: Any, key: str) -> int:
    """Ask for a WebSocket as a server would; gives the status."""
    came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: list[dict[str, Any]] = []
    await came.put({"type": "websocket.connect"})
    await came.put({"type": "websocket.disconnect", "code": 1000})

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "websocket",
        "path": "/v1/connect",
        "raw_path": b"/v1/connect",
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "headers": [(b"host", b"a"), (b"authorization", b"Bearer " + key.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    async with asyncio.timeout(WAIT_S):
        await app(scope, came.get, send)
    return 101 if said[0]["type"] == "websocket.accept" else int(said[0]["status"])


# ---- beneath the service


@dataclass
class Door:
    """A listener with the service's own guards, and another application behind them."""

    port: int
    state: ServerState

    async def until(self, count: int) -> None:
        """Wait until there are so many connections."""
        async with asyncio.timeout(WAIT_S):
            while len(self.state.connections) != count:
                await asyncio.sleep(0.01)

    def sweep(self, later_s: float) -> None:
        """Look at all connections as if it were later."""
        now = asyncio.get_running_loop().time() + later_s
        for connection in list(self.state.connections):
            connection.sweep(now)  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def door(app: Any, newcomers: int = 100, **changed: float) -> AsyncIterator[Door]:
    config = serve._config(app)
    for name, value in changed.items():
        setattr(config, name, value)
    config.load()
    state = ServerState()
    waiting = Newcomers(newcomers)
    listener = serve._listen("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(
        lambda: GuardedHttp(waiting, config, state, {}), sock=listener
    )
    try:
        yield Door(listener.getsockname()[1], state)
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()  # type: ignore[union-attr]
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def test_of_too_many_that_say_nothing_the_oldest_goes() -> None:
    """At the bound all stay; one more ends the oldest and nobody else."""

    async def nobody(_: Any, __: Any, ___: Any) -> None:
        raise AssertionError

    async with door(nobody, newcomers=2) as at, dial(at.port) as oldest, dial(at.port) as second:
        await at.until(2)
        assert not oldest.reader.at_eof()
        async with dial(at.port) as newest:
            assert await oldest.hung_up() == b""
            assert len(at.state.connections) == 2
            assert not second.reader.at_eof()
            assert not newest.reader.at_eof()


async def test_an_answer_that_is_not_read_has_an_end() -> None:
    """Its connection is kept for as long as is said, then ended."""

    async def long_answer(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * MORE_THAN_KERNELS_TAKE})

    async with door(long_answer) as at, dial(at.port, receive_bytes=4_096) as raw:
        await raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await raw.head()
        at.sweep(http_guard.UNREAD_S - 1)
        assert len(at.state.connections) == 1
        at.sweep(http_guard.UNREAD_S + 1)
        await at.until(0)


async def test_a_farewell_waits_for_no_reader_and_lingers_for_a_while_only() -> None:
    """It is said behind a full buffer at once; while that was full, nothing was read from the client."""
    parted = asyncio.Event()
    guards: list[bool] = []

    async def say_much(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"x" * MORE_THAN_KERNELS_TAKE})
        stuck = asyncio.create_task(send({"type": "websocket.send", "bytes": b"x"}))
        done, _pending = await asyncio.wait([stuck], timeout=0.2)
        (guard,) = at.state.connections
        assert isinstance(guard, GuardedSocket)
        guards.extend((not done, guard.transport.is_reading()))  # type: ignore[attr-defined]
        await send({"type": "websocket.close", "code": 4408, "reason": "slow"})
        parted.set()
        await asyncio.gather(stuck, return_exceptions=True)

    async with door(say_much) as at, dial(at.port, receive_bytes=4_096) as raw:
        await raw.send(upgrade())
        await raw.head()
        async with asyncio.timeout(WAIT_S):
            await parted.wait()
        assert guards == [True, False], "stuck, and not read from"
        at.sweep(0)
        assert len(at.state.connections) == 1
        at.sweep(socket_guard.LINGER_S + 1)
        await at.until(0)


async def test_a_client_that_answers_no_ping_is_ended() -> None:
    """The interval and the time-out are the service's own settings, shortened; who answers stays."""
    ends: dict[str, int] = {}

    async def listen(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ends[scope["path"]] = (await receive())["code"]

    config = serve._config(listen)
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (20.0, 40.0)
    async with door(listen, ws_ping_interval=0.1, ws_ping_timeout=0.3) as at, raw_socket(at.port, None) as silent:
        assert (await silent.end(WAIT_S)).code == 1011
        async with raw_socket(at.port, None) as answering:
            with pytest.raises(TimeoutError):
                await answering.hear_json(1.0)


async def test_frames_made_beforehand_go_out_whole_or_not_at_all() -> None:
    """Not before the handshake, not to a client that is behind, not after the farewell; what goes is bounded."""
    went: dict[str, object] = {}
    ended = asyncio.Event()

    async def write(scope: Any, receive: Any, send: Any) -> None:
        write_now = scope["state"][socket_guard.WRITE_NOW]
        await receive()
        went["before"] = write_now(text_frame("early"))
        await send({"type": "websocket.accept"})
        went["first"] = write_now(text_frame('{"a":1}') + text_frame('{"b":2}'))
        await receive()
        count = 0
        while write_now(text_frame("x" * 60_000)) and count < MORE_THAN_KERNELS_TAKE // 60_000:
            count += 1
            await asyncio.sleep(0)
        went["bytes"] = count * 60_000
        await send({"type": "websocket.close", "code": 4408, "reason": "slow"})
        went["after"] = write_now(text_frame("late"))
        ended.set()

    async with door(write) as at, raw_socket(at.port, None, receive_bytes=4_096) as raw:
        assert [await raw.hear_json(), await raw.hear_json()] == [{"a": 1}, {"b": 2}]
        await raw.say(op="ping")
        async with asyncio.timeout(WAIT_S):
            await ended.wait()
    assert (went["before"], went["first"], went["after"]) == (False, True, False)
    assert isinstance(went["bytes"], int)
    assert went["bytes"] < MORE_THAN_KERNELS_TAKE / 4


async def test_a_client_that_goes_in_its_handshake_is_no_fault_of_ours() -> None:
    """Its connection is closing in the very moment in which it is accepted: the application ends, and nothing is logged."""
    kept: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    async def accept(_: Any, receive: Any, send: Any) -> None:
        await receive()
        (guard,) = at.state.connections
        guard.transport.close()  # type: ignore[union-attr]
        await send({"type": "websocket.accept"})

    async with door(accept) as at:
        uvicorn_s = logging.getLogger("uvicorn.error")
        uvicorn_s.addHandler(keeping := Keeping())
        async with dial(at.port) as raw:
            await raw.send(upgrade())
            assert await raw.hung_up() == b""
            await at.until(0)
        uvicorn_s.removeHandler(keeping)
    assert [record.getMessage() for record in kept] == []


async def test_a_connection_inherits_a_small_send_buffer() -> None:
    """What the kernel holds for a client that reads nothing is bounded, too; Linux counts it double."""

    async def nobody(_: Any, __: Any, ___: Any) -> None:
        raise AssertionError

    async with door(nobody) as at, dial(at.port):
        await at.until(1)
        (guard,) = at.state.connections
        kernel = guard.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert kernel.getsockopt(serve.socket.SOL_SOCKET, serve.socket.SO_SNDBUF) == 2 * serve.SEND_BUFFER_BYTES
