"""Jobs: work that goes on in the background, in small steps, wherever a process has time, until it is done."""

import secrets
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.clock import to_rfc3339
from tenants.errors import NotFound
from tenants.ids import AppId, to_base62
from tenants.postgres import Postgres
from tenants.scope import Scope

JobKind = Literal["delete_user", "delete_room", "delete_app"]

CLAIM_S = 30
"""For how long a claim lasts without a step; then another process may take the job."""
PREFIX = "job_"
WIDTH = 11

INSERT = text("""
INSERT INTO jobs (app_id, job, kind, subject, redact) VALUES (:app, :job, :kind, :subject, :redact) RETURNING *
""")
CLAIM = text("""
UPDATE jobs SET claimed_until = now() + make_interval(secs => :seconds), attempts = attempts + 1
 WHERE (app_id, job) = (SELECT app_id, job FROM jobs WHERE finished_at IS NULL AND claimed_until < now()
                         ORDER BY claimed_until, created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *
""")
ADVANCE = text("""
UPDATE jobs SET progress = :progress, done = done + :done, fault = NULL,
       finished_at = CASE WHEN :finished THEN now() END,
       claimed_until = now() + make_interval(secs => :seconds)
 WHERE app_id = :app AND job = :job AND finished_at IS NULL
""")
FAIL = text("""
UPDATE jobs SET fault = :fault, claimed_until = now() + make_interval(secs => :seconds)
 WHERE app_id = :app AND job = :job AND finished_at IS NULL
""")
GET = text("SELECT * FROM jobs WHERE app_id = :app AND job = :job")

APP_JOB = text("SELECT * FROM jobs WHERE app_id = :app AND kind = 'delete_app' LIMIT 1")


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands."""

    app: AppId
    number: int
    kind: JobKind
    subject: int
    redact: bool
    progress: int
    done: int
    attempts: int
    created_at: str
    finished_at: str | None
    fault: str | None

    @property
    def id(self) -> str:
        """Spell the job's id."""
        return PREFIX + to_base62(self.number, WIDTH)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step has done, and where the next one begins."""

    progress: int
    done: int
    finished: bool


async def insert_job(
    connection: AsyncConnection, app: AppId, kind: JobKind, subject: int, *, redact: bool = False
) -> Job:
    """Add a job to the transaction that makes it necessary."""
    values = {"app": app, "job": secrets.randbits(63), "kind": kind, "subject": subject, "redact": redact}
    return _job((await connection.execute(INSERT, values)).one())


async def claim_job(postgres: Postgres) -> Job | None:
    """Take a job that nobody works on, for 30 s from its last step on; None if there is none."""
    async with postgres.ground() as connection:
        row = (await connection.execute(CLAIM, {"seconds": CLAIM_S})).one_or_none()
    return None if row is None else _job(row)


async def advance_job(postgres: Postgres, job: Job, step: Step) -> None:
    """Note a step."""
    values = {
        "app": job.app,
        "job": job.number,
        "progress": step.progress,
        "done": step.done,
        "finished": step.finished,
        "seconds": CLAIM_S,
    }
    async with postgres.transaction(job.app) as connection:
        await connection.execute(ADVANCE, values)


async def fail_job(postgres: Postgres, job: Job, fault: str, *, retry_s: float) -> None:
    """Note why a step did not come about; the job is taken up again after `retry_s`."""
    values = {"app": job.app, "job": job.number, "fault": fault, "seconds": retry_s}
    async with postgres.transaction(job.app) as connection:
        await connection.execute(FAIL, values)


async def get_job(postgres: Postgres, scope: Scope, number: int) -> Job:
    """Give a job of this app; raises `NotFound`."""
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(GET, {"app": scope.app, "job": number})).one_or_none()
    if row is None:
        raise NotFound
    return _job(row)


async def find_app_job(connection: AsyncConnection, app: AppId) -> Job:
    """Give the job that deletes an app; raises `NotFound` if there is none."""
    row = (await connection.execute(APP_JOB, {"app": app})).one_or_none()
    if row is None:
        raise NotFound
    return _job(row)


def _job(row: Any) -> Job:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return Job(
        app=AppId(row.app_id),
        number=row.job,
        kind=row.kind,
        subject=row.subject,
        redact=row.redact,
        progress=row.progress,
        done=row.done,
        attempts=row.attempts,
        created_at=to_rfc3339(row.created_at),
        finished_at=None if row.finished_at is None else to_rfc3339(row.finished_at),
        fault=row.fault,
    )
