"""`./test growth`: what a delivery, an opening and a message cost while all that surrounds them grows.

One core carries the whole server side, its database included; the driver has another. Each series has stores of its own.
Absolute figures move with the machine and the day: look at whether a line is flat.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.speed.growth.measures import PROCESSES, SERIES, Ask, Measure
from tests.speed.growth.plot import svg
from tests.speed.growth.points import Series, Told, number
from tests.speed.growth.stage import Stage, stage
from tests.support.processes import ROOT

PAGES = ROOT / "docs" / "growth"
NO_CAP = 10**9
ROWS, FEWER_ROWS = 10**7, 10**6
ROOM_FOR_ROWS = 8 * 2**30
"""Bytes of disk without which there are fewer rows."""


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="./test growth", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; the median counts")
    parser.add_argument("--only", type=_names, default=list(SERIES), help=f"some of {','.join(SERIES)}")
    parser.add_argument("--largest", type=int, default=NO_CAP, help="no size of any series beyond this one")
    parser.add_argument(
        "--rows", type=int, help=f"most rows of the events table; {ROWS:,}, or {FEWER_ROWS:,} where the disk is short"
    )
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument(
        "--save", type=Path, nargs="?", const=PAGES, help="write the plots and their page, into docs/growth"
    )
    given = parser.parse_args()
    rows, remark = (given.rows, "") if given.rows else _rows_for(Path(tempfile.gettempdir()))
    ask = Ask(given.seconds, given.runs, given.largest, rows)
    found = [_measured(*SERIES[name], ask) for name in given.only]
    told = Told(_command(given), given.seconds, given.runs, [remark] if remark else [])
    if given.json:
        given.json.write_text(json.dumps(told.record(found), indent=1) + "\n")
    if given.save:
        given.save.mkdir(parents=True, exist_ok=True)
        for series in found:
            (given.save / f"{series.name}.svg").write_text(svg(series))
        (given.save / "README.md").write_text(told.page(found))
    return 0


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SERIES):
        raise argparse.ArgumentTypeError(f"no series of that name: {', '.join(sorted(unknown))}")
    return names


def _command(given: argparse.Namespace) -> str:
    """Write the command without where it wrote to, which is nobody's business."""
    capped = "" if given.largest == NO_CAP else f" --largest {given.largest}"
    rows = f" --rows {given.rows}" if given.rows else ""
    return f"./test growth --seconds {given.seconds:g} --runs {given.runs} --only {','.join(given.only)}{capped}{rows} --save"


def _rows_for(folder: Path) -> tuple[int, str]:
    free = shutil.disk_usage(folder).free
    if free >= ROOM_FOR_ROWS:
        return ROWS, ""
    return (
        FEWER_ROWS,
        f"The disk had {free / 2**30:.1f} GiB left, so that the table of events grew to {FEWER_ROWS:,} rows only.",
    )


def _measured(measure: Measure, series: Series, ask: Ask) -> Series:
    """Measure a series on stages of its own, and show each point at once."""
    print(f"{series.title}: {series.unit} ({', '.join(series.drawn)})", flush=True)

    async def collect(on: Stage) -> None:
        async for point in measure(on, ask):
            series.points.append(point)
            told = (f"{name} {number(value)}" for name, value in point.values.items())
            print(f"{point.size:>12,} {series.grows}: {', '.join(told)}", flush=True)

    for processes in PROCESSES.get(series.name, (1,)):
        with stage(processes) as on:
            uvloop.run(collect(on))
    return series


if __name__ == "__main__":
    sys.exit(main())
