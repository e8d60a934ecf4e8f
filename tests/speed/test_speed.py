"""The benchmark runs; what it finds is for people to read, not for a test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

SMALL = ["--seconds", "0.5", "--runs", "1", "--subscribers", "20", "--large", "200", "--idle", "50"]
WORKLOADS = {
    *("limit", "W1 socket", "W1 REST", "W2 N=20", "W2 N=20, one in flight"),
    *("W3", "W4 cold, nobody's", "W4 cold, live", "W4 warm, live", "W5"),
}


@pytest.mark.timeout(300)
def test_every_workload_runs_and_has_its_figures(tmp_path: Path) -> None:
    """Each of W1–W5 and each limit is measured, and none is zero."""
    found = tmp_path / "speed.json"
    command = [sys.executable, "-m", "tests.speed", *SMALL, "--json", found]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = json.loads(found.read_text())["rows"]
    assert {row["workload"] for row in rows} == WORKLOADS
    # Memory may happen not to grow, and what a process used in a short time is below the kernel's tick.
    assert all(row["value"] > 0 for row in rows if row["workload"] != "W5" and "of which" not in row["what"])
