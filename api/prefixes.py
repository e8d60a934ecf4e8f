"""Prefixes and places in ordered lists. Pure."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from api.errors import BadRequest

LAST = "\U0010ffff"
"""Sorts behind every character that people write, byte by byte."""


def prefix_end(prefix: str) -> str:
    """Give what sorts behind every text that begins so."""
    return prefix + LAST


def write_place(text: str) -> str:
    """Spell a text as an opaque place in a list, for `next`."""
    return "p" + urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def read_place(place: str) -> str:
    """Read what `write_place` spelled; raises `BadRequest` for anything else."""
    try:
        text = urlsafe_b64decode(place[1:] + "=" * (-len(place[1:]) % 4)).decode()
    except (ValueError, binascii.Error) as error:
        raise wrong_place() from error
    if "\0" in text or write_place(text) != place:
        raise wrong_place()
    return text


def wrong_place() -> BadRequest:
    """Make the refusal of a place that no page has given."""
    return BadRequest("Pass as `after` what `next` of the page before said.")
