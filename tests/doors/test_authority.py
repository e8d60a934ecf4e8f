"""Who asks: looked up once for all who wait for it."""

import asyncio
import gc
from typing import Any

import pytest

from tenants.authority import Authority
from tenants.errors import Unavailable
from tests.support.inside import inside


async def test_a_look_that_nobody_waits_for_any_more_fails_in_silence(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client has gone, then the database: that is nobody's fault, and no stack for our log."""
    asked, away = asyncio.Event(), asyncio.Event()

    async def look(_: Authority, __: str) -> Any:
        asked.set()
        await away.wait()
        raise Unavailable(retry_after_s=1.0)

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    monkeypatch.setattr(Authority, "_verify_token", look)
    async with inside(environment) as here:
        authority = here.wiring.authority
        waiting = asyncio.create_task(authority.authenticate("a token"))
        await asked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        looks = list(authority._under_way.values())
        away.set()
        await asyncio.wait(looks)
        assert not authority._under_way
        del looks, waiting
        gc.collect()
    assert complaints == []
