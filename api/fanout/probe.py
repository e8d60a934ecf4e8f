"""The probe: whether this process's own publications come back to it.

A connection may look healthy and deliver nothing. So delivery itself is watched, on the very way that events take: out
through the publisher, back through the listener.
"""

import asyncio
import contextlib
import secrets

from api.fanout.listener import Listener, NotListening
from api.fanout.publish import Publisher
from tenants.channels import probe_channel

EVERY_S = 0.4
SILENT_S = 1.2


class Probe:
    """A channel of this process's own."""

    def __init__(self) -> None:
        """Start as silent: a process is not live before it has heard itself."""
        self.channel = probe_channel(secrets.randbits(63))
        self._heard_at = float("-inf")

    def on_payload(self) -> None:
        """Note that an own publication has come back."""
        self._heard_at = asyncio.get_running_loop().time()

    def is_silent(self, now: float) -> bool:
        """Tell whether nothing has come back for 1.2 s; `now` is loop time."""
        return now - self._heard_at > SILENT_S

    async def run(self, publisher: Publisher, listener: Listener) -> None:
        """Publish every 400 ms, until cancelled."""
        with contextlib.suppress(NotListening):  # it stays wanted
            await listener.subscribe(self.channel)
        while True:
            publisher.offer(self.channel, b"")
            await asyncio.sleep(EVERY_S)
