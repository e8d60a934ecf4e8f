"""The table that a run ends with."""

import statistics
from collections import Counter

from tests.promises.checks import Verdict
from tests.promises.harness import Options, Outcome

SHOWN = 5
LONGEST = 600


def table(outcome: Outcome, options: Options) -> str:
    """Show what was done, what was found, how soon things arrived, and what was broken."""
    verdict, history = outcome.verdict, outcome.history
    found = {name: len(each) for name, each in verdict.found.items()}
    lines = [
        f"seed {options.seed}, {options.seconds:.0f} s, {options.processes} processes, {options.crowd.writers} writers, "
        f"{options.crowd.readers} readers{f', MUTANT {options.mutant}' if options.mutant else ''}",
        f"acked {verdict.acked}  refused {verdict.refused}  delivered {verdict.delivered}  distinct {verdict.distinct}  "
        f"snapshots {verdict.snapshots}  retries {history.retries}  connections {history.reconnects}",
        "  ".join(f"{name} {count}" for name, count in verdict.tally.items()),
        "resets " + (", ".join(f"{name} {count}" for name, count in sorted(history.resets.items())) or "none"),
        "found  " + "  ".join(f"{name} {count}" for name, count in found.items()),
        *_delays(verdict),
        _faults(outcome),
    ]
    for name, each in verdict.violations.items():
        lines += [f"VIOLATION {name}: {what[:LONGEST]}" for what in each[:SHOWN]]
    lines.append("FAILED" if verdict.violations else "all promises kept")
    return "\n".join(lines)


def _delays(verdict: Verdict) -> list[str]:
    lines = ["ack to delivery, ms                 count      p50      p99      max"]
    for cause, seconds in sorted(verdict.delays.items()):
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        figures = (statistics.median(ordered), p99, ordered[-1])
        lines.append(f"  {cause:30} {len(ordered):8}" + "".join(f" {figure * 1000:8.1f}" for figure in figures))
    return lines


def _faults(outcome: Outcome) -> str:
    counted = Counter(window.name for window in outcome.history.windows)
    shown = ", ".join(f"{name} {count}×" for name, count in sorted(counted.items())) or "none"
    return f"faults: {shown}; and half of what quiet rooms publish lost, every last word among it"
