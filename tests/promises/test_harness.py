"""A short run of the history checker, with faults of every group that needs no more than it has here."""

from pathlib import Path

import pytest

from tests.promises.faults import FAULTS
from tests.promises.harness import Options, run
from tests.promises.report import table

SHORT = [
    "redis-away",
    "kill",
    "stop",
    "die-unpublished",
    "backends",
    "crash",
    "redis-clients",
    "clients-network",
    "lost-tail",
]


@pytest.mark.timeout(480)
def test_nothing_is_lost_doubled_or_disordered_under_faults(tmp_path: Path) -> None:
    """Four apps of the same names, on three processes, one fault after the other: every promise is kept."""
    options = Options(seconds=40, seed=7, faults=SHORT, deliveries=5_000)
    outcome = run(options, tmp_path)
    print(table(outcome, options))
    assert not outcome.verdict.violations, table(outcome, options)
    assert set(SHORT) <= {window.name for window in outcome.history.windows}
    assert outcome.verdict.acked > 500


def test_every_fault_says_what_it_does() -> None:
    """Whoever chooses one can read of it."""
    assert all(fault.inject.__doc__ for fault in FAULTS.values())
