"""Numbers and names of rooms and messages, and the opaque strings that carry a place in a log."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import NamedTuple, NewType

import msgspec

RoomNumber = NewType("RoomNumber", int)
RoomId = NewType("RoomId", str)
"""What the customer calls a room; a deleted room's id may name a new room later, a number never does."""
Seq = NewType("Seq", int)

MAX_NUMBER = 2**63 - 1


class Epoch(NamedTuple):
    """One unbroken life of the database: its place in the table of epochs, and 32 bits of its random id."""

    ordinal: int
    tag: int


class Place(msgspec.Struct, frozen=True, gc=False):
    """A place in a room's log, as written in one epoch: what cursors and message ids spell."""

    room: RoomNumber
    epoch: Epoch
    seq: Seq


def write_cursor(place: Place) -> str:
    """Spell a cursor: opaque to clients, the same for every reader of the same event."""
    return "c" + _pack(place)


def read_cursor(text: str) -> Place | None:
    """Read a cursor; None for anything that `write_cursor` did not write."""
    return _unpack(text[1:]) if text.startswith("c") else None


def write_message_id(place: Place) -> str:
    """Spell a message's id: it names the room, the epoch and the seq of its `message.created`."""
    return "m" + _pack(place)


def read_message_id(text: str) -> Place | None:
    """Read a message's id; None for anything that `write_message_id` did not write."""
    return _unpack(text[1:]) if text.startswith("m") else None


@lru_cache(maxsize=1_000)
def _pack(place: Place) -> str:
    # Remembered for a moment: an event's cursor, its message's id and its writer's answer all spell the same place.
    packed = (
        _varint(place.room) + _varint(place.epoch.ordinal) + place.epoch.tag.to_bytes(4, "big") + _varint(place.seq)
    )
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _unpack(text: str) -> Place | None:
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        room, at = _read_varint(packed, 0)
        ordinal, at = _read_varint(packed, at)
        tag = int.from_bytes(packed[at : at + 4], "big")
        seq, end = _read_varint(packed, at + 4)
    except (ValueError, IndexError, binascii.Error):
        return None
    place = Place(RoomNumber(room), Epoch(ordinal, tag), Seq(seq))
    well_formed = end == len(packed) and max(room, ordinal, seq) <= MAX_NUMBER
    # Only the one canonical spelling is ours: base64 and varints both know others.
    return place if well_formed and _pack(place) == text else None


def _varint(number: int) -> bytes:
    packed = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits to a byte, the eighth says that more follow
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _read_varint(packed: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = packed[at]
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:  # noqa: PLR2004
            return number, at
