"""Custom data: JSON objects of the customer's own, checked at the edge, then stored and shown as they came."""

from typing import Annotated, Any

import msgspec

from api.errors import BadRequest

MAX_BYTES = 8 * 1024
MAX_DEPTH = 32
EMPTY_TEXT = b"{}"
EMPTY = msgspec.Raw(EMPTY_TEXT)
ABSENT = msgspec.Raw()
"""Stands where a change does not mention custom data: a `Raw` cannot be in a union with None."""

CustomData = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object", "additionalProperties": True})]
"""A JSON object of the customer's own: at most 8 KiB, 32 levels."""


def empty() -> msgspec.Raw:
    """Give what stands for data that a new thing is made without."""
    return EMPTY


def absent() -> msgspec.Raw:
    """Give what stands for data that a change does not mention."""
    return ABSENT


def changed_text(raw: msgspec.Raw, pointer: str) -> str | None:
    """Give a custom object like `custom_text`, or None where it is absent."""
    return custom_text(raw, pointer) if bytes(raw) else None


def custom_text(raw: msgspec.Raw, pointer: str) -> str:
    """Give a custom object as compact JSON text; raises `BadRequest` unless it is an object within the limits.

    At most 8 KiB as it came, 32 levels, numbers that fit a double or 64 bits.
    """
    text = bytes(raw)
    if text == EMPTY_TEXT:
        return "{}"
    if len(text) > MAX_BYTES:
        raise BadRequest(f"Custom data is at most {MAX_BYTES} bytes of JSON.", pointer=pointer)
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest("Custom data holds a number out of range or a lone surrogate.", pointer=pointer) from error
    if not isinstance(value, dict):
        raise BadRequest("Custom data is a JSON object.", pointer=pointer)
    _refuse_depth(value, MAX_DEPTH, pointer)
    return msgspec.json.format(text, indent=-1).decode()


def _refuse_depth(value: Any, levels: int, pointer: str) -> None:  # noqa: ANN401 - any JSON
    match value:
        case int() if abs(value) >= 2**64:
            raise BadRequest("Integers in custom data fit 64 bits.", pointer=pointer)
        case dict() | list() if levels == 0:
            raise BadRequest(f"Custom data is nested at most {MAX_DEPTH} deep.", pointer=pointer)
        case {**members}:
            for member in members.values():
                _refuse_depth(member, levels - 1, pointer)
        case [*elements]:
            for element in elements:
                _refuse_depth(element, levels - 1, pointer)
        case _:
            pass
