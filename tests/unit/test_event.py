"""Events as JSON."""

import copy
import json

from api.ids import Seq, read_cursor, read_message_id
from api.log.event import Kind, changed_facts, event_json, hidden_json, member_facts, room_facts, state_json
from api.tails.fold import Fold
from api.tails.payload import read_payload, write_payload
from api.tails.tail import Offer, Tail
from tenants.ids import UserId
from tests.unit.logs import APP, ROOM, ROOM_ID, event, snapshot


def test_every_kind_is_valid_json_with_its_place() -> None:
    """Whatever the kind, the text is JSON that names type, room, seq and cursor, and carries the new state."""
    for kind in set(Kind) - {Kind.UNKNOWN}:
        made = event(9, kind, target=Seq(4))
        frame = json.loads(event_json(made, ROOM_ID))
        assert frame["type"] == kind.wire_name
        assert (frame["room"], frame["seq"]) == ("r", 9)
        assert read_cursor(frame["cursor"]) == made.place
        assert frame[kind.subject_name] == json.loads(state_json(made))


def test_a_kind_of_a_newer_version_has_its_place_and_changes_nothing_else() -> None:
    """What this version does not know is read, shown as a place alone, and folds to what was there before."""
    made = event(2, Kind(99), facts='"new":1')
    assert json.loads(event_json(made, ROOM_ID)) == json.loads(hidden_json(made, ROOM_ID))
    assert read_payload(write_payload(made)) == made
    tail = Tail(APP, ROOM, snapshot(1))
    before = copy.copy(tail.fold)
    assert tail.offer(made) is Offer.APPENDED
    assert tail.seq == 2
    assert all(getattr(tail.fold, name) == getattr(before, name) for name in Fold.__slots__)


def test_edits_and_deletions_carry_what_the_message_was_born_with() -> None:
    """Id, seq, number, time and sender of the original stand in every later state of a message."""
    original = event(4)
    born = json.loads(state_json(original))
    for kind in (Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED):
        changed = json.loads(state_json(event(9, kind, target=Seq(4), facts=changed_facts(original))))
        for name in ("id", "seq", "number", "created_at", "sender"):
            assert changed[name] == born[name]
        assert changed["updated_seq"] == 9
    place = read_message_id(born["id"])
    assert place == original.place


def test_a_redacted_event_says_so_and_nothing_else() -> None:
    """Its words are gone, its facts are not."""
    state = json.loads(state_json(event(4).redacted()))
    assert "text" not in state
    assert (state["redacted"], state["sender"], state["seq"]) == (True, "ann", 4)


def test_a_hidden_event_shows_its_place_alone() -> None:
    """Nothing but type, room, seq and cursor."""
    assert set(json.loads(hidden_json(event(4), ROOM_ID))) == {"type", "room", "seq", "cursor"}


def test_names_are_escaped() -> None:
    """What people write into names cannot break out of its string."""
    facts = json.loads("{" + room_facts(ROOM_ID, name='"},{"', private=True, data='{"a":"\\""}') + "}")
    assert (facts["name"], facts["data"], facts["private"]) == ('"},{"', {"a": '"'}, True)
    assert json.loads("{" + member_facts(UserId("a@b"), "admin") + "}") == {"user": "a@b", "role": "admin"}


def test_a_payload_carries_the_whole_event() -> None:
    """What goes through Redis is what was written."""
    for kind in Kind:
        made = event(9, kind, target=Seq(4), private=True)
        assert read_payload(write_payload(made)) == made
    assert read_payload(write_payload(event(4).redacted())) == event(4).redacted()
