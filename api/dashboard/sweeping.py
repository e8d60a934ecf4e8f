"""Sweeping: sessions and mail tokens that have ended by themselves are taken out of the database, a batch at a time."""

import asyncio

import structlog

from tenants import mails, sessions
from tenants.errors import Unavailable
from tenants.postgres import Postgres

EVERY_S = 60.0

log = structlog.get_logger()


async def sweep_people(postgres: Postgres) -> None:
    """Sweep until cancelled; none of what goes holds any more, so nothing waits for it."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await sessions.sweep(postgres)
            await mails.sweep(postgres)
        except Unavailable as error:
            log.warning("people_not_swept", cause=repr(error.__cause__))
