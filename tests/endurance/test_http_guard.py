"""Clients that open connections and do not do what HTTP is for."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.endurance.raw import Raw, dial, upgrade
from tests.support.processes import Service
from tests.support.world import World

HEAD_S = 10.0
LATE_S = 4.0
"""By how much an end may come late on a machine with other work."""


async def drip(raw: Raw, data: bytes, every_s: float = 0.2) -> None:
    """Send byte by byte, until nobody takes any more."""
    for byte in data:
        if raw.reader.at_eof() or raw.writer.transport.is_closing():
            return
        await raw.send(bytes([byte]))
        await asyncio.sleep(every_s)


async def answer_of(raw: Raw) -> int | None:
    """Give the status that the server ends the connection with; None if it says nothing."""
    data = await raw.hung_up(HEAD_S + 2 * LATE_S + 10)
    return int(data.split()[1]) if data else None


async def test_what_does_not_become_a_request_in_time_is_ended(service: Service, world: World) -> None:
    """Silence, half a line, half a head, byte by byte, blank lines, a slow second request, a slow body: each is ended."""
    ask = b"GET /v1/rooms HTTP/1.1\r\nHost: a\r\n"
    key = f"Authorization: Bearer {world.app.key}\r\n".encode()
    post = b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\n" + key + b"Content-Type: application/json\r\n"

    async def silent(_: Raw) -> bytes:
        return b""

    async def half_a_line(raw: Raw) -> bytes:
        await raw.send(b"GET /v1/ro")
        return b""

    async def half_a_head(raw: Raw) -> bytes:
        await raw.send(ask)
        return b""

    async def byte_by_byte(_: Raw) -> bytes:
        return ask + key

    async def blank_lines(_: Raw) -> bytes:
        return b"\r\n" * 100

    async def slow_second_request(raw: Raw) -> bytes:
        await raw.send(ask + key + b"\r\n")
        status, headers = await raw.head()
        assert status == 200
        await raw.body(headers)
        return ask + key

    async def slow_upgrade(_: Raw) -> bytes:
        return upgrade()

    async def slow_body(raw: Raw) -> bytes:
        await raw.send(post + b"Content-Length: 10000\r\n\r\n")
        return b" " * 10_000

    async def silent_body(raw: Raw) -> bytes:
        await raw.send(post + b"Content-Length: 10\r\n\r\n{")
        return b""

    async def chunks_without_end(raw: Raw) -> bytes:
        await raw.send(post + b"Transfer-Encoding: chunked\r\n\r\n")
        return b"1\r\n \r\n" * 100

    cases: dict[Callable[[Raw], Awaitable[bytes]], int | None] = {
        silent: None,
        half_a_line: 408,
        half_a_head: 408,
        byte_by_byte: 408,
        blank_lines: 408,
        slow_second_request: 408,
        slow_upgrade: 408,
        slow_body: 408,
        silent_body: 408,
        chunks_without_end: 408,
    }

    async def run(begin: Callable[[Raw], Awaitable[bytes]]) -> tuple[int | None, float]:
        """Begin, go on byte by byte, and see how it ends."""
        async with dial(service.port) as raw:
            began = time.monotonic()
            dripping = asyncio.create_task(drip(raw, await begin(raw)))
            status = await answer_of(raw)
            await dripping
            return status, time.monotonic() - began

    ends = await asyncio.gather(*(run(begin) for begin in cases))
    for (begin, expected), (status, after_s) in zip(cases.items(), ends, strict=True):
        assert status == expected, begin
        assert after_s > HEAD_S - 1, begin
    assert (await world.app.ask("GET", "/v1/rooms")).status_code == 200


LARGE = [
    ("a line", b"GET /v1/rooms?" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ("a header", b"GET /v1/rooms HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    ("headers", b"GET /v1/rooms HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 4_000 + b"\r\n", 431),
    ("a header without end", b"GET /v1/rooms HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300_000, 431),
    ("a line without end", b"GET /" + b"a" * 300_000, 431),
    ("an upgrade's line", upgrade(None, "X: " + "a" * 9_000), 431),
    ("an upgrade's headers", upgrade(None, *["X: a"] * 200), 431),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("two lengths", b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
    (
        "a length and chunks",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("a negative length", b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("an upgrade without a key", upgrade().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    ("an upgrade of an old version", upgrade().replace(b"Version: 13", b"Version: 8"), 400),
]


@pytest.mark.parametrize(("data", "status"), [case[1:] for case in LARGE], ids=[case[0] for case in LARGE])
async def test_a_head_that_is_too_large_or_none_is_refused(service: Service, data: bytes, status: int) -> None:
    """The status says what it was, and the connection ends."""
    async with dial(service.port) as raw:
        await raw.send(data)
        assert (await answer_of(raw)) == status


async def test_a_head_of_16_kib_is_taken(service: Service) -> None:
    """The limit is where it is said to be."""
    line, rest = b"GET /v1/none HTTP/1.1\r\n", b"Host: a\r\nConnection: close\r\nX: "
    # What is counted of the first line is its path.
    room = 16 * 1024 - len(b"/v1/none") - len(rest)
    for more, status in ((-2, 404), (2, 431)):
        async with dial(service.port) as raw:
            await raw.send(line + rest + b"a" * (room + more) + b"\r\n\r\n")
            assert (await answer_of(raw)) == status


async def test_requests_far_ahead_of_their_answers_end_the_connection(service: Service) -> None:
    """A few requests at once are answered in order, thousands in one packet are not even begun."""
    ask = b"GET /v1/none HTTP/1.1\r\nHost: a\r\n\r\n"
    async with dial(service.port) as raw:
        await raw.send(ask * 8)
        for _ in range(8):
            status, headers = await raw.head()
            await raw.body(headers)
            assert status == 404
        await raw.send(ask * 5_000)
        answers = (await raw.hung_up()).count(b"HTTP/1.1 404")
        assert answers <= 32


async def test_a_client_that_goes_in_mid_body_leaves_no_fault_behind(service: Service, world: World) -> None:
    """Half a body and an end is nobody's fault of ours: no stack in the log."""
    before = service.log.read_text()
    for _ in range(3):
        async with dial(service.port) as raw:
            key = f"Authorization: Bearer {world.app.key}\r\n".encode()
            await raw.send(b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\n" + key + b"Content-Length: 100\r\n\r\n{")
            await asyncio.sleep(0.1)
    assert (await world.app.ask("GET", "/v1/rooms")).status_code == 200
    assert "Traceback" not in service.log.read_text()[len(before) :]
