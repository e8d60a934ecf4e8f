"""A client of others' making: types from our document by a generator that we have no hand in, used as a stranger would."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.support.world import World

PROJECT = Path(__file__).parent
WITHIN_S = 60.0


async def npm(script: str, **more: str) -> str:
    """Run a script of the project; what it prints is shown if it fails."""
    process = await asyncio.create_subprocess_exec(
        *("npm", "run", "--silent", script),
        cwd=PROJECT,
        env={**os.environ, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, 9)
        raise
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_stranger_s_client_is_typed_whole_and_gets_what_it_was_promised(world: World) -> None:
    """Types made from the document alone narrow every answer, problem and frame, and the service answers as they say."""
    await npm("generate")
    await npm("check")
    said = await npm("round", ROOMLOG_URL=world.app.service.url, ROOMLOG_KEY=world.app.key)
    saw: dict[str, Any] = json.loads(said)
    assert saw == {
        "numbers": [1, 2, 3],
        "listed": [["one"], ["https://example.com/"], ["text/plain, 5 long"]],
        "dreamt": [["a part of a later version"]],
        "kinds": ["TEXT", "URL", "DATA"],
        "renamed": "Round and round",
        "stale": "precondition_failed",
        "nowhere": {"status": 404, "code": "room_not_found"},
        "gone": 204,
        "tombstone": True,
        "snapshot": 3,
        "polled": ["room.updated Square"],
        "deleted": 204,
    }
