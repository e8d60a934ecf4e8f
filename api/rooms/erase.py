"""What is left of a deleted room goes, in steps."""

from sqlalchemy import text

from tenants.jobs import Job, Step
from tenants.postgres import Postgres

ROWS = 2_000
"""Rows in one step: a few tens of milliseconds."""

PURGE = text("SELECT purge_room_v1(:app, :room, :rows)")


async def erase_room(postgres: Postgres, job: Job) -> Step:
    """Take away the next rows of a room that has been deleted; its last event stays, to find a repeated deletion by."""
    values = {"app": job.app, "room": job.subject, "rows": ROWS}
    async with postgres.transaction(job.app) as connection:
        gone = int((await connection.execute(PURGE, values)).scalar_one())
    return Step(job.progress, gone, finished=gone == 0)
