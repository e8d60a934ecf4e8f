"""Processes below one, and whether they run: from `/proc`, or from `ps` where there is none."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")


def kill_all(pid: int) -> list[int]:
    """Kill a process and all below it at one stroke, so that none of them does anything on the end of another."""
    # It stands still, lest it begin new ones.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    doomed = [*below(pid), pid]
    for each in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return doomed


def below(pid: int) -> list[int]:
    """Give all processes below this one."""
    parents = [(each, parent) for each, parent, _ in _listed()]
    found = [pid]
    for known in found:
        found += [each for each, parent in parents if parent == known]
    return found[1:]


def are_gone(pids: Iterable[int], within_s: float) -> bool:
    """Wait until none of them runs; False: the time is over."""
    wanted, deadline = set(pids), time.monotonic() + within_s
    while wanted & {pid for pid, _, state in _listed() if state != "Z"}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _listed() -> Iterator[tuple[int, int, str]]:
    """Give each process with its parent and the first letter of its state."""
    if (PROC / "self" / "stat").exists():
        for path in PROC.iterdir():
            if path.name.isdigit():
                with contextlib.suppress(OSError):
                    state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
                    yield int(path.name), int(parent), state
    else:
        listed = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, parent, state = line.split()
            yield int(pid), int(parent), state[:1]
