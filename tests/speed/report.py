"""The table: each figure beside its goal and beside what this machine can do at best."""

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.speed.machine import BUSY


@dataclass(frozen=True)
class Goal:
    """What a figure is to reach, from above or from below."""

    value: float
    at_least: bool

    def is_reached(self, figure: float) -> bool:
        """Tell whether a figure is as good as this."""
        return figure >= self.value if self.at_least else figure <= self.value


@dataclass(frozen=True)
class Row:
    """One figure."""

    workload: str
    what: str
    value: float
    goal: Goal | None = None
    limit: float | None = None
    """What the machine can do at best, in the same unit."""
    driver_load: float = 0.0

    @property
    def is_the_driver_s(self) -> bool:
        """Whether the driver was too busy for this to be a figure of the service."""
        return self.driver_load > BUSY

    def cells(self) -> list[str]:
        """Give the table's cells."""
        goal = "" if self.goal is None else f"{'≥' if self.goal.at_least else '≤'} {_number(self.goal.value)}"
        reached = "" if self.goal is None else ("yes" if self.goal.is_reached(self.value) else "no")
        ratio = "" if self.limit is None else f"{min(self.value, self.limit) / max(self.value, self.limit):.2f}"
        driver = f"{self.driver_load:.2f}{' LIMITED' if self.is_the_driver_s else ''}" if self.driver_load else ""
        return [self.workload, self.what, _number(self.value), goal, reached, ratio, driver]


HEAD = ["workload", "figure", "value", "goal", "reached", "of the limit", "driver's load"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass
class Report:
    """All figures of one run of the bench."""

    seconds: float
    runs: int
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take a figure, and show it at once."""
        self.rows.append(row)
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row.cells(), (14, 34, 10, 10, 7, 12, 8), strict=True)),
            flush=True,
        )

    def markdown(self) -> str:
        """Write the table for a page."""
        lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
        lines += ["| " + " | ".join(row.cells()) + " |" for row in self.rows]
        return "\n".join(lines)

    def page(self, command: str) -> str:
        """Write the page with the machine, the date and the command."""
        return (
            "# Speed\n"
            f"`{command}`, {time.strftime('%Y-%m-%d')}, {machine()}; medians of {self.runs} runs of {self.seconds:g} s. One core "
            "carries the service, PostgreSQL and Valkey, the other one the driver.\n"
            "Absolute figures move with the machine and the day; the ratios to the limits, which are measured in the same "
            "run, and CPU per 1,000 are steadier.\n\n"
            f"{self.markdown()}\n"
        )

    def write_json(self, path: Path) -> None:
        """Write everything for machines."""
        rows = [{**asdict(row), "reached": row.goal and row.goal.is_reached(row.value)} for row in self.rows]
        path.write_text(
            json.dumps({"machine": machine(), "at": time.time(), "rows": rows}, indent=1, default=str) + "\n"
        )


def machine() -> str:
    """Describe this machine in a line."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, Python {platform.python_version()}"
