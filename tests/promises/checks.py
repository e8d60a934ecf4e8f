"""The checks C1–C14: what clients saw, held against the log itself and against each other. Pure.

Each is a function that yields what is wrong; `check` runs them all. The invariants I1–I20 that they stand for are in
ARCHITECTURE.md, "The proof".
"""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from api.ids import read_cursor
from tests.promises.history import History, Revocation, Room, Run, Window, Write
from tests.promises.model import Log, State, is_same, memberships, with_words

TOKEN_GRACE_S = 5.0
REVOCATION_S = 2.0
"""One second is promised; what clients on the same two busy cores are behind comes on top."""
HALTED_S = 4.0
"""While something stands still: a process that cannot know of revocations goes on for 2 s before it halts."""
TARDY = "tardy"
"""The room whose publications are held up now and then."""
LATE_S = 5.0
"""Later than this nothing may be that was acknowledged while nothing stood still: no figure, a violation."""
RESETS = {"membership", "history_truncated", "room_recreated"}
"""Reasons that a run of ordinary faults can give a reader."""
LOST_RESETS = {"epoch_lost", "ahead_of_log"}
"""Those of a failover that loses commits, the second by a process that has the new database but not yet its epoch."""
SLACK_S = 1.0
"""For how long after a fault its effects are its own."""

Found = Iterator[str]


@dataclass
class Resources:
    """What a cluster held before anybody came and after everybody had left, by name."""

    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)
    """By how much each may have grown."""
    complaints: list[str] = field(default_factory=list)
    """What the processes' own logs say that none may say, and counters that none may raise."""


@dataclass
class Evidence:
    """All that is judged."""

    history: History
    log: Log
    resources: Resources = field(default_factory=Resources)

    def lost_windows(self) -> list[Window]:
        return [window for window in self.history.windows if window.loses_since is not None]

    def may_be_lost(self, write: Write) -> bool:
        """Whether a write was acknowledged by a primary whose newest commits went with it, as the fault has it."""
        return any(
            window.loses_since is not None and window.loses_since <= write.answered_at <= window.ended_at
            for window in self.history.windows
        )

    def standing(self) -> list[Write]:
        """Give the acknowledged writes that must stand in the log."""
        return [
            write
            for write in self.history.writes
            if write.outcome == "acked" and write.place is not None and not self._is_lost(write)
        ]

    def _is_lost(self, write: Write) -> bool:
        if write.place is None or not self.may_be_lost(write):
            return False
        log = self.log.get((write.app, write.place.room))
        # Of what retention has taken since it cannot be told any more.
        return log is None or write.place.seq < log.floor or log.has_lost(write.place)


def c1_what_was_acked_is_in_the_log(evidence: Evidence) -> Found:
    """I3: at its place, in its epoch, as it was written."""
    for write in evidence.standing():
        assert write.place is not None
        log = evidence.log.get((write.app, write.place.room))
        if log is None and write.room_id in evidence.history.fickle:
            continue
        if log is None or write.place.seq > log.head:
            yield f"{write.room_id}: acked {write.place.seq} is beyond the head"
            continue
        frame = log.frame(write.place.seq)
        if frame is None:
            if write.place.seq >= log.floor:
                yield f"{write.room_id}: acked {write.place.seq} is not there"
            continue
        message = frame.get("message", {})
        canary = message.get("metadata", {}).get("canary", write.canary)
        if message.get("sender") != write.user or ("redacted" not in message and canary != write.canary):
            yield f"{write.room_id}: at {write.place.seq} is not what was acked there: {frame}"


def c2_nothing_is_there_twice(evidence: Evidence) -> Found:
    """I4: no key and no words twice in the log, and one answer to everyone who asks again."""
    places: dict[tuple[str, str, str, str], Write] = {}
    for write in evidence.standing():
        assert write.place is not None
        first = places.setdefault((write.app, write.room_id, write.user, f"{write.operation} {write.key}"), write)
        if first.place is not None and first.place.room == write.place.room and first.place != write.place:
            yield f"{write.room_id}: key {write.key} was acked at {first.place.seq} and at {write.place.seq}"
    for (app, number), log in evidence.log.items():
        if len(set(log.keys)) != len(log.keys):
            yield f"{log.room_id}: a key stands twice in the log"
        said: dict[str, int] = {}
        for seq in log.texts:
            frame = with_words(log, seq, evidence.history.frames.get((app, number, seq), []))
            if frame is None or frame["type"] != "message.created":
                continue
            canary = frame["message"].get("metadata", {}).get("canary")
            if canary is not None and said.setdefault(canary, seq) != seq:
                yield f"{log.room_id}: {canary} stands at {said[canary]} and at {seq}"


