"""All connections of this process: their heartbeats, their limits in time, and how they are asked to leave."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf

from api.subscriptions import frames
from api.subscriptions.connection import Connection
from api.subscriptions.frames import CloseCode
from api.tails.audit import Audit
from tenants.authority import Credentialed
from tenants.budgets import Allowance
from tenants.clock import now as wall_clock
from tenants.clock import to_rfc3339
from tenants.controls import AppChanged, Control, KeyRotated, TokensRevoked, UserRevoked
from tenants.errors import QuotaExceeded
from tenants.ids import AppId, UserNumber
from tenants.marks import Marked
from tenants.scope import Caller
from tenants.tallies import Tallies

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
WARN_S = 60.0
"""How long before its end a client is told that its credential is about to end, at most."""
WARN_SHARE = 0.25
"""And at most this share of a token's whole life."""

Owner = tuple[AppId, UserNumber | None]
"""An app, or one of its users."""


class Connections:
    """The registry that the sweep, the drain and the control rows go through."""

    def __init__(self, audit: Audit, tallies: Tallies) -> None:
        """Watch `audit` for a stall; count in `tallies`."""
        self._audit = audit
        self._tallies = tallies
        self._open: dict[Connection, Credentialed] = {}
        self._marked: Marked[Connection] = Marked()
        self._by_owner: Counter[Owner] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self._was_stale = False
        self.is_going = False
        """Whether the process has been told to stop; it still takes new connections until it is draining."""
        self.is_draining = False
        self.closed_slow = 0
        self.backlog_bytes = 0
        """What waited for all clients at the last sweep."""
        self.opened = 0
        self.closed: Counter[str] = Counter()
        """By close code; `gone` is the client's own end."""

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self._open)

    @property
    def readings(self) -> int:
        """Count the rooms that all connections read."""
        return sum(connection.readings for connection in self._open)

    def users(self) -> Iterator[tuple[AppId, UserNumber]]:
        """Give whose connections are open, each user once."""
        for app, user in self._by_owner:
            if user is not None:
                yield app, user

    def check_quota(self, caller: Caller, allowance: Allowance) -> None:
        """Raise `QuotaExceeded` if the caller's app or user has all the connections here that it may have."""
        for owner in _owners(caller):
            quota = "app_connections" if owner[1] is None else "user_connections"
            if self._by_owner[owner] >= getattr(allowance, quota):
                raise QuotaExceeded(quota)

    def add(self, connection: Connection, who: Credentialed) -> None:
        """Register a connection, for as long as its credential holds."""
        self._open[connection] = who
        self._marked.add(connection, who.marks)
        self.opened += 1
        user = connection.caller.user
        self._tallies.count_connection(connection.caller.scope.app, None if user is None else user.number)
        self._by_owner.update(_owners(connection.caller))
        self._empty.clear()
        self._set_end(connection, who)

    def replace(self, connection: Connection, who: Credentialed) -> None:
        """Go by another credential of the same caller from now on."""
        self._marked.remove(connection, self._open[connection].marks)
        self._open[connection] = who
        self._marked.add(connection, who.marks)
        self._set_end(connection, who)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        who = self._open.pop(connection, None)
        if who is not None:
            self._marked.remove(connection, who.marks)
            self._by_owner.subtract(_owners(connection.caller))
            for owner in _owners(connection.caller):
                if self._by_owner[owner] <= 0:
                    del self._by_owner[owner]
        if not self._open:
            self._empty.set()

    def obey(self, control: Control) -> None:
        """End what a control row ends."""
        for connection in self._marked.of(control.mark):
            who = self._open[connection]
            match control:
                case AppChanged(ended=None):
                    pass
                case AppChanged(ended="deleted"):
                    connection.cut(CloseCode.APP_DELETED)
                case KeyRotated():
                    end = _loop_time(control.until)
                    connection.expires_at = end if connection.expires_at is None else min(end, connection.expires_at)
                case UserRevoked(before=float(before)) | TokensRevoked(before=before):
                    if who.issued_at is not None and who.issued_at < before:
                        connection.cut(CloseCode.REVOKED)
                case _:
                    connection.cut(CloseCode.REVOKED)

    def end_all(self) -> None:
        """Have everybody come again and show their credentials: revocations may have been missed."""
        for connection in list(self._open):
            connection.close(CloseCode.RESTART)

    def _set_end(self, connection: Connection, who: Credentialed) -> None:
        connection.expires_at = connection.warn_at = None
        if who.expires_at is not None:
            lifetime_s = inf if who.issued_at is None else who.expires_at - who.issued_at
            connection.expires_at = _loop_time(who.expires_at)
            connection.warn_at = connection.expires_at - min(WARN_S, lifetime_s * WARN_SHARE)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = asyncio.get_running_loop().time()
            turned = self._audit.is_stale != self._was_stale
            self._was_stale = self._audit.is_stale
            self._keep_to_budget()
            for connection in list(self._open):
                self._sweep(connection, now)
                if turned:
                    connection.look_up()

    def _sweep(self, connection: Connection, now: float) -> None:
        if connection.has_expired_at(now):
            connection.cut(CloseCode.UNAUTHENTICATED)
        elif connection.leave_at is not None and now > connection.leave_at:
            connection.close(CloseCode.RESTART)
        elif connection.blocked_since is not None and now - connection.blocked_since > _patience_s(connection):
            self._give_up(connection)
        elif connection.blocked_since is None and now - connection.sent_at > HEARTBEAT_S:
            connection.say(frames.HEARTBEAT)
        if connection.warn_at is not None and now > connection.warn_at:
            connection.warn_at = None
            self._warn(connection, now)

    def _warn(self, connection: Connection, now: float) -> None:
        ends_at = self._open[connection].expires_at
        if ends_at is not None and connection.expires_at is not None:
            in_ms = max(0, round((connection.expires_at - now) * 1000))
            connection.say(frames.expiring(to_rfc3339(datetime.fromtimestamp(ends_at, UTC)), in_ms))

    def _give_up(self, connection: Connection) -> None:
        if not connection.given_up.done():
            self.closed_slow += 1
            connection.close(CloseCode.SLOW)
            connection.give_up()

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


def _loop_time(moment: float) -> float:
    """Give a moment of the wall clock (Unix time) by the loop's, which nobody sets."""
    return asyncio.get_running_loop().time() + moment - wall_clock().timestamp()


def _owners(caller: Caller) -> list[Owner]:
    app = caller.scope.app
    return [(app, None)] if caller.user is None else [(app, None), (app, caller.user.number)]
