"""`python -m tests.promises`: breaks a cluster while it is used, and tells whether anybody could notice."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.promises.faults import FAULTS, GROUPS, chosen
from tests.promises.harness import Options, run
from tests.promises.mutants import MUTANTS
from tests.promises.report import table
from tests.promises.workload import Crowd


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test promises", description=__doc__)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=Crowd.writers)
    parser.add_argument("--readers", type=int, default=Crowd.readers)
    parser.add_argument(
        "--pause", type=float, default=Crowd.pause_s, help="between two messages of one writer, seconds"
    )
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument(
        "--faults",
        type=_chosen,
        default="kill,redis-away,stop",
        help=f"groups: {', '.join(GROUPS)}; or single ones: {', '.join(FAULTS)}; or all, or none",
    )
    parser.add_argument("--mutant", choices=MUTANTS, help="plant a bug: the run must fail")
    parser.add_argument("--record", type=Path, help="write the whole history to this file, one JSON object a line")
    given = parser.parse_args()
    options = Options(
        given.seconds,
        given.seed,
        given.processes,
        faults=given.faults,
        mutant=given.mutant,
        crowd=Crowd(given.writers, given.readers, given.pause),
    )
    with tempfile.TemporaryDirectory(prefix="roomlog-promises-") as folder:
        outcome = run(options, Path(folder))
    if given.record:
        outcome.history.dump(given.record)
    print(table(outcome, options))
    return 1 if outcome.verdict.violations else 0


def _chosen(names: str) -> list[str]:
    try:
        return chosen(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