def c3_the_log_has_no_holes(evidence: Evidence) -> Found:
    """I1: exactly floor … head."""
    for log in evidence.log.values():
        due = list(range(log.floor, log.head + 1))
        if sorted(log.texts) != due:
            missing = sorted(set(due) ^ set(log.texts))
            yield f"{log.room_id}: the log has holes or more at {missing[:5]}"


def c4_every_subscription_is_whole(evidence: Evidence) -> Found:
    """I7, I11, I12: from its snapshot on every event once and in order, to the head, the removal or the reset."""
    may_lose = bool(evidence.lost_windows())
    for run in evidence.history.runs:
        if run.reset is not None and run.reset not in (RESETS | LOST_RESETS if may_lose else RESETS):
            yield f"{run.reader}: reset {run.reset} of {run.room_id}"
        expected = run.start.seq + 1
        for seq in run.seqs:
            if seq < expected:
                yield f"doubled: {run.reader}, {run.room_id}: {seq} again"
            elif seq > expected:
                yield f"disordered: {run.reader}, {run.room_id}: {seq} where {expected} was due"
            expected = max(expected, seq + 1)
        log = evidence.log.get(run.room)
        if may_lose and run.end is None and _saw_what_is_lost(evidence, run):
            yield f"{run.reader}, {run.room_id}: saw what was lost, and was not reset"
        if run.end not in {None, "revoked", "deleted", "left"} or log is None:
            continue
        end = log.head if run.end_seq is None else run.end_seq - 1
        if run.end == "deleted" and run.last + 1 < log.floor:
            # Erased with its room before it could be read again: its publication was lost, and the erasing faster than the audit.
            continue
        if run.last < end:
            yield f"lost: {run.reader}, {run.room_id}: saw {run.last} of {end}, ended {run.end}"


def _saw_what_is_lost(evidence: Evidence, run: Run) -> bool:
    log = evidence.log.get(run.room)
    if log is None:
        return bool(run.seqs) and run.room_id not in evidence.history.fickle
    texts = evidence.history.frames
    seen = (texts[*run.room, seq][variant] for seq, variant in zip(run.seqs, run.variants, strict=True))
    places = (read_cursor(msgspec.json.decode(text)["cursor"]) for text in seen)
    return log.has_lost(run.start) or any(place is not None and log.has_lost(place) for place in places)


def c5_everybody_saw_what_stands_in_the_log(evidence: Evidence) -> Found:
    """I2: and so everybody saw the same, in the same order."""
    lost = bool(evidence.lost_windows())
    for (app, number, seq), texts in evidence.history.frames.items():
        log = evidence.log.get((app, number))
        if log is None:
            room_id = msgspec.json.decode(texts[0])["room"]
            if not lost and room_id not in evidence.history.fickle:
                yield f"{app}: an event of a room {room_id} that is not there"
            continue
        logged = log.texts.get(seq)
        for text in texts:
            if text == logged:
                continue
            frame = dict(msgspec.json.decode(text))
            if logged is None:
                if seq >= log.floor and not lost:
                    yield f"{log.room_id}: {seq} is not in the log: {frame}"
                continue
            due = dict(msgspec.json.decode(logged))
            if frame["type"] == "hidden":
                if "message" not in due or due["type"] == "message.created":
                    yield f"{log.room_id}: {seq} was hidden, and is {due['type']}"
            elif lost and (frame["cursor"] != due["cursor"] or is_same(due, frame)):
                # Of the life that was lost, be it the event or the deletion of what it said; C4 sees to its readers.
                continue
            elif not is_same(frame, due):
                yield f"{log.room_id}: {seq} was {frame} and is {due}"


