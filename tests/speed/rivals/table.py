"""The table: each figure of every system in a row, and how far Roomlog is ahead."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.speed.machine import BUSY
from tests.speed.report import machine

OURS = "Roomlog"
PER_S, CPU, P50, P99, KIB = "per s", "CPU ms per 1,000", "p50 ms", "p99 ms", "KiB per connection"
LOAD = "driver's load"


@dataclass(frozen=True)
class Figure:
    """One figure of one system."""

    workload: str
    what: str
    system: str
    value: float

    def text(self) -> str:
        """Write the value, and whether it is the driver's rather than the system's."""
        limited = self.what == LOAD and self.value > BUSY
        return (f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.3g}") + (" LIMITED" if limited else "")


@dataclass
class Table:
    """All figures of one run."""

    seconds: float
    runs: int
    command: str
    figures: list[Figure] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        """Take a figure, and show it at once."""
        self.figures.append(figure)
        print(f"{figure.system:<24} {figure.workload:<24} {figure.what:<20} {figure.text():>12}", flush=True)

    def markdown(self) -> str:
        """Write the table."""
        systems = list(dict.fromkeys(each.system for each in self.figures))
        rivals = [name for name in systems if name != OURS] if OURS in systems else []
        head = ["workload", "figure", *systems, *(f"{OURS} to {name}" for name in rivals)]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        rows: dict[tuple[str, str], dict[str, Figure]] = {}
        for each in sorted(self.figures, key=lambda each: each.workload):
            rows.setdefault((each.workload, each.what), {})[each.system] = each
        for (workload, what), found in rows.items():
            texts = [found[name].text() if name in found else "" for name in systems]
            ratios = [_ratio(found.get(OURS), found.get(name)) for name in rivals]
            lines.append("| " + " | ".join([workload, what, *texts, *ratios]) + " |")
        return "\n".join(lines)

    def page(self) -> str:
        """Write the page with the machine, the date, the versions and the command."""
        versions = "\n".join(f"- {name} {version}" for name, version in self.versions.items())
        return (
            "# Rivals\n"
            f"`{self.command}`, {time.strftime('%Y-%m-%d')}, {machine()}; medians of {self.runs} runs of {self.seconds:g} s.\n"
            "One core carries a system's whole server side, its database included, the other one the driver; the systems run\n"
            "one after the other. A ratio above 1 means that Roomlog is better: more per second, or less of what is used up.\n"
            "Every PostgreSQL is the same and waits for the disk before it says that something is stored. To repeat it on Debian:\n"
            "`apt-get install ejabberd erlang-p1-pgsql nodejs npm`, and the command.\n\n"
            f"{versions}\n\n"
            f"{self.markdown()}\n\n"
            "The workloads are defined in [workloads.py](../workloads.py), the rivals in [ejabberd.yml](ejabberd.yml) and\n"
            "[server.mjs](socketio/server.mjs). To their advantage: neither knows a repeated send from a new one, nor writes an\n"
            "audit; Socket.IO's server asks nobody who they are; ejabberd keeps the last 50 messages of a room in memory, checks\n"
            "passwords that are not hashed, and tells nobody who else comes and goes. To their disadvantage: ejabberd is the one\n"
            "that Debian ships, and reaches PostgreSQL by TCP, for it knows no Unix sockets.\n"
        )

    def write_json(self, path: Path) -> None:
        """Write everything for machines."""
        rows = [asdict(each) for each in self.figures]
        whole = {
            "machine": machine(),
            "at": time.time(),
            "versions": self.versions,
            "command": self.command,
            "rows": rows,
        }
        path.write_text(json.dumps(whole, indent=1) + "\n")


def _ratio(ours: Figure | None, theirs: Figure | None) -> str:
    if ours is None or theirs is None or ours.what == LOAD or ours.value <= 0 or theirs.value <= 0:
        return ""
    ratio = ours.value / theirs.value if ours.what == PER_S else theirs.value / ours.value
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"
