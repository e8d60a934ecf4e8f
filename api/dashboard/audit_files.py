"""The audit log as a file: CSV for people, JSON lines for programs, a page of entries at a time."""

import csv
import io
import json
from collections.abc import Iterable

from tenants.audit_log import Entry
from tenants.ids import person_name

COLUMNS = ("at", "email", "person", "action", "target", "address", "detail")
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet would reckon, the wide forms of East Asia among them."""


def csv_head() -> str:
    """Give the line that names the columns."""
    return _csv([COLUMNS])


def csv_lines(entries: Iterable[Entry]) -> str:
    """Write entries as lines of CSV; what a spreadsheet would take for a formula has an apostrophe before it."""
    return _csv([[_harmless(cell) for cell in _cells(entry)] for entry in entries])


def json_lines(entries: Iterable[Entry]) -> str:
    """Write entries as an object a line."""
    return "".join(json.dumps(_members(entry), ensure_ascii=False) + "\n" for entry in entries)


def _csv(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    return written.getvalue()


def _cells(entry: Entry) -> list[str]:
    members = _members(entry)
    detail = json.dumps(entry.detail, ensure_ascii=False) if entry.detail else ""
    return [str(members[name] or "") for name in COLUMNS[:-1]] + [detail]


def _members(entry: Entry) -> dict[str, object]:
    return {
        "at": entry.at,
        "email": entry.email,
        "person": None if entry.person is None else person_name(entry.person),
        "action": entry.action,
        "target": entry.target,
        "address": entry.address,
        "detail": entry.detail,
    }


def _harmless(cell: str) -> str:
    return "'" + cell if cell.startswith(FORMULAS) else cell
