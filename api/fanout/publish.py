"""Publishing: a hint to other processes that something was committed, time-limited and never retried."""

import asyncio
from collections import deque

from tenants.pubsub import PublishFailed, PubSub

MAX_PAYLOADS = 10_000
MAX_BYTES = 16 * 1024 * 1024
MAX_PIPELINED = 256
MAX_AGE_S = 1.0
"""A hint that has waited longer is dropped: the audit of every process has seen the commit by then."""
BACK_OFF_S = 0.1


class Publisher:
    """A bounded queue, emptied by one task whenever its connection is free."""

    def __init__(self, pubsub: PubSub) -> None:
        """Publish through `pubsub`."""
        self._pubsub = pubsub
        self._queue: deque[tuple[str, bytes, float]] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.published = 0
        self.dropped = 0
        self.failed = 0

    def offer(self, channel: str, payload: bytes) -> None:
        """Queue a payload without ever blocking; a full queue drops its oldest."""
        self._queue.append((channel, payload, asyncio.get_running_loop().time()))
        self._queued_bytes += len(payload)
        while len(self._queue) > MAX_PAYLOADS or self._queued_bytes > MAX_BYTES:
            self._pop()
            self.dropped += 1
        self._empty.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Publish what is queued, in order, until cancelled."""
        while True:
            await self._arrived.wait()
            batch = self._take()
            if batch:
                try:
                    await self._pubsub.publish(batch)
                    self.published += len(batch)
                except PublishFailed:
                    self.failed += len(batch)
                    await asyncio.sleep(BACK_OFF_S)
            if not self._queue:
                self._arrived.clear()
                self._empty.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until nothing is queued, or for `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return

    def _take(self) -> list[tuple[str, bytes]]:
        oldest = asyncio.get_running_loop().time() - MAX_AGE_S
        batch: list[tuple[str, bytes]] = []
        while self._queue and len(batch) < MAX_PIPELINED:
            channel, payload, since = self._pop()
            if since < oldest:
                self.dropped += 1
            else:
                batch.append((channel, payload))
        return batch

    def _pop(self) -> tuple[str, bytes, float]:
        entry = self._queue.popleft()
        self._queued_bytes -= len(entry[1])
        return entry
