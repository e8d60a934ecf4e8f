"""The machine that a benchmark runs on: one core for the servers, one for the driver, and who used how much of them."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BUSY = 0.9
"""A driver that used more of its core than this has measured itself."""


def cores() -> tuple[int, int]:
    """Give the servers' core and the driver's; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on one core, and have what is started meanwhile stay on it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _own_s(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = _stat(pid)
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return 0.0


def _with_children_s(pid: int) -> float:
    fields = _stat(pid)
    own_and_ended = sum(int(fields[place]) for place in range(11, 15)) / TICKS_PER_S
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own_and_ended + sum(_own_s(int(child)) for child in children)


def resident_bytes(pid: int) -> int:
    """Give what a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


@dataclass(frozen=True)
class Servers:
    """The server side's processes."""

    service: int
    postgres: int
    """The postmaster; its backends are its children."""
    redis: int

    def cpu_s(self) -> dict[str, float]:
        """Give the CPU seconds that each has used so far."""
        return {
            "service": _own_s(self.service),
            "postgres": _with_children_s(self.postgres),
            "redis": _own_s(self.redis),
        }


@dataclass
class Span:
    """A stretch of time, and what was used in it."""

    wall_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    driver_load: float = 0.0
    """The share of its core that the driver used."""

    @property
    def server_cpu_s(self) -> float:
        return sum(self.cpu_s.values())


@contextlib.contextmanager
def measured(servers: Servers) -> Iterator[Span]:
    """Fill a span with what is used until the block ends."""
    span = Span()
    before, driver, began = servers.cpu_s(), time.process_time(), time.perf_counter()
    yield span
    span.wall_s = time.perf_counter() - began
    span.driver_load = (time.process_time() - driver) / span.wall_s
    span.cpu_s = {name: used - before[name] for name, used in servers.cpu_s().items()}