def c6_snapshots_are_the_fold(evidence: Evidence) -> Found:
    """I6: a snapshot at S shows what the first S events make."""
    by_room: dict[Room, list[Run]] = defaultdict(list)
    for run in evidence.history.runs:
        by_room[run.room].append(run)
    for room, runs in by_room.items():
        log = evidence.log.get(room)
        if log is None:
            continue
        state = State()
        for run in sorted(runs, key=lambda run: run.start.seq):
            if evidence.lost_windows() and log.has_lost(run.start):
                continue
            while state.seq < min(run.start.seq, log.head):
                seq = state.seq + 1
                state.apply(with_words(log, seq, evidence.history.frames.get((*room, seq), [])))
            if state.seq != run.start.seq:
                yield f"{run.reader}, {run.room_id}: a snapshot at {run.start.seq} of {log.head}"
                continue
            for difference in state.differences(run.snapshot, run.last_asked):
                yield f"{run.reader}, {run.room_id} at {state.seq}: {difference}"


def c7_later_sends_stand_later(evidence: Evidence) -> Found:
    """I5: what was sent after another's ack stands after it; what one says on one connection keeps its order."""
    by_room: dict[Room, list[Write]] = defaultdict(list)
    lines: dict[tuple[int, Room], list[Write]] = defaultdict(list)
    for write in evidence.standing():
        room = write.room
        if room is None or write.is_again:
            continue
        by_room[room].append(write)
        if write.line is not None:
            lines[write.line[0], room].append(write)
    for writes in by_room.values():
        latest_invocation = 0.0
        for write in sorted(writes, key=lambda write: write.place.seq if write.place else 0):
            if write.answered_at < latest_invocation:
                assert write.place is not None
                yield f"{write.room_id}: {write.place.seq} was acked before an earlier one was sent"
            latest_invocation = max(latest_invocation, write.invoked_at)
    for said in lines.values():
        said.sort(key=lambda write: write.line or (0, 0))
        seqs = [write.place.seq for write in said if write.place is not None]
        if seqs != sorted(seqs):
            yield f"{said[0].room_id}: said in a row by {said[0].user} and written as {seqs}"


def c8_reads_are_fresh(evidence: Evidence) -> Found:
    """I8, I9: who opens or reads a room after an ack sees what was acked, and nobody is taken back."""
    acked: dict[Room, list[tuple[float, int]]] = defaultdict(list)
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for (app, number), log in evidence.log.items():
        numbers[app, log.room_id].add(number)
    for write in sorted(evidence.standing(), key=lambda write: write.answered_at):
        assert write.place is not None
        line = acked[write.app, write.place.room]
        line.append((write.answered_at, max(write.place.seq, line[-1][1] if line else 0)))

    def newest_before(room: Room, moment: float) -> int:
        line = acked.get(room, [])
        index = bisect.bisect_left(line, (moment, 0))
        return line[index - 1][1] if index else 0

    for run in evidence.history.runs:
        due = newest_before(run.room, run.asked_at)
        if run.start.seq < due:
            yield f"{run.reader}, {run.room_id}: opened at {run.start.seq} after an ack at {due}"
    for glance in evidence.history.glances:
        rooms = numbers[glance.app, glance.room_id]
        if len(rooms) != 1:
            continue  # made anew meanwhile: the page does not say of which it was
        due = newest_before((glance.app, next(iter(rooms))), glance.asked_at)
        if glance.seq < due:
            yield f"{glance.room_id}: a page at {glance.seq} after an ack at {due}"


def c9_nothing_of_another_app_is_seen(evidence: Evidence) -> Found:
    """I15: every payload carries its app's canary."""
    yield from evidence.history.leaked


