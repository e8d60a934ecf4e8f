"""Frames cut by us and frames cut by the library are the same frames, however they come."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from api import serve
from api.edge.socket_guard import GuardedSocket
from tests.endurance.raw import BINARY, CLOSE, PING, PONG, TEXT, frame

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TURNS = 20


@dataclass(frozen=True)
class Sent:
    """A frame, in few words."""

    payload: bytes
    repeated: int = 1
    opcode: int = TEXT
    fin: bool = True
    reserved: int = 0
    masked: bool = True

    @cached_property
    def data(self) -> bytes:
        payload = self.payload * self.repeated
        return frame(payload, self.opcode, fin=self.fin, reserved=self.reserved, masked=self.masked)


TEXTS = st.text(max_size=40).map(str.encode) | st.sampled_from([b"\xff", b"\xc3"])
SIZES = st.sampled_from([0, 1, 125, 126, 127, 128, 255, 256, 4_097, 65_535, 65_536, 300_000])
FRAMES = st.one_of(
    st.builds(Sent, TEXTS),
    st.builds(Sent, st.just(b"x"), SIZES),
    st.builds(Sent, st.just(b"x"), SIZES),
    st.builds(Sent, TEXTS, opcode=st.sampled_from([TEXT, BINARY, 0]), fin=st.booleans()),
    st.builds(Sent, st.binary(max_size=130), opcode=st.sampled_from([PING, PONG])),
    st.builds(Sent, st.just(b"a"), opcode=st.sampled_from([TEXT, 3, 11]), reserved=st.sampled_from([0, 0, 1, 4])),
    st.builds(Sent, st.just(b"a"), masked=st.just(value=False)),
    st.builds(Sent, st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03"]), opcode=st.just(CLOSE)),
)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def heard(pieces: list[bytes], *, by_library: bool) -> tuple[list[Any], bytes]:
    """Give what the service gets to hear of these pieces, and what is answered by itself."""
    got: list[Any] = []
    accepted = asyncio.Event()

    async def listen(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        accepted.set()
        while not got or got[-1]["type"] != "websocket.disconnect":
            got.append(await receive())

    config = serve._config(cast("Any", listen))
    config.load()
    state = ServerState()
    transport = Transport()
    guard = GuardedSocket(config, state, {})
    guard.connection_made(transport)
    guard.data_received(UPGRADE)
    await asyncio.wait_for(accepted.wait(), 5)
    assert guard._rest == b""
    if by_library:
        guard._rest = None
    for piece in pieces:
        if transport.is_over:
            break
        guard.data_received(piece)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    guard.stop_keepalive()
    for task in list(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    return got, transport.written.partition(b"\r\n\r\n")[2]


@settings(max_examples=500)
@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 400), max_size=12))
async def test_what_is_heard_is_what_the_library_hears(sent: list[Sent], sizes: list[int]) -> None:
    """Whole texts and all else, good and bad, in pieces of any size: the same messages, answers and ends.

    The library is handed frame by frame: what comes in one piece with a bad frame it forgets.
    """
    frames = [each.data for each in sent]
    stream, pieces = b"".join(frames), list[bytes]()
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    pieces = [piece for piece in (*pieces, stream) if piece]
    assert await heard(pieces, by_library=False) == await heard(frames, by_library=True)
