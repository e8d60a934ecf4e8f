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
MIN_BYTES_PER_S = 32 * 1024
"""How fast a long frame must be read: it is one piece, of which nobody here sees how much has gone."""
MAX_BACKLOG_BYTES = 256 * 1024 * 1024
"""What may wait for all clients together; beyond, those for whom most waits are given up, to resume."""
SPREAD = 0.8
"""Of the time for moving, the part in which clients begin to move."""
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
        self.is_going = False
        """Whether the process has been told to stop; it still takes new connections until it is draining."""
        self.is_draining = False
        self.closed_slow = 0
        self.backlog_bytes = 0
        """What waited for all clients at the last sweep."""

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
            self._keep_to_budget()
            for connection, expires_at in list(self._open.items()):
                self._sweep(connection, expires_at, now)
                if turned:
                    connection.look_up()

    def _sweep(self, connection: Connection, expires_at: float | None, now: float) -> None:
        if expires_at is not None and now > expires_at:
            connection.close(CloseCode.UNAUTHENTICATED)
        elif connection.leave_at is not None and now > connection.leave_at:
            connection.close(CloseCode.RESTART)
        elif connection.blocked_since is not None and now - connection.blocked_since > _patience_s(connection):
            self._give_up(connection)
        elif connection.blocked_since is None and now - connection.sent_at > HEARTBEAT_S:
            connection.say(frames.HEARTBEAT)

    def _give_up(self, connection: Connection) -> None:
        if not connection.given_up.is_set():
            self.closed_slow += 1
            connection.close(CloseCode.SLOW)
            connection.given_up.set()

    def _keep_to_budget(self) -> None:
        self.backlog_bytes = sum(connection.backlog_bytes for connection in self._open)
        excess = self.backlog_bytes - MAX_BACKLOG_BYTES
        if excess <= 0:
            return
        for connection in sorted(self._open, key=lambda each: each.backlog_bytes, reverse=True):
            self._give_up(connection)
            excess -= connection.backlog_bytes
            if excess <= 0:
                return

    async def drain(self, within_s: float, *, after_s: float = 0.0) -> None:
        """Say for `after_s` that this process is going, then ask every client to move and close who has stayed, with 1012.

        The clients' turns are spread evenly over most of `within_s`; what remains is for the last of them to move in.
        """
        self.is_going = True
        await asyncio.sleep(after_s)
        self.is_draining = True
        now = asyncio.get_running_loop().time()
        open_ = list(self._open)
        # One turn each, at a random moment of its own slice: drawn freely, some moments would get twice their share.
        random.shuffle(open_)
        for turn, connection in enumerate(open_):
            after_s = within_s * SPREAD * (turn + random.random()) / len(open_)  # noqa: S311 - spread
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


def _patience_s(connection: Connection) -> float:
    return BLOCKED_S + connection.unread_bytes / MIN_BYTES_PER_S
