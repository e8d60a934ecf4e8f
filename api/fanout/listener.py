"""Our own subscription connection to Redis.

redis-py reconnects silently and so loses messages without a word. Here every confirmation is awaited, every lost
connection and every confirmation after it is reported as a possible gap, and a connection that falls silent is dropped.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

import hiredis
import structlog

from tenants.wire import Address, Wire, pack

CONFIRM_TIMEOUT_S = 0.5
CONNECT_TIMEOUT_S = 1.0
"""For everything until Redis has answered the first time: name, connection, TLS, password."""
SILENCE_S = 1.0
"""Without a byte for so long Redis is pinged; without one for as long again the connection is dropped."""
CHUNK = 1_000
"""Channels in one SUBSCRIBE."""
MIN_BACK_OFF_S = 0.05
MAX_BACK_OFF_S = 1.0
STEADY_S = 5.0
"""A connection that has lasted so long was a good one: the next is tried without much ado."""

log = structlog.get_logger()


class NotListening(Exception):
    """Redis has not confirmed the channel in time; while it stays wanted, its confirmation will be a gap."""


class Listener:
    """Hears the channels that are wanted, on one connection that is renewed for ever."""

    def __init__(
        self,
        address: Address,
        on_payload: Callable[[str, bytes], None],
        on_gap: Callable[[], None],
    ) -> None:
        """Hand payloads to `on_payload`; call `on_gap` once all that may have missed some is confirmed again.

        Neither may block. What they raise is logged and counted, and costs that one payload.
        """
        self._address = address
        self._on_payload = on_payload
        self._on_gap = on_gap
        self._wanted: dict[str, bool] = {}
        """The wanted channels, and whether Redis has confirmed each on the present connection."""
        self._unconfirmed = 0
        self._pending: dict[str, int] = {}
        """How many SUBSCRIBE and UNSUBSCRIBE of a channel are unanswered: only the last answer counts."""
        self._awaited: dict[str, asyncio.Future[bool]] = {}
        """What those wait for who subscribe: whether the channel was confirmed."""
        self._doubtful: set[str] = set()
        """Unconfirmed channels that somebody already relies on: they may be missing payloads."""
        self._gap = False
        """Whether a doubtful channel has been confirmed, so that its gap is to be told."""
        self._wire: Wire | None = None
        self.received = 0
        self.failed = 0
        self.reconnects = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which Redis has answered."""
        return self._wire is not None

    @property
    def all_confirmed(self) -> bool:
        """Whether Redis has confirmed every wanted channel on the present connection."""
        return self._wire is not None and self._unconfirmed == 0

    async def subscribe(self, channel: str, timeout_s: float = CONFIRM_TIMEOUT_S) -> None:
        """Return once Redis has confirmed the channel; what is published from then on is heard.

        Raises `NotListening` at once without a connection or when it is lost, or after `timeout_s`; the channel stays
        wanted then, unless it has been unsubscribed meanwhile.
        """
        if channel not in self._wanted:
            self._wanted[channel] = False
            self._unconfirmed += 1
            self._ask("SUBSCRIBE", [channel])
        if self._wanted[channel]:
            return
        if self._wire is not None and await self._confirmation(channel, timeout_s):
            return
        if self._wanted.get(channel) is False:
            # Whoever waited goes on without the confirmation: when it comes, it comes after a gap.
            self._doubtful.add(channel)
        raise NotListening(channel)

    def unsubscribe(self, channel: str) -> None:
        """Stop wanting a channel; whoever still waits for it gets `NotListening`."""
        confirmed = self._wanted.pop(channel, None)
        if confirmed is None:
            return
        if not confirmed:
            self._unconfirmed -= 1
        self._answer(channel, confirmed=False)
        self._ask("UNSUBSCRIBE", [channel])
        self._doubtful.discard(channel)
        self._tell_gap()

    def renew(self) -> None:
        """Give the present connection up for a new one, to an address that is looked up afresh."""
        if self._wire is not None:
            self._wire.drop()

    async def run(self) -> None:
        """Keep a connection, until cancelled."""
        loop = asyncio.get_running_loop()
        back_off_s = MIN_BACK_OFF_S
        while True:
            began = loop.time()
            try:
                await self._listen()
            except OSError as error:
                log.debug("redis_away", error=type(error).__name__)
            if loop.time() - began > STEADY_S:
                back_off_s = MIN_BACK_OFF_S
            await asyncio.sleep(back_off_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
            back_off_s = min(MAX_BACK_OFF_S, 2 * back_off_s)

    async def _listen(self) -> None:
        """Use one connection for as long as it lasts; raises OSError if none comes about."""
        wire: Wire | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                wire = await Wire.open(self._address, self._take)
            self._wire = wire
            self._ask("SUBSCRIBE", self._wanted)
            await self._watch(wire)
            self.reconnects += 1
        finally:
            if wire is not None:
                wire.drop()
            self._end()

    async def _watch(self, wire: Wire) -> None:
        """Return when the connection is lost, or has not answered a PING for a second."""
        loop = asyncio.get_running_loop()
        while not wire.lost.done():
            heard_at = wire.heard_at
            await asyncio.wait({wire.lost}, timeout=max(0.0, heard_at + SILENCE_S - loop.time()))
            if wire.heard_at != heard_at:
                continue
            # Asked only now: a process that stood still has been silent itself, and must not blame Redis.
            wire.say(pack("PING"))
            await asyncio.wait({wire.lost}, timeout=SILENCE_S)
            if wire.heard_at == heard_at and not wire.lost.done():
                log.warning("redis_silent")
                return

    def _end(self) -> None:
        """Doubt everything: there is no connection any more."""
        if self._wire is None:
            return
        self._wire = None
        self._pending.clear()
        self._unconfirmed = len(self._wanted)
        self._wanted = dict.fromkeys(self._wanted, False)
        self._doubtful.update(self._wanted)
        for channel in list(self._awaited):
            self._answer(channel, confirmed=False)

    def _ask(self, command: str, channels: Iterable[str]) -> None:
        wire = self._wire
        if wire is None:
            return
        names = list(channels)
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            for channel in chunk:
                self._pending[channel] = self._pending.get(channel, 0) + 1
            wire.say(pack(command, *chunk))

    async def _confirmation(self, channel: str, timeout_s: float) -> bool:
        """Wait until a channel is confirmed; False if it is not in time, or will not be."""
        awaited = self._awaited.get(channel)
        if awaited is None:
            awaited = self._awaited[channel] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({awaited}, timeout=timeout_s)
        return bool(done) and awaited.result()

    def _answer(self, channel: str, *, confirmed: bool) -> None:
        awaited = self._awaited.pop(channel, None)
        if awaited is not None:
            awaited.set_result(confirmed)

    def _take(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        match reply:
            case [b"message", bytes(channel), bytes(payload)]:
                self.received += 1
                self._hand_over(self._on_payload, channel.decode(), payload)
            case [b"subscribe" | b"unsubscribe" as kind, bytes(channel), *_]:
                self._confirm(channel.decode(), subscribed=kind == b"subscribe")
            case hiredis.ReplyError():
                log.error("redis_refuses", reply=str(reply))
                self.renew()
            case _:
                pass  # answers to PING

    def _confirm(self, channel: str, *, subscribed: bool) -> None:
        left = self._pending.get(channel, 1) - 1
        if left > 0:
            self._pending[channel] = left
            return
        self._pending.pop(channel, None)
        if not subscribed or self._wanted.get(channel) is not False:
            return
        self._wanted[channel] = True
        self._unconfirmed -= 1
        self._answer(channel, confirmed=True)
        if channel in self._doubtful:
            self._doubtful.discard(channel)
            self._gap = True
        self._tell_gap()

    def _tell_gap(self) -> None:
        """Tell of gaps once no channel is in doubt: whoever then looks into PostgreSQL misses nothing after it."""
        if self._gap and not self._doubtful:
            self._gap = False
            self._hand_over(self._on_gap)

    def _hand_over(self, callback: Callable[..., None], *words: str | bytes) -> None:
        try:
            callback(*words)
        except Exception:  # one payload's fault must not cost the connection, and with it all the others
            self.failed += 1
            log.exception("callback_failed")
