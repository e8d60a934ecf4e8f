"""The table: each figure of every system in a row, and how far Roomlog is ahead."""

import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.speed.machine import BUSY
from tests.speed.report import machine

OURS = "Roomlog"
PER_S, CPU, P50, P99, KIB = "per s", "CPU ms per 1,000", "p50 ms", "p99 ms", "KiB per connection"
LOAD = "driver's load"
READING = """\
One core carries a system's whole server side, its database included, the other one the driver. In each run the systems take
turns, each with servers started anew. A ratio above 1 means that Roomlog is better: more per second, or less of what is used
up. Every PostgreSQL is the same and waits for the disk before it says that something is stored.

To repeat it on Debian: `apt-get install ejabberd erlang-p1-pgsql nodejs npm`, and the command.
"""
FAIRNESS = """\
The workloads are defined in [workloads.py](../workloads.py), the rivals in [ejabberd.yml](ejabberd.yml) and
[server.mjs](socketio/server.mjs).
- To the rivals' advantage: neither knows a repeated send from a new one, nor writes an audit. Socket.IO's server asks nobody
  who they are. ejabberd keeps the last 50 messages of a room in memory, checks passwords that are not hashed, and tells nobody
  who else comes and goes.
- To their disadvantage: ejabberd is the one that Debian ships, and reaches PostgreSQL by TCP, for it knows no Unix sockets.
"""


@dataclass
class Figure:
    """One figure of one system, in each run."""

    workload: str
    what: str
    system: str
    values: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def text(self) -> str:
        """Write the median, and whether the driver was too busy for the workload to tell much of the system."""
        return _number(self.value) + (" LIMITED" if self.what == LOAD and self.value > BUSY else "")


@dataclass
class Table:
    """All figures of all runs."""

    seconds: float
    runs: int
    command: str
    figures: dict[tuple[str, str, str], Figure] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, workload: str, what: str, system: str, value: float) -> None:
        """Take a figure of one run, and show it at once."""
        key = (workload, what, system)
        self.figures.setdefault(key, Figure(*key)).values.append(value)
        print(f"{system:<24} {workload:<24} {what:<20} {_number(value):>12}", flush=True)

    def markdown(self) -> str:
        """Write the table."""
        systems = list(dict.fromkeys(each.system for each in self.figures.values()))
        rivals = [name for name in systems if name != OURS] if OURS in systems else []
        head = ["workload", "figure", *systems, *(f"{OURS} to {name}" for name in rivals)]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        rows: dict[tuple[str, str], dict[str, Figure]] = {}
        for each in sorted(self.figures.values(), key=lambda each: each.workload):
            rows.setdefault((each.workload, each.what), {})[each.system] = each
        for (workload, what), found in rows.items():
            ratios = [_ratio(found[OURS], found[name]) for name in rivals]
            lines.append("| " + " | ".join([workload, what, *(found[name].text() for name in systems), *ratios]) + " |")
        return "\n".join(lines)

    def page(self) -> str:
        """Write the page with the machine, the date, the versions and the command."""
        versions = "\n".join(f"- {name} {version}" for name, version in self.versions.items())
        ran = f"`{self.command}`, {time.strftime('%Y-%m-%d')}, {machine()}; medians of {self.runs} runs of {self.seconds:g} s."
        return f"# Rivals\n{ran}\n{READING}\n{versions}\n\n{self.markdown()}\n\n{FAIRNESS}"

    def write_json(self, path: Path) -> None:
        """Write everything for machines, each run's figures too."""
        rows = [{**asdict(each), "value": each.value} for each in self.figures.values()]
        ran = {"machine": machine(), "at": time.time(), "versions": self.versions, "command": self.command}
        path.write_text(json.dumps({**ran, "rows": rows}, indent=1) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(ours: Figure, theirs: Figure) -> str:
    if ours.what == LOAD or ours.value <= 0 or theirs.value <= 0:
        return ""
    ratio = ours.value / theirs.value if ours.what == PER_S else theirs.value / ours.value
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"
