"""The client's state machine, walked: every state, every event."""

import itertools

import pytest

from roomlog.realtime.machine import LINK, ROOM, Link, LinkEvent, Place, PlaceEvent, moved, placed


def reachable(table: dict, start: object) -> set:
    seen, waiting = {start}, [start]
    while waiting:
        for state in table[waiting.pop()].values():
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return seen


def test_every_state_is_in_the_tables() -> None:
    """No state is without a row, and none is reached by nothing."""
    assert set(LINK) == set(Link) == reachable(LINK, Link.IDLE)
    assert set(ROOM) == set(Place) == reachable(ROOM, Place.WANTED)


def test_every_event_means_something_somewhere() -> None:
    """None is there for nothing."""
    assert {event for row in LINK.values() for event in row} == set(LinkEvent)
    assert {event for row in ROOM.values() for event in row} == set(PlaceEvent)


@pytest.mark.parametrize("state", [state for state in Link if state is not Link.CLOSED])
def test_a_connection_can_always_be_closed_and_always_come_back(state: Link) -> None:
    """From every state one STOP ends it, and without one it can be open again: nothing that passes is final."""
    assert moved(state, LinkEvent.STOP) is Link.CLOSED
    passing = {
        at: {event: to for event, to in row.items() if event not in {LinkEvent.STOP, LinkEvent.REFUSED}}
        for at, row in LINK.items()
    }
    assert Link.OPEN in reachable(passing, state)


@pytest.mark.parametrize("state", [place for place in Place if place is not Place.ENDED])
def test_a_room_can_always_be_ended_and_always_come_back(state: Place) -> None:
    """From every state it ends at once, and otherwise it can be followed again."""
    assert placed(state, PlaceEvent.ENDED) is Place.ENDED
    going_on = {
        at: {event: to for event, to in row.items() if event is not PlaceEvent.ENDED} for at, row in ROOM.items()
    }
    assert Place.FOLLOWING in reachable(going_on, state)


@pytest.mark.parametrize("state", [place for place in Place if place is not Place.ENDED])
def test_a_lost_connection_leaves_no_room_behind(state: Place) -> None:
    """Whatever it was doing, a room is asked for on the next connection, or is waiting for the application to catch up."""
    assert placed(state, PlaceEvent.LOST) in {Place.WANTED, Place.FULL}


def test_the_end_is_the_end() -> None:
    """Nothing leads out of it, and late frames are passed over."""
    assert LINK[Link.CLOSED] == {}
    assert all(placed(Place.ENDED, event) is None for event in PlaceEvent)


def test_events_of_the_log_are_taken_by_a_room_that_follows_and_by_no_other() -> None:
    """What comes before `subscribed`, or after the room was left off, changes nothing."""
    takers = {place for place, event in itertools.product(Place, [PlaceEvent.EVENT]) if placed(place, event)}
    assert takers == {Place.FOLLOWING}


@pytest.mark.parametrize("state", list(Link))
def test_what_cannot_happen_is_a_fault(state: Link) -> None:
    """A connection's event that has no row raises: the driver and the table disagree."""
    for event in set(LinkEvent) - set(LINK[state]):
        with pytest.raises(KeyError):
            moved(state, event)
