"""The probe: whether this process's own publications come back to it.

A connection may look healthy and deliver nothing. So delivery itself is watched, on the very way that events take: out
through the publisher, back through the listener.
"""

import asyncio
import contextlib
import secrets

from api.durations import Durations
from api.fanout.listener import Listener, NotListening
from api.fanout.publish import Publisher
from tenants.channels import probe_channel

EVERY_S = 0.4
SILENT_S = 1.2
RENEW_S = 3.0
"""How long a connection may confirm everything and bring nothing back, once that is noticed, before it is given up."""


class Probe:
    """A channel of this process's own."""

    def __init__(self) -> None:
        """Start as silent: a process is not live before it has heard itself."""
        self.channel = probe_channel(secrets.randbits(63))
        self._heard_at = float("-inf")
        self._sent_at = float("-inf")
        self.trips = Durations()
        """How long publications took to come back."""

    def on_payload(self) -> None:
        """Note that an own publication has come back."""
        self._heard_at = asyncio.get_running_loop().time()
        self.trips.observe(self._heard_at - self._sent_at)

    def heard_s_ago(self, now: float) -> float:
        """Tell how long ago one came back, infinity before the first; `now` is loop time."""
        return now - self._heard_at

    def is_silent(self, now: float) -> bool:
        """Tell whether nothing has come back for 1.2 s; `now` is loop time."""
        return self.heard_s_ago(now) > SILENT_S

    async def run(self, publisher: Publisher, listener: Listener) -> None:
        """Publish every 400 ms, and renew a connection that brings nothing back, until cancelled."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotListening):  # it stays wanted
            await listener.subscribe(self.channel)
        trusted_since, published = loop.time(), publisher.published
        while True:
            self._sent_at = loop.time()
            publisher.offer(self.channel, b"")
            await asyncio.sleep(EVERY_S)
            now = loop.time()
            if not self.is_silent(now) or not listener.all_confirmed:
                trusted_since, published = now, publisher.published
            elif now - trusted_since > RENEW_S and publisher.published > published:
                # Redis confirms and takes, but what it takes does not come back: after a failover the listener may
                # still be with the old server, which answers everything.
                listener.renew()
                trusted_since, published = now, publisher.published
