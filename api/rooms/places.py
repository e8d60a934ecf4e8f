"""Where a page of rooms ended, as the next one asks for it: a number where the newest come first, or else a name. Pure."""

import re

from api.ids import MAX_NUMBER
from api.prefixes import read_place, write_place, wrong_place

_PLACE = re.compile(r"r[0-9a-f]{1,16}", re.ASCII)
Place = tuple[str, int]
"""Name and number of the room before the first one; the name is for lists by name."""


def write_room_place(number: int, name: str, *, by_name: bool) -> str:
    """Spell the place behind a room."""
    return write_place(f"{number:x} {name}") if by_name else f"r{number:x}"


def read_room_place(after: str | None, *, by_name: bool) -> Place:
    """Read what `write_room_place` spelled, or give the beginning for None; raises `BadRequest` for anything else."""
    return _read_name_place(after) if by_name else _read_number_place(after)


def _read_number_place(after: str | None) -> Place:
    if after is None:
        return "", MAX_NUMBER
    if _PLACE.fullmatch(after) is None:
        raise wrong_place()
    return "", min(MAX_NUMBER, int(after[1:], 16))


def _read_name_place(after: str | None) -> Place:
    if after is None:
        return "", 0
    number, _, name = read_place(after).partition(" ")
    if _PLACE.fullmatch(f"r{number}") is None:
        raise wrong_place()
    return name, min(MAX_NUMBER, int(number, 16))
