"""Growth is measured and drawn; whether a line is flat is for people to see, not for a test."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.speed.growth.measures import SERIES
from tests.support.processes import ROOT

SMALL = ["--seconds", "0.2", "--runs", "1", "--largest", "100", "--rows", "10000"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.timeout(300)
def test_every_series_has_its_points_and_its_plot(tmp_path: Path) -> None:
    """Each series is measured at its smallest sizes, drawn as an SVG with all its points, and shown on the page."""
    found = tmp_path / "growth.json"
    command = [sys.executable, "-m", "tests.speed.growth", *SMALL, "--json", str(found), "--save", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    series = {one["name"]: one for one in json.loads(found.read_text())["series"]}
    assert set(series) == set(SERIES)
    page = (tmp_path / "README.md").read_text()
    for name, one in series.items():
        assert one["points"], name
        # What a process used in a short time may lie below the kernel's tick.
        assert all(point["values"][one["drawn"][0]] > 0 for point in one["points"]), name
        drawn = ET.fromstring((tmp_path / f"{name}.svg").read_text())
        assert len(list(drawn.iter(f"{SVG}circle"))) == len(one["drawn"]) * len(one["points"])
        assert f"({name}.svg)" in page
