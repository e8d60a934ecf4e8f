"""The checks: what clients saw, held against the log itself. Pure."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.promises.history import History, Room, Run

Log = dict[Room, list[dict[str, Any]]]
"""Each room's events as they stand now, in order, as frames."""


@dataclass
class Verdict:
    """What was found; all but the counts must be empty."""

    acked: int = 0
    delivered: int = 0
    distinct: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    delays: dict[str, list[float]] = field(default_factory=dict)

    @property
    def violations(self) -> dict[str, list[str]]:
        names = ("lost", "doubled", "disordered", "changed", "leaked", "stale", "unexpected")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def check(history: History, log: Log, keys: dict[Room, list[str]]) -> Verdict:
    """Hold a history against the log; `keys` are the hashes of each room's idempotency keys, by seq."""
    verdict = Verdict(acked=len(history.acked), stale=history.stale, unexpected=history.unexpected)
    verdict.leaked += history.leaked
    check_log(log, keys, verdict)
    check_acks(history, log, verdict)
    seen: set[tuple[Room, int]] = set()
    for run in history.runs:
        verdict.delivered += len(run.events)
        seen.update((run.room, event.frame["seq"]) for event in run.events)
        check_run(run, log[run.room], verdict)
    verdict.distinct = len(seen)
    verdict.delays = delays(history)
    return verdict


def check_log(log: Log, keys: dict[Room, list[str]], verdict: Verdict) -> None:
    """I1, I4: no holes, no key twice."""
    for room, events in log.items():
        seqs = [event["seq"] for event in events]
        if seqs != list(range(1, len(seqs) + 1)):
            verdict.lost.append(f"{room}: the log itself has holes")
        if len(set(keys[room])) != len(keys[room]):
            verdict.doubled.append(f"{room}: a key stands twice in the log")


def check_acks(history: History, log: Log, verdict: Verdict) -> None:
    """I3, I4, I5: what was acknowledged stands where it was said to, and later sends stand later."""
    places: dict[tuple[Room, str], int] = {}
    for ack in history.acked:
        events = log[ack.room]
        if ack.seq > len(events):
            verdict.lost.append(f"{ack.room}: acked {ack.seq} is beyond the head")
            continue
        message = events[ack.seq - 1].get("message", {})
        if "parts" in message and message["parts"][0]["text"] != ack.text:
            verdict.changed.append(f"{ack.room}: at {ack.seq} is not what was acked there")
        if places.setdefault((ack.room, ack.key), ack.seq) != ack.seq:
            verdict.doubled.append(f"{ack.room}: key {ack.key} acked at two places")
    by_room: dict[Room, list[Any]] = defaultdict(list)
    for ack in history.acked:
        by_room[ack.room].append(ack)
    for room, acks in by_room.items():
        latest_invocation = 0.0
        for ack in sorted(acks, key=lambda ack: ack.seq):
            if ack.acked_at < latest_invocation:
                verdict.disordered.append(f"{room}: {ack.seq} was acked before an earlier one was sent")
            latest_invocation = max(latest_invocation, ack.invoked_at)


def check_run(run: Run, events: list[dict[str, Any]], verdict: Verdict) -> None:
    """I2, I7, I13: from the snapshot to the end every event, each once, in order, as it stands in the log."""
    expected = run.start + 1
    for seen in run.events:
        seq = seen.frame["seq"]
        if seq < expected:
            verdict.doubled.append(f"{run.room}: {seq} again")
        elif seq > expected:
            verdict.disordered.append(f"{run.room}: {seq} where {expected} was due")
        expected = max(expected, seq + 1)
        if seq > len(events) or not is_same(seen.frame, events[seq - 1]):
            verdict.changed.append(f"{run.room}: {seq} is not what stands in the log")
        if run.ended_at is not None and seq >= run.ended_at:
            verdict.leaked.append(f"{run.room}: {seq} after the removal at {run.ended_at}")
    if run.ended is not None and run.ended_at is None:
        return
    end = len(events) if run.ended_at is None else run.ended_at - 1
    if run.last < end:
        verdict.lost.append(f"{run.room}: saw {run.last} of {end}")


def is_same(seen: dict[str, Any], logged: dict[str, Any]) -> bool:
    """Compare two frames; a message deleted since has lost its words in the log, and nothing else."""
    if seen == logged:
        return True
    if "message" not in logged or not logged["message"].get("redacted"):
        return False
    without = {name: value for name, value in seen["message"].items() if name not in {"parts", "metadata"}}
    return {**seen, "message": {**without, "redacted": True}} == logged


def delays(history: History) -> dict[str, list[float]]:
    """I10: seconds from a send's ack to each delivery to a socket that was open then, by the fault of that moment."""
    acked = {(ack.room, ack.seq): ack for ack in history.acked}
    by_cause: dict[str, list[float]] = defaultdict(list)
    for run in history.runs:
        for seen in run.events:
            ack = acked.get((run.room, seen.frame["seq"]))
            if ack is None or not any(begin <= ack.acked_at and seen.at <= end for begin, end in run.connected):
                continue
            cause = "lost publish" if "last word" in json.dumps(seen.frame) else "no fault"
            for name, begin, end in history.faults:
                if begin <= ack.acked_at <= end + 1.0:
                    cause = name
            by_cause[cause].append(max(0.0, seen.at - ack.acked_at))
    return by_cause
