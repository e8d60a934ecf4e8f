"""The audit log as a file."""

import csv
import io
import json

import pytest

from api.dashboard.audit_files import COLUMNS, csv_head, csv_lines, json_lines
from tenants.audit_log import Entry
from tenants.ids import PersonId


def entry(target: str, **detail: object) -> Entry:
    return Entry(1, "2026-01-31T12:00:00.000Z", PersonId(7), "ann@example.com", "key.made", target, "::1", detail)


@pytest.mark.parametrize(
    "target",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "=cmd|' /C calc'!A0",
        '=HYPERLINK("http://evil.example")',
        "\uff1d1",
    ],
)
def test_no_cell_is_a_formula(target: str) -> None:
    """What a spreadsheet would reckon is text there, and as it was in JSON."""
    for cells in csv.reader(io.StringIO(csv_lines([entry(target, name=target)]))):
        assert cells[COLUMNS.index("target")] == "'" + target
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for cell in cells)
    assert json.loads(json_lines([entry(target)]))["target"] == target


@pytest.mark.parametrize("target", ['a "b", c', "a\nb", "<script>", "ż", "'", "a=b", ""])
def test_all_else_comes_back_as_it_was(target: str) -> None:
    """One line of cells an entry, under the names of the columns, and one object a line."""
    entries = [entry(target, before="a,b"), entry("last")]
    rows = list(csv.DictReader(io.StringIO(csv_head() + csv_lines(entries), newline="")))
    assert [row["target"] for row in rows] == [target, "last"]
    assert rows[0]["person"] == "per_00000007"
    assert json.loads(rows[0]["detail"]) == {"before": "a,b"}
    assert rows[1]["detail"] == ""
    lines = json_lines(entries).splitlines()
    assert [json.loads(line)["target"] for line in lines] == [target, "last"]


def test_nobody_known_is_nobody() -> None:
    """An entry by nobody has an empty cell, and null."""
    nobody = Entry(1, "2026-01-31T12:00:00.000Z", None, "", "sign_in.refused", "per_00000007", "::1", {})
    assert ',"","","sign_in.refused",' in csv_lines([nobody])
    assert json.loads(json_lines([nobody]))["person"] is None
