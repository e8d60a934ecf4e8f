"""Conditional changes: for which state of a thing a change is meant, by `If-Match`. Pure."""

import re
from dataclasses import dataclass

from api.errors import BadRequest

_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_LIST = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The states that a change is meant for."""

    tags: frozenset[str] | None
    """Entity tags as answers spell them; None: whatever state there is."""

    def holds(self, tag: str) -> bool:
        """Tell whether the state of this tag is one of them."""
        return self.tags is None or tag in self.tags


def read_if_match(header: str | None) -> IfMatch | None:
    """Read the header `If-Match`; None where there is none, raises `BadRequest` for what is no list of entity tags."""
    if header is None:
        return None
    text = header.strip()
    if text == "*":
        return IfMatch(None)
    if _LIST.fullmatch(text) is None:
        raise BadRequest("If-Match is * or a list of entity tags in double quotes, as the header ETag gives them.")
    return IfMatch(frozenset(re.findall(_TAG, text)))
