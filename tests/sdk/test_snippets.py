"""What our pages show, run as a reader would: each example is a program of its own, against the real service."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snippets import Snippet, snippets
from tests.support.world import World

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "sdk" / "README.md", *sorted((ROOT / "openapi" / "guide").glob("*.md"))]
NOT_RUN = {
    "./dev ": "tests/ground starts it",
    "roomlog-server migrate ": "tests/walls migrates, tests/deploy checks and serves",
    "pip install ": "tests/wheels installs both, and runs the server",
}
"""What is run elsewhere, by the beginning of its first line, and where."""
AT_ONCE = 3
WITHIN_S = 60.0
SPEAKS_EVERY_S = 0.5
RUN = """
import ast, asyncio, inspect, json, sys
given = json.loads(sys.argv[1])
code = compile(sys.stdin.read(), "snippet", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
result = eval(code, {"__name__": "__main__", **given, "fetch_token": lambda: given["token"]})
if inspect.iscoroutine(result):
    asyncio.run(result)
"""


class Speaker:
    """Says something in the room again and again, each time something else."""

    def __init__(self, world: World) -> None:
        self.spoken = 0
        self._world = world

    async def run(self) -> None:
        while True:
            self.spoken += 1
            await self._world.app.say("general", f"This is number {self.spoken}.", "bob")
            await asyncio.sleep(SPEAKS_EVERY_S)

    def is_heard(self, line: str, since: int) -> bool:
        """Whether a line has what was said after number `since`."""
        return any(int(number) > since for number in re.findall(r"This is number (\d+)\.", line))


def is_a_test(snippet: Snippet) -> bool:
    """Whether pytest is to run it, as tests/sdk/test_testing.py has it do."""
    return "def test_" in snippet.text or "pytest.fixture" in snippet.text


def examples() -> list[Snippet]:
    found = [each for page in PAGES for each in snippets(page) if each.language in {"python", "sh"}]
    return [each for each in found if not each.text.startswith(tuple(NOT_RUN)) and not is_a_test(each)]


def prepared(folder: Path) -> Path:
    """Give a folder as a reader has it beside `./dev`."""
    folder.mkdir()
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".data").symlink_to(folder.parent / "data")
    return folder


async def run(snippet: Snippet, folder: Path, given: dict[str, str], speaker: Speaker) -> str | None:
    """Run it until it ends, or hears something that was said after its first line; gives what is the matter, if anything is."""
    command = [sys.executable, "-u", "-c", RUN, json.dumps(given)] if snippet.language == "python" else ["sh", "-eu"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "sdk"), "URL": given["url"], "TOKEN": given["token"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(snippet.text.encode())
    process.stdin.close()
    said, since = "", None
    try:
        async with asyncio.timeout(WITHIN_S):
            while line := await process.stdout.readline():
                said += line.decode()
                if since is not None and snippet.language == "python" and speaker.is_heard(line.decode(), since):
                    return None
                since = speaker.spoken if since is None else since
            await process.wait()
    except TimeoutError:
        return f"{snippet} has not ended:\n{said}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # curl ends well whatever it was answered.
    is_refused = snippet.language == "sh" and '"code":' in said
    return f"{snippet} failed:\n{said}" if process.returncode != 0 or is_refused else None


@pytest.mark.timeout(300)  # some twenty programs
async def test_every_example_runs(world: World, tmp_path: Path) -> None:
    """Each python or sh block of the READMEs and the guide ends well, or follows a room and hears what is said there."""
    assert shutil.which("curl"), "The pages show curl. On Debian: apt-get install curl"
    await world.app.room("general", ("alice", "bob"), name="General")
    tokens = {user: await world.app.token(user) for user in ("alice", "bob")}
    given = {"url": world.app.service.url, "key": world.app.key, "token": tokens["alice"]}
    told = {"url": given["url"], "users": [{"id": user, "token": token} for user, token in tokens.items()]}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dev.json").write_text(json.dumps(told))
    found, gate, speaker = examples(), asyncio.Semaphore(AT_ONCE), Speaker(world)

    async def one(number: int, snippet: Snippet) -> str | None:
        async with gate:
            return await run(snippet, prepared(tmp_path / str(number)), given, speaker)

    speaking = asyncio.create_task(speaker.run())
    try:
        complaints = [each for each in await asyncio.gather(*(one(*each) for each in enumerate(found))) if each]
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    assert not complaints, "\n".join(complaints)


def test_no_example_is_passed_over() -> None:
    """What is not run here stands on a page and is named with its reason, and each page of the guide has an example."""
    found = [each.text for page in PAGES for each in snippets(page)]
    assert all(any(text.startswith(start) for text in found) for start in NOT_RUN)
    assert all(any(each.language in {"python", "sh"} for each in snippets(page)) for page in PAGES)
