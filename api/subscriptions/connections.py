"""All connections of this process: their heartbeats, their limits in time, and how they are asked to leave."""

import asyncio
import random

from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.subscriptions.frames import CloseCode
from api.tails.audit import Audit
from tenants.clock import now

HEARTBEAT_S = 20.0
BLOCKED_S = 30.0
"""How long a client may leave what was sent to it unread."""
SWEEP_S = 0.25


class Connections:
    """The registry that the sweep, the drain and the control rows go through."""

    def __init__(self, audit: Audit) -> None:
        """Watch `audit` for a stall."""
        self._audit = audit
        self._open: dict[Connection, float | None] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._was_stale = False
        self.is_draining = False

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self._open)

    @property
    def readings(self) -> int:
        """Count the rooms that all connections read."""
        return sum(connection.readings for connection in self._open)

    def add(self, connection: Connection, expires_at: float | None) -> None:
        """Register a connection whose credential holds until `expires_at` (loop time; None: for ever)."""
        self._open[connection] = expires_at
        self._empty.clear()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)
        if not self._open:
            self._empty.set()

    def revoke_key(self, app: int, key: int) -> None:
        """Close what an API key that is revoked now has opened."""
        for connection in list(self._open):
            if connection.caller.scope.app == app and connection.key == key:
                connection.close(CloseCode.REVOKED)

    def end_key(self, app: int, key: int, until: float) -> None:
        """Have what an API key has opened so far end at a time (Unix) at the latest: its secret is being replaced."""
        loop = asyncio.get_running_loop()
        end = loop.time() + until - now().timestamp()
        for connection, expires_at in list(self._open.items()):
            if connection.caller.scope.app == app and connection.key == key:
                self._open[connection] = end if expires_at is None else min(end, expires_at)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = asyncio.get_running_loop().time()
            turned = self._audit.is_stale != self._was_stale
            self._was_stale = self._audit.is_stale
            for connection, expires_at in list(self._open.items()):
                self._sweep(connection, expires_at, now)
                if turned:
                    connection.look_up()

    def _sweep(self, connection: Connection, expires_at: float | None, now: float) -> None:
        if expires_at is not None and now > expires_at:
            connection.close(CloseCode.UNAUTHENTICATED)
        elif connection.leave_at is not None and now > connection.leave_at:
            connection.close(CloseCode.RESTART)
        elif connection.blocked_since is not None and now - connection.blocked_since > BLOCKED_S:
            connection.close(CloseCode.SLOW)
            connection.given_up.set()
        elif connection.blocked_since is None and now - connection.sent_at > HEARTBEAT_S:
            connection.say(frames.HEARTBEAT)

    async def drain(self, within_s: float) -> None:
        """Ask every client to move, spread evenly over `within_s`; then close who has stayed, with 1012."""
        self.is_draining = True
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            after_s = random.uniform(0, within_s)  # noqa: S311 - spread
            connection.say(frames.reconnect(round(after_s * 1000)))
            if connection.is_one_way:
                connection.leave_at = now + after_s
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            await asyncio.gather(*(connection.settle() for connection in self._open))
            for connection in list(self._open):
                connection.close(CloseCode.RESTART)
