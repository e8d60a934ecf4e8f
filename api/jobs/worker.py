"""The worker of this process: takes a job that nobody works on and does it step by step.

A step is short, is noted when it is done, and may be done twice without harm: a process that dies in the middle leaves
its job to another, which begins that step again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import structlog

from tenants.errors import Unavailable
from tenants.jobs import Job, JobKind, Step, advance_job, claim_job, fail_job
from tenants.postgres import Postgres

IDLE_S = 1.0
STEP_TIMEOUT_S = 20.0
"""Less than a claim lasts, so that two processes do the same step only if one of them stood still."""
RETRY_S = 1.0
MAX_RETRY_S = 300.0

Do = Callable[[Job], Awaitable[Step]]

log = structlog.get_logger()


class Worker:
    """Does jobs, one at a time."""

    def __init__(self, postgres: Postgres, steps: Mapping[JobKind, Do]) -> None:
        """Do each kind of job by its `steps`."""
        self._postgres = postgres
        self._steps = steps
        self.finished = 0
        self.failed = 0

    async def run(self) -> None:
        """Work, until cancelled."""
        while True:
            try:
                job = await claim_job(self._postgres)
                if job is not None:
                    await self._do(job)
                    continue
            except Unavailable:
                log.debug("jobs_wait")
            await asyncio.sleep(IDLE_S)

    async def _do(self, job: Job) -> None:
        step = Step(job.progress, 0, finished=False)
        while not step.finished:
            try:
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    step = await self._steps[job.kind](_at(job, step))
            except Unavailable as error:
                log.warning("job_waits", job=job.id, kind=job.kind)
                await self._put_off(job, error)
                return
            except Exception as error:  # a job that cannot be done must neither end the worker nor hold up the others
                self.failed += 1
                log.exception("job_failed", job=job.id, kind=job.kind, attempts=job.attempts)
                await self._put_off(job, error)
                return
            await advance_job(self._postgres, job, step)
        self.finished += 1

    async def _put_off(self, job: Job, error: Exception) -> None:
        """Note why a job could not go on; the longer it cannot, the later it is taken up again."""
        retry_s = min(MAX_RETRY_S, RETRY_S * 2 ** min(job.attempts, 10))
        await fail_job(self._postgres, job, repr(error), retry_s=retry_s)


def _at(job: Job, step: Step) -> Job:
    return replace(job, progress=step.progress)
