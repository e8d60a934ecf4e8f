"""The audit: one mechanism for every way in which a publication fails to arrive.

A publisher that died after its commit, a lost payload, a dropped subscription, a dead Redis: in each case a commit has
become visible and a tail stands behind it. The audit reads exactly the commits that became visible since its last look,
and has the keeper repair the rooms that are behind.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable

import asyncpg
import structlog

from api.fanout.listener import Listener
from api.fanout.probe import Probe
from api.log.commits import KEEP_S, MAX_PAUSE_S, CommitReader
from api.log.epochs import Epochs
from api.tails.health import Mode, Signs, interval_s, is_stale, mode
from api.tails.keeper import Keeper
from tenants.errors import Unavailable
from tenants.postgres import AWAY, Postgres
from tenants.roles import Role

RECONNECT_S = 0.2
STATEMENT_TIMEOUT_MS = 2_000
LOOK_TIMEOUT_S = 3.0

log = structlog.get_logger()


class Audit:
    """One connection that looks every 400 ms, or every 120 ms while Redis is silent."""

    def __init__(
        self,
        postgres: Postgres,
        epochs: Epochs,
        keeper: Keeper,
        listener: Listener,
        probe: Probe,
        on_control: Callable[[str], None],
        on_amnesia: Callable[[], None],
    ) -> None:
        """Hand control rows, which travel in `commits` too, to `on_control`, some of them twice.

        `on_amnesia` is called when rows may have been missed for good: nothing that was verified before holds then.
        """
        self._postgres = postgres
        self._epochs = epochs
        self._keeper = keeper
        self._listener = listener
        self._probe = probe
        self._on_control = on_control
        self._on_amnesia = on_amnesia
        self._looked_at = float("-inf")
        self._hurry = asyncio.Event()
        self.looks = 0
        self.degraded_s = 0.0
        """For how long this process has been DEGRADED, all in all."""

    @property
    def age_s(self) -> float:
        """How long ago the last look began that has succeeded."""
        return asyncio.get_running_loop().time() - self._looked_at

    @property
    def is_stale(self) -> bool:
        """Whether durable delivery must wait: PostgreSQL has been out of reach for more than 2 s."""
        return is_stale(self.age_s)

    def is_stale_at(self, now: float) -> bool:
        """Tell the same of a moment that has been looked up already (loop time): a clock costs more than all the rest."""
        return is_stale(now - self._looked_at)

    @property
    def mode(self) -> Mode:
        """LIVE, or DEGRADED while Redis is silent or something may have been missed."""
        now = asyncio.get_running_loop().time()
        return mode(
            Signs(
                probe_heard=not self._probe.is_silent(now),
                all_confirmed=self._listener.all_confirmed,
                verified_since=not self._keeper.gap_seen,
            )
        )

    def hurry(self) -> None:
        """Look at once instead of after the pause: a gap has been noticed."""
        self._hurry.set()

    async def run(self) -> None:
        """Look again and again, until cancelled; a lost connection is opened anew, with a new baseline."""
        while True:
            try:
                await self._watch()
            except (*AWAY, asyncpg.PostgresError, Unavailable) as error:
                log.warning("audit_interrupted", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_S * (0.5 + random.random()))  # noqa: S311 - jitter

    async def _watch(self) -> None:
        connection = await self._postgres.connect(
            Role.AUDIT,
            application="roomlog-audit",
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
            lock_timeout_ms=STATEMENT_TIMEOUT_MS,
        )
        try:
            await self._epochs.check(connection)
            commits = CommitReader(connection)
            await self._begin(commits)
            while True:
                await self._pause()
                await self._look(commits)
        finally:
            connection.terminate()

    async def _begin(self, commits: CommitReader) -> None:
        """Take a baseline and only then verify: what commits in between is seen twice, not never."""
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            await commits.baseline()
            if began - self._looked_at > KEEP_S:
                # What has been revoked meanwhile cannot be told any more.
                self._on_amnesia()
            for control in await commits.controls():
                self._on_control(control)
            await self._keeper.verify()
        self._looked_at = began

    async def _look(self, commits: CommitReader) -> None:
        began = asyncio.get_running_loop().time()
        if began - self._looked_at > MAX_PAUSE_S:
            await self._begin(commits)
            return
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            gap = self._keeper.gap_seen
            visible = await commits.look()
            for control in visible.controls:
                self._on_control(control)
            self._keeper.on_heads(visible.heads, grace=self.mode is Mode.LIVE)
            if gap:
                await self._keeper.verify()
        if self.mode is Mode.DEGRADED:
            self.degraded_s += began - self._looked_at
        self._looked_at = began
        self.looks += 1
        await commits.trim(began)

    async def _pause(self) -> None:
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(interval_s(self.mode)):
                await self._hurry.wait()
