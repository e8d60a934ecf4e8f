"""Our own subscription connection to Redis.

redis-py reconnects silently and so loses messages without a word. Here every confirmation is awaited, every lost
connection and every confirmation after it is reported as a possible gap, and a connection that falls silent is dropped.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Iterable
from typing import Any, cast

import hiredis
import structlog

from tenants.pubsub import Address

CONFIRM_TIMEOUT_S = 0.5
CONNECT_TIMEOUT_S = 1.0
SILENCE_S = 1.0
"""Without a byte for so long Redis is pinged; without one for as long again the connection is dropped."""
CHUNK = 1_000
"""Channels in one SUBSCRIBE."""
MIN_BACK_OFF_S = 0.05
MAX_BACK_OFF_S = 1.0

log = structlog.get_logger()


class NotListening(Exception):
    """Redis has not confirmed the channel in time; it stays wanted, and its confirmation will be a gap."""


class _Wire(asyncio.Protocol):
    """One connection: bytes in, replies out."""

    def __init__(self, on_reply: Callable[[Any], None]) -> None:
        self._reader = hiredis.Reader()
        self._on_reply = on_reply
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_at = asyncio.get_running_loop().time()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._on_reply(reply)
        except hiredis.ProtocolError:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.lost.done():
            self.lost.set_result(None)

    def say(self, *words: str) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # stub: tuples of one

    def drop(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Listener:
    """Hears the channels that are wanted, on one connection that is renewed for ever."""

    def __init__(
        self,
        address: Address,
        on_payload: Callable[[str, bytes], None],
        on_gap: Callable[[], None],
    ) -> None:
        """Hand payloads to `on_payload`; call `on_gap` once all is confirmed again after some may have been missed."""
        self._address = address
        self._on_payload = on_payload
        self._on_gap = on_gap
        self._wanted: dict[str, bool] = {}
        """The wanted channels, and whether Redis has confirmed each on the present connection."""
        self._pending: dict[str, int] = {}
        """How many SUBSCRIBE and UNSUBSCRIBE of a channel are unanswered: only the last answer counts."""
        self._confirmed: dict[str, asyncio.Future[bool]] = {}
        self._unconfirmed = 0
        self._missed: set[str] = set()
        self._wire: _Wire | None = None
        self.received = 0
        self.reconnects = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._wire is not None

    @property
    def all_confirmed(self) -> bool:
        """Whether Redis has confirmed every wanted channel on the present connection."""
        return self._wire is not None and self._unconfirmed == 0

    async def subscribe(self, channel: str, timeout_s: float = CONFIRM_TIMEOUT_S) -> None:
        """Return once Redis has confirmed the channel; what is published from then on is heard.

        Raises `NotListening` at once without a connection, or after `timeout_s`; the channel stays wanted.
        """
        if channel not in self._wanted:
            self._wanted[channel] = False
            self._unconfirmed += 1
            self._missed.add(channel)
            self._ask("SUBSCRIBE", [channel])
        if self._wanted[channel]:
            return
        if self._wire is None:
            raise NotListening(channel)
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({confirmed}, timeout=timeout_s)
        if not done or not confirmed.result():
            # Whoever waited goes on without the confirmation: when it comes, it comes after a gap.
            self._confirmed.pop(channel, None)
            raise NotListening(channel)

    def unsubscribe(self, channel: str) -> None:
        """Stop wanting a channel."""
        confirmed = self._wanted.pop(channel, None)
        if confirmed is None:
            return
        if not confirmed:
            self._unconfirmed -= 1
        self._missed.discard(channel)
        self._ask("UNSUBSCRIBE", [channel])

    async def run(self) -> None:
        """Keep a connection, until cancelled."""
        back_off_s = MIN_BACK_OFF_S
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    wire = await self._connect()
            except (OSError, TimeoutError) as error:
                log.debug("redis_away", error=type(error).__name__)
                await asyncio.sleep(back_off_s * (0.5 + random.random()))  # noqa: S311 - jitter
                back_off_s = min(MAX_BACK_OFF_S, 2 * back_off_s)
                continue
            back_off_s = MIN_BACK_OFF_S
            try:
                self._begin(wire)
                await self._watch(wire)
            finally:
                wire.drop()
                self._end()
            self.reconnects += 1
            await asyncio.sleep(back_off_s * random.random())  # noqa: S311 - jitter

    async def _connect(self) -> _Wire:
        loop = asyncio.get_running_loop()
        address = self._address
        if address.path is not None:
            _, wire = await loop.create_unix_connection(lambda: _Wire(self._take), address.path)
        else:
            tls = ssl.create_default_context() if address.tls else None
            _, wire = await loop.create_connection(
                lambda: _Wire(self._take), address.host or "localhost", address.port, ssl=tls
            )
        return wire

    def _begin(self, wire: _Wire) -> None:
        address = self._address
        if address.password is not None:
            user = () if address.username is None else (address.username,)
            wire.say("AUTH", *user, address.password)
        self._wire = wire
        self._ask("SUBSCRIBE", self._wanted)

    async def _watch(self, wire: _Wire) -> None:
        """Return when the connection is lost, or has been silent for too long."""
        while not wire.lost.done():
            await asyncio.wait({wire.lost}, timeout=SILENCE_S / 2)
            silent_s = asyncio.get_running_loop().time() - wire.heard_at
            if silent_s > 2 * SILENCE_S:
                log.warning("redis_silent")
                return
            if silent_s > SILENCE_S:
                wire.say("PING")

    def _end(self) -> None:
        self._wire = None
        self._pending.clear()
        self._unconfirmed = len(self._wanted)
        for channel in self._wanted:
            self._wanted[channel] = False
        self._missed.update(self._wanted)
        for future in self._confirmed.values():
            future.set_result(False)
        self._confirmed.clear()

    def _ask(self, command: str, channels: Iterable[str]) -> None:
        wire = self._wire
        if wire is None:
            return
        names = list(channels)
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            for channel in chunk:
                self._pending[channel] = self._pending.get(channel, 0) + 1
            wire.say(command, *chunk)

    def _take(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        if isinstance(reply, hiredis.ReplyError):
            log.error("redis_refuses", reply=str(reply))
            if self._wire is not None:
                self._wire.drop()
            return
        match reply:
            case [b"message", bytes(channel), bytes(payload)]:
                self.received += 1
                self._on_payload(channel.decode(), payload)
            case [b"subscribe" | b"unsubscribe" as kind, bytes(channel), *_]:
                self._confirm(channel.decode(), heard=kind == b"subscribe")
            case _:
                pass  # answers to PING and AUTH

    def _confirm(self, channel: str, *, heard: bool) -> None:
        left = self._pending.get(channel, 1) - 1
        if left > 0:
            self._pending[channel] = left
            return
        self._pending.pop(channel, None)
        if not heard or channel not in self._wanted or self._wanted[channel]:
            return
        self._wanted[channel] = True
        self._unconfirmed -= 1
        future = self._confirmed.pop(channel, None)
        if future is not None:
            # Somebody waits for exactly this before reading PostgreSQL: nothing has been missed.
            self._missed.discard(channel)
            future.set_result(True)
        if self._unconfirmed == 0 and self._missed:
            self._missed.clear()
            self._on_gap()
