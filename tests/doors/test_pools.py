"""Connections are lent out, and an end is set to waiting for one."""

import contextlib

import pytest

from tenants.errors import Unavailable
from tenants.ids import AppId
from tenants.postgres import CONTROL_POOL_SIZE, Postgres


async def test_who_waits_too_long_for_a_connection_is_told_to_come_back(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are out, and none is opened beyond them: 503 to whoever comes, and no fault of ours."""
    monkeypatch.setattr(postgres._pools.control.pool, "_timeout", 0.1)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(CONTROL_POOL_SIZE):
            await held.enter_async_context(postgres.transaction(AppId(1)))
        with pytest.raises(Unavailable):
            async with postgres.transaction(AppId(1)):
                pass
    async with postgres.transaction(AppId(1)):
        pass
