"""Points and series: what something costs at each of its sizes."""

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.speed.report import machine


@dataclass(frozen=True)
class Point:
    """What was measured at one size."""

    size: int
    values: dict[str, float]
    """By column; the first ones are those that the series draws."""


@dataclass
class Series:
    """How the cost of one unit grows with one thing."""

    name: str
    title: str
    grows: str
    """What the x axis counts."""
    unit: str
    """Of the y axis, and of each column that is drawn."""
    drawn: Sequence[str]
    points: list[Point] = field(default_factory=list)

    def line(self, column: str) -> list[tuple[float, float]]:
        """Give one column's points."""
        return [(point.size, point.values[column]) for point in self.points]

    def growth(self, column: str) -> float:
        """Tell how many times as much a unit costs at the largest size as at the smallest."""
        return self.points[-1].values[column] / self.points[0].values[column]

    def markdown(self) -> str:
        """Write the table of the points, and how they grow."""
        columns = list(self.points[0].values)
        heads = [f"{column}, {self.unit}" if column in self.drawn else column for column in columns]
        rows = [[self.grows, *heads], ["---:"] * (1 + len(columns))]
        rows += [[f"{point.size:,}", *(number(value) for value in point.values.values())] for point in self.points]
        grown = [f"×{self.growth(column):.2f}" if column in self.drawn else "" for column in columns]
        rows.append(["largest : smallest", *grown])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@dataclass(frozen=True)
class Told:
    """How a run of the command came about."""

    command: str
    seconds: float
    runs: int
    remarks: Sequence[str] = ()

    def page(self, series: Sequence[Series]) -> str:
        """Write the page with the machine, the date, the command, the plots and the tables."""
        parts = [
            "# Growth\n"
            f"`{self.command}`, {time.strftime('%Y-%m-%d')}, {machine()}, {platform.system()}; each point is the median of "
            f"{self.runs} runs of {self.seconds:g} s. One core carries the service, PostgreSQL and Valkey, the other one the "
            "driver.\n"
            "A flat line says that a unit costs the same however large its surroundings are. Absolute figures move with the "
            "machine and the day.",
            *self.remarks,
        ]
        parts += [f"## {one.title}\n![{one.unit} by {one.grows}]({one.name}.svg)\n\n{one.markdown()}" for one in series]
        return "\n\n".join(parts) + "\n"

    def record(self, series: Sequence[Series]) -> dict[str, object]:
        """Give everything for machines."""
        return {"machine": machine(), "at": time.time(), **asdict(self), "series": [asdict(one) for one in series]}


def number(value: float) -> str:
    """Write a figure with three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
