"""Cursors and message ids: opaque, canonical, and never an error to read."""

from hypothesis import given
from hypothesis import strategies as st

from api.ids import (
    MAX_NUMBER,
    Epoch,
    Place,
    RoomNumber,
    Seq,
    read_cursor,
    read_message_id,
    write_cursor,
    write_message_id,
)

numbers = st.integers(0, MAX_NUMBER)
places = st.builds(
    Place,
    room=numbers.map(RoomNumber),
    epoch=st.builds(Epoch, ordinal=numbers, tag=st.integers(0, 2**32 - 1)),
    seq=numbers.map(Seq),
)


@given(places)
def test_what_was_written_is_read(place: Place) -> None:
    """A cursor says the place that it was made of, and so does an id; neither passes for the other."""
    assert read_cursor(write_cursor(place)) == place
    assert read_message_id(write_message_id(place)) == place
    assert read_cursor(write_message_id(place)) is None
    assert read_message_id(write_cursor(place)) is None


@given(st.text())
def test_anything_else_is_none_and_no_error(text: str) -> None:
    """Whatever a client sends for a cursor, reading it does not raise; what is read is spelled just so."""
    for candidate in (text, "c" + text):
        place = read_cursor(candidate)
        assert place is None or write_cursor(place) == candidate


@given(places, st.data())
def test_a_cursor_cut_or_lengthened_is_another_or_none(place: Place, data: st.DataObject) -> None:
    """No two texts are the same cursor."""
    text = write_cursor(place)
    changed = text[: data.draw(st.integers(0, len(text)))] + data.draw(st.text("AZaz09-_=", max_size=3))
    read = read_cursor(changed)
    assert changed == text or read is None or read != place


@given(st.sets(places, min_size=2, max_size=20))
def test_different_places_have_different_cursors(some: set[Place]) -> None:
    """No two places share a cursor."""
    assert len({write_cursor(place) for place in some}) == len(some)
