"""Each rival is really driven: what counts is in its database. Takes the rivals' software, and is no part of the gate.

Run it with `./test tests/speed/rivals/test_rivals.py`; where a rival's software is missing it fails.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest

from tests.speed.machine import cores
from tests.speed.rivals.ejabberd import ejabberd
from tests.speed.rivals.rival import LAST
from tests.speed.rivals.servers import new_folder
from tests.speed.rivals.socket_io import install, socket_io
from tests.speed.rivals.workloads import LARGE, Driven
from tests.speed.workloads import TEXT
from tests.support.processes import ROOT

SMALL = ["--seconds", "1", "--runs", "1", "--subscribers", "20", "--large", "100", "--idle", "200"]
COMMAND = [sys.executable, "-m", "tests.speed.rivals"]
SYSTEMS = {"Roomlog", "ejabberd", "Socket.IO + PostgreSQL"}
WORKLOADS = {"W1", "W2 N=20", "W2 N=20, one in flight", "W3", "W4 cold", "W4 warm", "W5"}
SUBSCRIBERS = 5
MESSAGES = 60

Start = Callable[[Path, int, float], AbstractAsyncContextManager[Driven]]


@pytest.mark.parametrize(
    ("start", "stored"),
    [
        pytest.param(
            ejabberd, "SELECT txt FROM archive WHERE username LIKE $1 || '%@conference.localhost'", id="ejabberd"
        ),
        pytest.param(socket_io, "SELECT text FROM messages WHERE room LIKE $1 || '%'", id="socketio"),
    ],
)
async def test_what_counts_is_stored(start: Start, stored: str) -> None:
    """Each message that counts, and each that is delivered, is in the rival's PostgreSQL, whole; and opening brings the last."""
    install()
    core, _ = cores()
    with new_folder() as folder:
        async with start(folder, core, 1.0) as rival:
            sent = await rival.w1()
            delivered = await rival.w2(SUBSCRIBERS)
            steady = await rival.w3()
            await rival.w4_room(MESSAGES)
            guest = await rival.wire.open()
            history = await rival.wire.join(guest, LARGE)
            guest.close()
            connection = await asyncpg.connect(rival.postgres.url)
            texts = {
                room: [row[0] for row in await connection.fetch(stored, room)] for room in ("w1", "w2", "w3", LARGE)
            }
            await connection.close()
    assert set(texts["w1"]) == set(texts["w2"]) == set(texts[LARGE]) == {TEXT}
    assert 0 < sent.count <= len(texts["w1"])
    assert 0 < delivered.count <= SUBSCRIBERS * len(texts["w2"])
    assert sorted(texts["w3"]) == sorted(f"#{number}" for number in range(100))
    assert steady.count == 10 * len(texts["w3"])
    assert len(texts[LARGE]) == MESSAGES
    assert history.count(TEXT.encode()) == LAST
    assert sent.span.driver_load > 0
    assert sent.span.cpu_s["service"] > 0
    assert sent.span.cpu_s["postgres"] > 0


@pytest.mark.timeout(300)
def test_each_workload_is_measured_on_each_system(tmp_path: Path) -> None:
    """Each of W1–W5 has its figures on each system, none of them is zero, and the table shows how they compare."""
    found = tmp_path / "rivals.json"
    ended = subprocess.run(
        [*COMMAND, *SMALL, "--json", found], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    said = json.loads(found.read_text())
    assert {(row["workload"], row["system"]) for row in said["rows"]} == {(w, s) for w in WORKLOADS for s in SYSTEMS}
    assert set(said["versions"]) == SYSTEMS | {"PostgreSQL"}
    # Memory may happen not to grow.
    assert all(row["value"] > 0 for row in said["rows"] if row["workload"] != "W5")
    assert re.search(r"\| W1 \| per s \|( [\d,.]+ \|){3}( [\d.]+× \|){2}", ended.stdout)


def test_what_is_missing_is_said_in_a_sentence() -> None:
    """Without a rival's software the command says how to install it, and nothing else."""
    environment = {**os.environ, "PATH": "/nonexistent"}
    for system, package in (("ejabberd", "ejabberd"), ("socketio", "nodejs")):
        ended = subprocess.run(
            [*COMMAND, "--systems", system], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 1
        assert re.fullmatch(rf".+ On Debian: apt-get install .*{package}.*\n", ended.stderr), ended.stderr
