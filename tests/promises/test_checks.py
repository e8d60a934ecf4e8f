"""Each check sees what it is for, and nothing where nothing is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from api.ids import Epoch, Place, RoomNumber, Seq, write_cursor
from tests.promises.checks import CHECKS, Evidence, Resources, c4_every_subscription_is_whole, check
from tests.promises.history import Frame, Glance, History, Revocation, Run, Session, Window, Write, as_text, pack
from tests.promises.model import RoomLog, redacted

APP, OTHER, NUMBER = "app_one", "app_two", 7
FIRST, SECOND = Epoch(1, 11), Epoch(2, 22)


def place(seq: int, epoch: Epoch = FIRST) -> Place:
    return Place(RoomNumber(NUMBER), epoch, Seq(seq))


def about(kind: str, seq: int, epoch: Epoch = FIRST, **what: object) -> Frame:
    return {"type": kind, "room": "r", "seq": seq, "cursor": write_cursor(place(seq, epoch)), "at": "", **what}


def message(seq: int, **more: object) -> Frame:
    words = {"parts": [{"type": "text", "text": f"t{seq}"}], "metadata": {"canary": f"{APP}:{seq}"}}
    born = {"id": f"m{seq}", "seq": seq, "number": seq - 2, "updated_seq": seq, "sender": "ann"}
    return about("message.created", seq, message={**born, **words, **more})


ROOM = {"id": "r", "name": "r", "private": True, "data": {}, "updated_seq": 1}
ANN = {"user": "ann", "role": "member", "joined_seq": 2}
EVENTS = [
    about("room.created", 1, state=ROOM),
    about("member.added", 2, member=ANN),
    *(message(seq) for seq in range(3, 7)),
]


def snapshot(seq: int) -> Frame:
    messages = [event["message"] for event in EVENTS if event["type"] == "message.created" and event["seq"] <= seq]
    return {
        "room": ROOM,
        "members": [ANN],
        "member_count": 1,
        "messages": messages,
        "message_count": len(messages),
        "seq": seq,
        "cursor": write_cursor(place(seq)),
        "floor": 1,
        "membership": {"history_visible_from": 0},
    }


def write(seq: int, invoked_at: float, answered_at: float) -> Write:
    return Write(
        *(APP, "r", "ann", "send", f"k{seq}", f"{APP}:{seq}", f"t{seq}", invoked_at),
        answered_at=answered_at,
        outcome="acked",
        place=place(seq),
    )


def sound() -> Evidence:
    """A small history in which every promise was kept."""
    log = RoomLog("r", head=6, floor=1, private=True)
    for event in EVENTS:
        log.texts[event["seq"]] = as_text(event)
        log.epochs[event["seq"]] = 1
        log.keys.append(f"ann:{event['seq']}")
    history = History({APP: APP, OTHER: OTHER}, set())
    history.writes = [write(seq, seq * 10.0, seq * 10.0 + 1) for seq in range(3, 7)]
    run = Run("reader", APP, "r", "ann", place(3), 32.0, 50, pack(snapshot(3)), sessions=[Session(32.5)])
    history.runs.append(run)
    for event in EVENTS[3:]:
        history.seen(run, event, event["seq"] * 10.0 + 1.1)
        run.sessions[0].last_frame_at = event["seq"] * 10.0 + 1.1
    history.glances.append(Glance(APP, "r", 4, 45.0))
    resources = Resources({"files": 10}, {"files": 12}, {"files": 5})
    return Evidence(history, {(APP, NUMBER): log}, resources)


Spoil = Callable[[Evidence], None]


def an_ack_without_its_event(evidence: Evidence) -> None:
    evidence.history.writes.append(write(9, 90, 91))


def another_message_where_one_was_acked(evidence: Evidence) -> None:
    evidence.history.writes[0].canary = f"{APP}:99"


def a_key_acked_at_two_places(evidence: Evidence) -> None:
    evidence.history.writes.append(replace(write(6, 60, 61), key="k5"))


def the_same_words_twice(evidence: Evidence) -> None:
    log = evidence.log[APP, NUMBER]
    log.texts[6] = as_text(message(6, metadata={"canary": f"{APP}:5"}))


def a_hole_in_the_log(evidence: Evidence) -> None:
    del evidence.log[APP, NUMBER].texts[5]


def a_last_event_that_never_came(evidence: Evidence) -> None:
    run = evidence.history.runs[0]
    run.seqs.pop(), run.times.pop(), run.variants.pop()


def an_event_twice(evidence: Evidence) -> None:
    evidence.history.seen(evidence.history.runs[0], EVENTS[5], 70)


def an_event_left_out(evidence: Evidence) -> None:
    run = evidence.history.runs[0]
    run.seqs.pop(1), run.times.pop(1), run.variants.pop(1)


def a_reset_without_a_reason(evidence: Evidence) -> None:
    evidence.history.runs[0].reset = "ahead_of_log"


def another_event_than_stands_in_the_log(evidence: Evidence) -> None:
    evidence.history.seen(evidence.history.runs[0], message(6, number=9), 61)


def a_snapshot_that_lacks_a_message(evidence: Evidence) -> None:
    evidence.history.runs[0].packed_snapshot = pack({**snapshot(3), "messages": []})


def a_snapshot_that_counts_too_much(evidence: Evidence) -> None:
    evidence.history.runs[0].packed_snapshot = pack({**snapshot(3), "message_count": 2})


def a_later_send_that_stands_before(evidence: Evidence) -> None:
    first, last = evidence.history.writes[0], evidence.history.writes[-1]
    first.invoked_at, first.answered_at, last.invoked_at, last.answered_at = 90, 91, 60, 61


def a_burst_out_of_order(evidence: Evidence) -> None:
    for index, each in enumerate(evidence.history.writes):
        each.invoked_at, each.line = 30, (1, -index)


def a_snapshot_older_than_an_ack(evidence: Evidence) -> None:
    evidence.history.runs[0].asked_at = 42


def a_page_older_than_an_ack(evidence: Evidence) -> None:
    evidence.history.glances.append(Glance(APP, "r", 3, 45.0))


def another_app_s_text(evidence: Evidence) -> None:
    evidence.history.look_for_leaks(OTHER, as_text(EVENTS[3]).decode(), "reader")


def an_event_after_the_removal(evidence: Evidence) -> None:
    run = evidence.history.runs[0]
    run.end, run.end_seq = "revoked", 6


def a_snapshot_for_one_who_is_no_member(evidence: Evidence) -> None:
    evidence.history.runs[0].user = "eve"


def an_event_after_the_token_s_end(evidence: Evidence) -> None:
    evidence.history.runs[0].sessions[0].token_ends_at = 50


def an_event_after_a_revocation(evidence: Evidence) -> None:
    evidence.history.revocations.append(Revocation(APP, "ann", 54.0, 55.0))


def a_delivery_that_took_long(evidence: Evidence) -> None:
    evidence.history.runs[0].times[-1] = 99


def a_refused_message_in_the_log(evidence: Evidence) -> None:
    evidence.history.writes[0].outcome = "refused"


def a_write_without_an_answer(evidence: Evidence) -> None:
    evidence.history.writes[0].outcome = "unknown"


def an_error_in_a_process_s_log(evidence: Evidence) -> None:
    evidence.resources.complaints.append("service-0.log: Traceback")


def files_left_open(evidence: Evidence) -> None:
    evidence.resources.after["files"] = 16


SPOILT: dict[Spoil, str] = {
    an_ack_without_its_event: "C1",
    another_message_where_one_was_acked: "C1",
    a_key_acked_at_two_places: "C2",
    the_same_words_twice: "C2",
    a_hole_in_the_log: "C3",
    a_last_event_that_never_came: "C4",
    an_event_twice: "C4",
    an_event_left_out: "C4",
    a_reset_without_a_reason: "C4",
    another_event_than_stands_in_the_log: "C5",
    a_snapshot_that_lacks_a_message: "C6",
    a_snapshot_that_counts_too_much: "C6",
    a_later_send_that_stands_before: "C7",
    a_burst_out_of_order: "C7",
    a_snapshot_older_than_an_ack: "C8",
    a_page_older_than_an_ack: "C8",
    another_app_s_text: "C9",
    an_event_after_the_removal: "C10",
    a_snapshot_for_one_who_is_no_member: "C10",
    an_event_after_the_token_s_end: "C11",
    an_event_after_a_revocation: "C11",
    a_delivery_that_took_long: "C12",
    a_refused_message_in_the_log: "C13",
    a_write_without_an_answer: "C13",
    an_error_in_a_process_s_log: "C13",
    files_left_open: "C14",
}


def test_nothing_is_found_where_every_promise_was_kept() -> None:
    """The history that all others here are made of is sound."""
    assert check(sound()).violations == {}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_check_sees_what_it_is_for(spoil: Spoil) -> None:
    """One thing is wrong, and the check that is there for it says so."""
    evidence = sound()
    spoil(evidence)
    assert SPOILT[spoil] in {name.split()[0] for name in check(evidence).violations}


@pytest.mark.parametrize(
    ("spoil", "tally"),
    [
        (a_last_event_that_never_came, "lost"),
        (an_event_twice, "doubled"),
        (an_event_left_out, "disordered"),
        (another_app_s_text, "leaked"),
    ],
)
def test_the_table_s_first_line_counts_it(spoil: Spoil, tally: str) -> None:
    """What clients would call it stands beside what the checks are called."""
    evidence = sound()
    spoil(evidence)
    assert {name for name, count in check(evidence).tally.items() if count} == {tally}


def test_every_check_is_seen_to_fail() -> None:
    """There is no check here without a history that it finds something in."""
    assert {name.split()[0] for name in CHECKS} == set(SPOILT.values())


def test_what_a_failover_lost_may_be_gone_and_its_readers_must_be_reset() -> None:
    """Who saw what was lost and was told nothing is a violation; who was reset is none."""
    for end, violations in (("reset", set()), (None, {"C4 subscriptions"})):
        evidence = sound()
        log, run = evidence.log[APP, NUMBER], evidence.history.runs[0]
        log.head, log.floor = 6, 1
        log.texts[6], log.epochs[6] = as_text({**message(6, id="other"), "cursor": write_cursor(place(6, SECOND))}), 2
        evidence.history.writes[-1].canary = f"{APP}:6"
        evidence.history.windows.append(Window("lost-tail", 59.0, 62.0, halts=True, loses_since=59.5))
        run.end = end
        assert set(check(evidence).violations) == violations


def test_what_was_erased_with_its_room_need_not_be_seen_and_what_stands_must() -> None:
    """Whoever is told that the room is deleted may miss what is erased, but not an event that can still be read."""
    for end, floor, found in (("deleted", 6, 0), ("deleted", 5, 1), (None, 6, 1), ("left", 6, 1)):
        evidence = sound()
        run = evidence.history.runs[0]
        run.end, evidence.log[APP, NUMBER].floor = end, floor
        for seen in (run.seqs, run.times, run.variants):
            del seen[-2:]
        assert run.last == 4
        assert len(list(c4_every_subscription_is_whole(evidence))) == found


def a_message_that_looked_deleted(evidence: Evidence) -> None:
    event = EVENTS[3]
    evidence.history.frames[APP, NUMBER, 4] = [as_text({**event, "message": redacted(event["message"])})]


def an_event_soon_after_a_revocation(evidence: Evidence) -> None:
    evidence.history.revocations.append(Revocation(APP, "ann", 58.0, 58.1))


def a_failover_that_loses_commits(evidence: Evidence) -> None:
    evidence.history.windows.append(Window("lost-tail", 70.0, 72.0, halts=True, loses_since=70.0))


def a_process_that_stands_still(evidence: Evidence) -> None:
    evidence.history.windows.append(Window("stop", 57.0, 59.0, halts=True))


def an_observer_that_stands_still(evidence: Evidence) -> None:
    evidence.history.lags.note(61.05, 34.0)


@pytest.mark.parametrize(
    ("excuse", "spoil"),
    [
        (a_failover_that_loses_commits, a_message_that_looked_deleted),
        (a_failover_that_loses_commits, a_reset_without_a_reason),
        (a_process_that_stands_still, an_event_soon_after_a_revocation),
        (an_observer_that_stands_still, an_event_soon_after_a_revocation),
        (an_observer_that_stands_still, a_delivery_that_took_long),
    ],
)
def test_what_has_an_excuse_is_no_violation_and_without_it_is_one(excuse: Spoil, spoil: Spoil) -> None:
    """A failover takes a deletion back, halted processes hear of revocations later, the observer itself can be late."""
    evidence = sound()
    spoil(evidence)
    assert check(evidence).violations
    excuse(evidence)
    assert not check(evidence).violations


def test_no_standstill_excuses_a_token_that_stays_for_good() -> None:
    """A process that cannot know of revocations has to halt, too."""
    evidence = sound()
    an_event_after_a_revocation(evidence)
    a_process_that_stands_still(evidence)
    assert set(check(evidence).violations) == {"C11 tokens"}
