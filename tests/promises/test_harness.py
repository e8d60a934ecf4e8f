"""The harness in short: it holds, and it would notice."""

from pathlib import Path

import pytest

from tests.promises.checks import Verdict, check_run
from tests.promises.harness import Options, run
from tests.promises.history import Run, Seen

SECONDS = 8.0


@pytest.mark.timeout(180)
def test_nothing_is_lost_doubled_or_disordered_under_faults(tmp_path: Path) -> None:
    """Redis away, a process killed and one stopped, quiet rooms whose last publication is lost: every list is the log."""
    options = Options(seconds=16, seed=7, subscribers=60, faults=["kill", "redis", "stop"])
    outcome = run(options, tmp_path)
    assert not outcome.verdict.violations
    assert outcome.verdict.acked > 1000
    assert outcome.verdict.delivered > 5000


@pytest.mark.timeout(180)
def test_without_the_audit_the_harness_finds_losses(tmp_path: Path) -> None:
    """The same run with a blind audit is found out: the harness is able to fail."""
    options = Options(seconds=SECONDS, seed=7, subscribers=60, faults=[], without_audit=True)
    assert "lost" in run(options, tmp_path).verdict.violations


def frame(seq: int) -> dict[str, object]:
    return {"type": "message.created", "seq": seq, "message": {"seq": seq}}


LOG = [frame(seq) for seq in range(1, 7)]


@pytest.mark.parametrize(
    ("seqs", "violation"),
    [
        ([3, 4, 5, 6], None),
        ([3, 4, 5], "lost"),
        ([3, 5, 6], "disordered"),
        ([3, 4, 4, 5, 6], "doubled"),
        ([3, 5, 4, 6], "doubled"),
        ([4, 5, 6], "disordered"),
    ],
)
def test_the_check_sees_each_kind_of_violation(seqs: list[int], violation: str | None) -> None:
    """A list that is not the log's is called by what is wrong with it."""
    verdict = Verdict()
    run_ = Run(("app", "room"), 2, 0.0, [Seen(frame(seq), 1.0) for seq in seqs])
    check_run(run_, LOG, verdict)
    assert (violation in verdict.violations) if violation else not verdict.violations


def test_the_check_sees_a_changed_event_and_one_after_a_removal() -> None:
    """An event that differs from the log, and one that came after the reader's removal, are violations."""
    verdict = Verdict()
    events = [Seen({**frame(3), "type": "message.edited"}, 1.0), Seen(frame(4), 1.0)]
    check_run(Run(("app", "room"), 2, 0.0, events, ended="revoked", ended_at=4), LOG, verdict)
    assert set(verdict.violations) == {"changed", "leaked"}