def c10_nobody_reads_on_after_a_removal(evidence: Evidence) -> Found:
    """I13: in a private room every snapshot and event lies within a membership, up to the very removal."""
    known: dict[tuple[Room, str], list[tuple[int, int, int]]] = {}
    for run in evidence.history.runs:
        if run.end_seq is not None and run.last >= run.end_seq:
            yield f"{run.reader}, {run.room_id}: {run.last} after the removal at {run.end_seq}, which it was told of"
        log = evidence.log.get(run.room)
        if log is None or not log.private or run.user is None:
            continue
        if evidence.lost_windows() and _saw_what_is_lost(evidence, run):
            continue  # the removal that it obeyed is lost with the rest
        periods = known.setdefault((run.room, run.user), memberships(log, run.user))
        period = next((period for period in periods if period[0] <= run.start.seq < period[1]), None)
        if period is None:
            yield f"{run.reader}, {run.room_id}: a snapshot at {run.start.seq} for one who was no member then"
        elif run.seqs and run.last >= period[1]:
            yield f"{run.reader}, {run.room_id}: {run.last} after the removal at {period[1]}"


def c11_tokens_end(evidence: Evidence) -> Found:
    """I14: no event 5 s after a token's end, nor long after a revocation was acknowledged."""

    def since(moment: float) -> list[Window]:
        return [window for window in evidence.history.windows if window.ended_at + SLACK_S >= moment]

    revoked: dict[tuple[str, str | None], list[Revocation]] = defaultdict(list)
    for revocation in evidence.history.revocations:
        revoked[revocation.app, revocation.user].append(revocation)
    for run in evidence.history.runs:
        for session in run.sessions:
            late = _late(evidence, session.token_ends_at, session.last_frame_at)
            if late > TOKEN_GRACE_S:
                yield f"{run.reader}, {run.room_id}: an event {late:.1f} s after the token's end"
            for ended in revoked.get((run.app, run.user), ()):
                if session.opened_at > ended.invoked_at or session.last_frame_at < ended.acked_at + REVOCATION_S:
                    continue
                late = _late(evidence, ended.acked_at, session.last_frame_at)
                halted = (window.halts and window.began_at <= session.last_frame_at for window in since(ended.acked_at))
                if late > (HALTED_S if any(halted) else REVOCATION_S):
                    yield f"{run.reader}, {run.room_id}: an event {late:.1f} s after a revocation"


def _late(evidence: Evidence, since: float, until: float) -> float:
    """Give how much later something was, without what the observer was behind."""
    return until - since - evidence.history.lags.between(since, until)


def c12_nothing_is_late(evidence: Evidence) -> Found:
    """I10: while nothing stands still, what was acked arrives; how soon is in the table."""
    for cause, seconds in delays(evidence, own_only=True).items():
        late = [second for second in seconds if second > LATE_S]
        if late:
            yield f"{len(late)} deliveries later than {LATE_S} s ({cause}), the latest {max(late):.1f} s"


def c13_answers_are_honest(evidence: Evidence) -> Found:
    """I20: what was refused is nowhere, what is unknown was asked again, and nothing is answered that is not documented."""
    yield from evidence.history.unexpected
    refused = {(write.app, write.canary) for write in evidence.history.writes if write.outcome == "refused"}
    for write in evidence.history.writes:
        if write.outcome == "unknown":
            yield f"{write.room_id}: {write.operation} {write.key} had no answer"
    for (app, number), log in evidence.log.items():
        for seq in log.texts:
            frame = with_words(log, seq, evidence.history.frames.get((app, number, seq), []))
            canary = (frame or {}).get("message", {}).get("metadata", {}).get("canary")
            if (app, canary) in refused:
                yield f"{log.room_id}: {seq} was refused, and is there"
    yield from evidence.resources.complaints


def c14_nothing_is_left_behind(evidence: Evidence) -> Found:
    """Leaks: once everybody has left, the processes and stores hold what they held before."""
    resources = evidence.resources
    for name, after in resources.after.items():
        before, bound = resources.before.get(name, 0.0), resources.bounds.get(name, 0.0)
        if after > before + bound:
            yield f"{name}: {before:g} before, {after:g} after, {bound:g} more were allowed"


