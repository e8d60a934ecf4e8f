"""Epochs: the unbroken lives of a database, told apart so that a lost tail is never silently written anew.

PostgreSQL begins a new timeline when a standby is promoted or a backup restored, and may then give a number a second
time that it gave before to something since lost. So each life is a row of the table `epochs`, each event stores its
epoch, and each cursor names the epoch of its event. Every connection that writes or audits compares its server with the
newest row first.
"""

import secrets

import asyncpg
import structlog

from api.ids import Epoch
from tenants.errors import Unavailable

HERE = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
       substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline
"""
KNOWN = "SELECT ordinal, tag, system_identifier, timeline FROM epochs ORDER BY ordinal"
# Two processes that meet a new life at once both try the next ordinal; the second finds the first one's row.
BEGIN = "SELECT begin_epoch_v1($1, $2)"

log = structlog.get_logger()


class Epochs:
    """What this process knows of the epochs of its database."""

    def __init__(self) -> None:
        """Know none yet: `check` a connection first."""
        self._tags: dict[int, int] = {}

    @property
    def newest(self) -> Epoch:
        """The epoch in which this process writes; raises `Unavailable` before the first `check`."""
        if not self._tags:
            raise Unavailable
        ordinal = max(self._tags)
        return Epoch(ordinal, self._tags[ordinal])

    def by_ordinal(self, ordinal: int) -> Epoch:
        """Give the epoch of a row; raises `Unavailable` while this process has not heard of it, a moment at most."""
        tag = self._tags.get(ordinal)
        if tag is None:
            raise Unavailable
        return Epoch(ordinal, tag)

    def knows(self, epoch: Epoch) -> bool:
        """Tell whether the database has lived through this epoch."""
        return self._tags.get(epoch.ordinal) == epoch.tag

    async def check(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Compare a connection's server with the newest epoch, and begin a new one if it is another life.

        Raises `Unavailable` if the server stands before an epoch that this process has already seen: an old primary
        that came back must not be written to.
        """
        here = await connection.fetchrow(HERE)
        if here is None:
            raise Unavailable
        rows = await connection.fetch(KNOWN)
        newest = rows[-1] if rows else None
        if newest is None or (newest["system_identifier"], newest["timeline"]) != tuple(here):
            self._refuse_the_past(rows)
            ordinal = 1 if newest is None else newest["ordinal"] + 1
            await connection.execute(BEGIN, ordinal, secrets.randbits(32))
            rows = await connection.fetch(KNOWN)
            # The first one is no news; another one means a failover or a restored backup.
            say = log.info if newest is None else log.warning
            say("epoch_began", ordinal=ordinal, timeline=here["timeline"])
        self._refuse_the_past(rows)
        self._tags = {row["ordinal"]: row["tag"] for row in rows}

    @staticmethod
    async def standing(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[int | None, bool]:
        """Give the newest epoch, and whether the server still lives in it; begins none."""
        here = await connection.fetchrow(HERE)
        rows = await connection.fetch(KNOWN)
        if not rows or here is None:
            return None, False
        newest = rows[-1]
        return newest["ordinal"], (newest["system_identifier"], newest["timeline"]) == tuple(here)

    def _refuse_the_past(self, rows: list[asyncpg.Record]) -> None:
        if self._tags and (not rows or rows[-1]["ordinal"] < max(self._tags)):
            log.error("database_of_the_past", seen=max(self._tags))
            raise Unavailable
