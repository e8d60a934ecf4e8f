"""A client that speaks bytes: it can say what no library would."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

WAIT_S = 20.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass
class End:
    """How a socket ended: its close code and reason, or None for a connection that just ended."""

    code: int | None
    reason: str = ""


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """Write a frame, be it a forbidden one; `length` is what it claims."""
    claimed = len(payload) if length is None else length
    first = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if claimed < 126:
        size = bytes([bit | claimed])
    elif claimed < 2**16:
        size = bytes([bit | 126]) + struct.pack("!H", claimed)
    else:
        size = bytes([bit | 127]) + struct.pack("!Q", claimed)
    if not masked:
        return first + size + payload
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    mixed = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")
    return first + size + mask + mixed


def upgrade(credential: str | None = None, *more: str) -> bytes:
    """Write the request for a WebSocket."""
    lines = [
        "GET /v1/connect HTTP/1.1",
        "Host: a",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
        *more,
    ]
    if credential is not None:
        lines.append(f"Authorization: Bearer {credential}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Raw:
    """A TCP connection, and a WebSocket on it if it was upgraded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        # A server that has hung up while we talk is an answer, which `end` gives.
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def say(self, **said: Any) -> None:
        await self.send(frame(json.dumps(said).encode()))

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of an answer."""
        async with asyncio.timeout(WAIT_S):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = text.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return int(status.split()[1]), {name.lower(): value for name, value in headers.items()}

    async def body(self, headers: dict[str, str]) -> bytes:
        return await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def hear(self) -> tuple[int, bytes]:
        """Read a frame: its opcode and payload."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = struct.unpack("!H", await self.reader.readexactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", await self.reader.readexactly(8))[0]
        return first & 0x0F, await self.reader.readexactly(size)

    async def hear_json(self, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Read frames up to the next text that is no heartbeat, answering pings."""
        async with asyncio.timeout(wait_s):
            while True:
                opcode, payload = await self.hear()
                assert opcode != CLOSE, payload
                if opcode == PING:
                    await self.send(frame(payload, PONG))
                if opcode == TEXT and b'"heartbeat"' not in payload[:20]:
                    return dict(json.loads(payload))

    async def end(self, wait_s: float = WAIT_S, *, politely: bool = True) -> End:
        """Read on until the server ends it; politely, its farewell is answered."""
        ended = End(None)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            async with asyncio.timeout(wait_s):
                while True:
                    opcode, payload = await self.hear()
                    if opcode == CLOSE:
                        code = struct.unpack("!H", payload[:2])[0] if payload else None
                        ended = End(code, payload[2:].decode())
                        if politely:
                            await self.send(frame(payload, CLOSE))
        return ended

    async def hung_up(self, wait_s: float = WAIT_S) -> bytes:
        """Read all that comes until the server ends the connection."""
        data = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(wait_s):
                while more := await self.reader.read(65_536):
                    data += more
        return data


@contextlib.asynccontextmanager
async def dial(port: int, *, source: str = "127.0.0.1", receive_bytes: int | None = None) -> AsyncIterator[Raw]:
    """Open a connection; `receive_bytes` is how much the kernel takes in for one that does not read."""
    raw = socket.socket()
    raw.setblocking(False)  # noqa: FBT003 - its one argument
    raw.bind((source, 0))
    if receive_bytes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    except OSError:
        raw.close()
        raise
    reader, writer = await asyncio.open_connection(sock=raw, limit=2**16 if receive_bytes is None else receive_bytes)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def raw_socket(port: int, credential: str | None, **more: Any) -> AsyncIterator[Raw]:
    """Open a WebSocket, and take its greeting if it has a credential."""
    async with dial(port, **more) as raw:
        await raw.send(upgrade(credential))
        status, headers = await raw.head()
        assert status == 101, (status, await raw.body(headers))
        if credential is not None:
            assert (await raw.hear_json())["type"] == "connected"
        yield raw
