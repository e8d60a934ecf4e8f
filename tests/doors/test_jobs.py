"""Jobs: done to their end, whatever becomes of the process that began them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from api.embedded import Servers
from api.jobs.worker import Worker
from api.migrate import migrate
from tenants.accounts import create_tenant
from tenants.apps import create_app
from tenants.errors import Unavailable
from tenants.jobs import Job, Step, claim_job, get_job, insert_job
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.sealing import MasterKeys
from tests.support.databases import new_database
from tests.support.processes import FENCE, ROOT

LAPSE = text("UPDATE jobs SET claimed_until = now() - interval '1 second' WHERE app_id = :app")
STEPS = 5


@pytest.fixture
async def postgres(stores: Servers) -> AsyncIterator[Postgres]:
    """A database of the test's own: a service beside it would take up its jobs."""
    url = await new_database(stores, "jobs")
    await asyncio.to_thread(migrate, url, ROOT / "migrations")
    async with Postgres.open(url, fence_all=FENCE == "all") as opened:
        yield opened


@pytest.fixture
async def scope(postgres: Postgres, environment: dict[str, str]) -> Scope:
    """An app of the test's own."""
    master_keys = MasterKeys.parse(environment["ROOMLOG_MASTER_KEYS"])
    tenant = await create_tenant(postgres, "T")
    return (await create_app(postgres, master_keys, tenant.id, "A", "test")).scope


async def new_job(postgres: Postgres, scope: Scope) -> Job:
    async with postgres.transaction(scope) as connection:
        return await insert_job(connection, scope.app, "delete_user", 1)


async def lapse(postgres: Postgres, scope: Scope) -> None:
    async with postgres.transaction(scope) as connection:
        await connection.execute(LAPSE, {"app": scope.app})


async def until_finished(postgres: Postgres, scope: Scope, job: Job) -> Job:
    async with asyncio.timeout(10):
        while (found := await get_job(postgres, scope, job.number)).finished_at is None:
            await asyncio.sleep(0.02)
    return found


async def test_a_job_of_a_dead_process_is_gone_on_with_where_it_stood(postgres: Postgres, scope: Scope) -> None:
    """Its claim lapses, and another process begins with the step that was not noted."""
    job = await new_job(postgres, scope)
    seen: list[int] = []
    reached = asyncio.Event()

    async def die_at_two(at: Job) -> Step:
        seen.append(at.progress)
        if at.progress == 2:
            reached.set()
            await asyncio.Event().wait()
        return Step(at.progress + 1, 1, finished=False)

    async def go_on(at: Job) -> Step:
        seen.append(at.progress)
        return Step(at.progress + 1, 1, finished=at.progress + 1 == STEPS)

    first = asyncio.create_task(Worker(postgres, {"delete_user": die_at_two}).run())
    async with asyncio.timeout(15):
        await reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await claim_job(postgres) is None
    await lapse(postgres, scope)
    second = asyncio.create_task(Worker(postgres, {"delete_user": go_on}).run())
    found = await until_finished(postgres, scope, job)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert seen == [0, 1, 2, 2, 3, 4]
    assert (found.done, found.attempts) == (STEPS, 2)


async def test_a_job_that_fails_is_tried_again_and_holds_up_no_other(postgres: Postgres, scope: Scope) -> None:
    """Its fault is noted, the others are done meanwhile, and it is taken up again later."""
    bad, good = await new_job(postgres, scope), await new_job(postgres, scope)
    broken = True

    async def step(at: Job) -> Step:
        if at.number == bad.number and broken:
            msg = "cannot be done yet"
            raise RuntimeError(msg)
        return Step(0, 1, finished=True)

    worker = Worker(postgres, {"delete_user": step})
    running = asyncio.create_task(worker.run())
    await until_finished(postgres, scope, good)
    async with asyncio.timeout(15):
        while (found := await get_job(postgres, scope, bad.number)).fault is None:
            await asyncio.sleep(0.02)
    assert "cannot be done yet" in found.fault
    broken = False
    await lapse(postgres, scope)
    assert (await until_finished(postgres, scope, bad)).fault is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_job_is_claimed_by_one_at_a_time(postgres: Postgres, scope: Scope) -> None:
    """Of many who ask at once, one gets it."""
    job = await new_job(postgres, scope)
    claims = await asyncio.gather(*(claim_job(postgres) for _ in range(4)))
    assert [claim.number for claim in claims if claim is not None] == [job.number]


async def test_a_job_that_waits_for_the_database_is_no_failed_one(postgres: Postgres, scope: Scope) -> None:
    """It is taken up again later, and nobody is woken up for it."""
    job = await new_job(postgres, scope)
    away = [True]

    async def step(_: Job) -> Step:
        if away:
            away.clear()
            raise Unavailable(retry_after_s=1.0)
        return Step(0, 1, finished=True)

    worker = Worker(postgres, {"delete_user": step})
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(15):
        while (await get_job(postgres, scope, job.number)).fault is None:
            await asyncio.sleep(0.02)
    await lapse(postgres, scope)
    await until_finished(postgres, scope, job)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (worker.finished, worker.failed) == (1, 0)