CHECKS: dict[str, Callable[[Evidence], Found]] = {
    "C1 lost": c1_what_was_acked_is_in_the_log,
    "C2 doubled": c2_nothing_is_there_twice,
    "C3 holes": c3_the_log_has_no_holes,
    "C4 subscriptions": c4_every_subscription_is_whole,
    "C5 changed": c5_everybody_saw_what_stands_in_the_log,
    "C6 snapshots": c6_snapshots_are_the_fold,
    "C7 disordered": c7_later_sends_stand_later,
    "C8 stale": c8_reads_are_fresh,
    "C9 leaked": c9_nothing_of_another_app_is_seen,
    "C10 removed": c10_nobody_reads_on_after_a_removal,
    "C11 tokens": c11_tokens_end,
    "C12 late": c12_nothing_is_late,
    "C13 dishonest": c13_answers_are_honest,
    "C14 left behind": c14_nothing_is_left_behind,
}


@dataclass
class Verdict:
    """What was counted and what was found."""

    acked: int
    refused: int
    delivered: int
    distinct: int
    snapshots: int
    found: dict[str, list[str]]
    """By check: what is wrong."""
    delays: dict[str, list[float]]

    @property
    def violations(self) -> dict[str, list[str]]:
        return {name: found for name, found in self.found.items() if found}

    @property
    def tally(self) -> dict[str, int]:
        """What a reader of the table looks for first: how much was lost, doubled, disordered or leaked."""
        of_subscriptions = [what.partition(":")[0] for what in self.found["C4 subscriptions"]]
        return {
            "lost": len(self.found["C1 lost"]) + len(self.found["C3 holes"]) + of_subscriptions.count("lost"),
            "doubled": len(self.found["C2 doubled"]) + of_subscriptions.count("doubled"),
            "disordered": len(self.found["C7 disordered"]) + of_subscriptions.count("disordered"),
            "leaked": sum(len(self.found[name]) for name in ("C9 leaked", "C10 removed", "C11 tokens")),
        }


def check(evidence: Evidence) -> Verdict:
    """Run every check."""
    history = evidence.history
    return Verdict(
        acked=sum(write.outcome == "acked" for write in history.writes),
        refused=sum(write.outcome == "refused" for write in history.writes),
        delivered=sum(len(run.seqs) for run in history.runs),
        distinct=len(history.frames),
        snapshots=len(history.runs),
        found={name: list(found(evidence)) for name, found in CHECKS.items()},
        delays=delays(evidence),
    )


def delays(evidence: Evidence, *, own_only: bool = False) -> dict[str, list[float]]:
    """Give the seconds from an ack to each delivery to a connection that was open all the while, by the fault of that moment.

    With `own_only` those that the service has to answer for: not what a standstill or the observer itself held up.
    """
    history = evidence.history
    acked: dict[tuple[str, int, int], Write] = {}
    for write in history.writes:
        if write.outcome == "acked" and write.place is not None:
            acked[write.app, write.place.room, write.place.seq] = write
    by_cause: dict[str, list[float]] = defaultdict(list)
    windows = sorted(history.windows, key=lambda window: window.began_at)
    for run in history.runs:
        if not run.is_steady:
            continue
        sessions = iter(run.sessions)
        session = next(sessions, None)
        for seq, seen_at in zip(run.seqs, run.times, strict=True):
            while session is not None and session.closed_at < seen_at:
                session = next(sessions, None)
            write = acked.get((*run.room, seq))
            if session is None or write is None or session.opened_at > write.answered_at:
                continue
            cause = _cause(windows, write.answered_at, seen_at)
            if own_only and cause is not None and cause.halts:
                continue
            seconds = _late(evidence, write.answered_at, seen_at) if own_only else seen_at - write.answered_at
            by_cause[_name(cause, write)].append(max(0.0, seconds))
    return dict(by_cause)


def _cause(windows: list[Window], acked_at: float, seen_at: float) -> Window | None:
    """Find the fault that may have delayed a delivery; of several the last that halts, or else the last."""
    felt = [window for window in windows if window.began_at <= seen_at and acked_at <= window.ended_at + SLACK_S]
    return next((window for window in reversed(felt) if window.halts), felt[-1] if felt else None)


def _name(cause: Window | None, write: Write) -> str:
    if "last word" in write.text:
        return "lost publish" if cause is None else f"lost publish, {cause.name}"
    if cause is not None:
        return cause.name
    if write.room_id == TARDY:
        return "publications out of order"
    return "quiet, half lost" if "quiet" in write.text else "no fault"
