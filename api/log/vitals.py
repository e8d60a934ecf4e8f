"""The vitals of the database: what becomes slow or dangerous there long before anything fails."""

import asyncio

import structlog

from tenants.errors import ServiceError
from tenants.postgres import Postgres
from tenants.roles import Role

EVERY_S = 15.0
# Transactions in progress are counted in snapshots, for those of other users show in no other way to an ordinary one; and
# it is numbers, not seconds, that the audit's look grows with.
VITALS = """
SELECT (pg_snapshot_xmax(s.snapshot)::text::bigint - pg_snapshot_xmin(s.snapshot)::text::bigint)::float8 AS xids_in_progress,
       (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
          FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS oldest_transaction_seconds,
       (SELECT count(*)::float8 FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::float8 AS max_connections,
       (SELECT age(datfrozenxid)::float8 FROM pg_database WHERE datname = current_database()) AS frozen_age_xids,
       (SELECT count(*)::float8 FROM pg_replication_slots WHERE NOT active) AS slots_inactive,
       (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::float8
          FROM pg_replication_slots) AS slots_retained_bytes,
       (SELECT count(*)::float8 FROM pg_stat_replication) AS standbys,
       (SELECT coalesce(max(extract(epoch FROM replay_lag)), 0)::float8 FROM pg_stat_replication) AS replay_lag_seconds,
       (SELECT count(*)::float8 FROM commits) AS commits_kept
  FROM (SELECT pg_current_snapshot() AS snapshot) s
"""

log = structlog.get_logger()


class Vitals:
    """The latest figures; of an hour ago if the database has been away so long, which the audit's age tells."""

    def __init__(self, postgres: Postgres) -> None:
        """Read through `postgres`."""
        self._postgres = postgres
        self.figures: dict[str, float] = {}

    async def run(self) -> None:
        """Read every 15 s until cancelled."""
        while True:
            try:
                await self.read()
            except ServiceError:
                log.info("no_vitals")
            await asyncio.sleep(EVERY_S)

    async def read(self) -> None:
        """Read once; raises `Unavailable`."""
        rows = await self._postgres.survey(Role.AUDIT, VITALS)
        self.figures = {name: float(value) for name, value in rows[0].items()}
