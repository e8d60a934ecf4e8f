"""A process whose eye on the database has been shut: what was revoked meanwhile holds no more when it opens again."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from api.log import commits
from api.tails import audit
from tenants.authority import MAX_REMEMBERED
from tenants.errors import Unauthenticated
from tenants.keys import create_key, revoke_key
from tests.support.inside import Inside

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'roomlog-audit'"


async def cut(here: Inside) -> None:
    """End the audit's connection; it opens another, and begins anew."""
    looks = here.wiring.audit.looks
    async with here.as_owner() as connection:
        await connection.execute(text(TERMINATE))
    async with asyncio.timeout(10):
        while here.wiring.audit.looks <= looks + 1:
            await asyncio.sleep(0.01)


async def test_controls_of_a_lost_connection_are_read_again(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was revoked between two looks of which the second never came is forgotten all the same."""
    wiring = here.wiring
    key, spelt = await create_key(wiring.postgres, wiring.pepper, here.scope.app, "k")
    await wiring.authority.authenticate(spelt)
    blind = asyncio.Event()

    async def look(reader: commits.CommitReader) -> commits.Visible:
        await reader._connection.fetch("SELECT 1")
        blind.set()
        return commits.Visible(heads=[], controls=[])

    with monkeypatch.context() as patch:
        # Looks that see nothing, as if the connection had been lost with each answer.
        patch.setattr(commits.CommitReader, "look", look)
        async with asyncio.timeout(15):
            await blind.wait()
        await revoke_key(wiring.postgres, here.scope.app, key.number)
        assert (await wiring.authority.authenticate(spelt)).caller.key == key.number
        await cut(here)
    with pytest.raises(Exception, match="valid API key"):
        await wiring.authority.authenticate(spelt)


async def test_after_too_long_everybody_comes_again(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once control rows may be gone for good, nothing that was verified holds: connections end, and may resume."""
    monkeypatch.setattr(audit, "KEEP_S", -1.0)
    wiring = here.wiring
    _, spelt = await create_key(wiring.postgres, wiring.pepper, here.scope.app, "k")
    who = await wiring.authority.authenticate(spelt)
    async with here.reading() as reading:
        wiring.connections.add(reading.connection, who)
        await cut(here)
        async with asyncio.timeout(15):
            while reading.connection.close_code is None:
                await asyncio.sleep(0.01)
        assert reading.connection.close_code == 1012
        wiring.connections.remove(reading.connection)


async def test_who_guesses_pushes_nobody_out(here: Inside) -> None:
    """However many credentials are refused, one that holds stays known."""
    wiring = here.wiring
    _, spelt = await create_key(wiring.postgres, wiring.pepper, here.scope.app, "k")
    await wiring.authority.authenticate(spelt)
    for number in range(MAX_REMEMBERED + 1):
        with contextlib.suppress(Unauthenticated):
            await wiring.authority.authenticate(f"guess {number}")
    assert wiring.authority.remembers(spelt)
