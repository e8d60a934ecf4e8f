"""`python -m tests.promises`: breaks a cluster while it is used, and tells whether anybody could notice."""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.promises.harness import FAULTS, Options, Outcome, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test promises", description=__doc__)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=30)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--faults", default="kill,redis,stop", help=f"of {', '.join(FAULTS)}; or none")
    parser.add_argument("--without-audit", action="store_true", help="blind the audit: the run must fail")
    given = parser.parse_args()
    faults = [] if given.faults == "none" else given.faults.split(",")
    options = Options(
        given.seconds, given.seed, given.writers, given.subscribers, given.processes, faults, given.without_audit
    )
    with tempfile.TemporaryDirectory(prefix="roomlog-promises-") as folder:
        outcome = run(options, Path(folder))
    print(table(outcome, options))
    return 1 if outcome.verdict.violations else 0


def table(outcome: Outcome, options: Options) -> str:
    verdict, history = outcome.verdict, outcome.history
    lines = [
        f"seed {options.seed}, {options.seconds:.0f} s, {options.processes} processes, {options.writers} writers, "
        f"{options.subscribers} subscribers, audit {'OFF' if options.without_audit else 'on'}",
        f"acked {verdict.acked}  delivered {verdict.delivered}  distinct {verdict.distinct}  "
        f"retries {history.retries}  reconnects {history.reconnects}  resets {len(history.resets)}",
    ]
    names = ("lost", "doubled", "disordered", "changed", "leaked", "stale", "unexpected")
    lines.append("  ".join(f"{name} {len(getattr(verdict, name))}" for name in names))
    lines.append("ack to delivery, ms      count      p50      p99      max")
    for cause, seconds in sorted(verdict.delays.items()):
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        figures = (statistics.median(ordered), p99, ordered[-1])
        lines.append(f"  {cause:20} {len(ordered):8}" + "".join(f" {figure * 1000:8.1f}" for figure in figures))
    faults = ", ".join(f"{name} for {end - begin:.1f} s" for name, begin, end in history.faults)
    lines.append(f"faults: {faults or 'none'}, and every last word of {options.lose:.0%} quiet rooms lost")
    for name, found in verdict.violations.items():
        lines += [f"VIOLATION {name}: {what}" for what in found[:5]]
    lines.append("FAILED" if verdict.violations else "all promises kept")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
