"""What a newer server says that this version does not know: kept as it came, never fatal."""

from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

T = TypeVar("T")
_TAG = "\0unknown"


class Unknown(msgspec.Struct, tag_field="type", tag=_TAG):
    """A member of a union that this version does not know."""

    raw: dict[str, Any]
    """All of it, as it came."""

    @property
    def kind(self) -> str:
        """What it calls itself: its `type`."""
        return str(self.raw.get("type", ""))


def decode(text: bytes | str, kind: type[T]) -> T:
    """Decode JSON as `kind`; members of unions that `kind` does not know become `Unknown`.

    Raises `msgspec.ValidationError` for what is not of that shape even so, `msgspec.DecodeError` for what is no JSON.
    """
    return cast("T", decode_any(text, kind))


def decode_any(text: bytes | str, kind: Any) -> Any:
    """Decode like `decode`; `kind` may be a union."""
    try:
        return _decoder(kind).decode(text)
    except msgspec.ValidationError:
        # Rare, and 13 times as slow: only a newer server brings us here.
        return msgspec.convert(_marked(msgspec.json.decode(text), inspect.type_info(kind)), kind)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def to_wire(value: Any) -> Any:
    """Give a value as what JSON is made of, with every `Unknown` as it came."""
    return msgspec.to_builtins(_unmarked(value), str_keys=True)


def _unmarked(value: Any) -> Any:
    match value:
        case Unknown():
            return value.raw
        case [*elements]:
            return [_unmarked(each) for each in elements]
        case {**members}:
            return {name: _unmarked(each) for name, each in members.items()}
        case _:
            return value


def _marked(value: Any, kind: inspect.Type) -> Any:
    """Mark what is unknown, where a union stands and nowhere else: custom data may have a `type` of its own."""
    match kind, value:
        case inspect.StructType(fields=fields), {**members}:
            kinds = {field.encode_name: field.type for field in fields}
            return {name: _marked(each, kinds[name]) if name in kinds else each for name, each in members.items()}
        case inspect.ListType(item_type=inner), [*elements]:
            return [_marked(each, inner) for each in elements]
        case inspect.DictType(value_type=inner), {**members}:
            return {name: _marked(each, inner) for name, each in members.items()}
        case inspect.UnionType(types=types), {**members}:
            return _marked_member(
                cast("dict[str, Any]", members), [each for each in types if isinstance(each, inspect.StructType)]
            )
        case inspect.UnionType(types=types), [*elements]:
            lists = [each for each in types if isinstance(each, inspect.ListType)]
            return _marked(elements, lists[0]) if lists else elements
        case _:
            return value


def _marked_member(value: dict[str, Any], members: list[inspect.StructType]) -> dict[str, Any]:
    if not members:
        return value
    tag_field = members[0].tag_field
    if tag_field is None:
        return dict(_marked(value, members[0]))
    for member in members:
        if member.tag == value.get(tag_field):
            return dict(_marked(value, member))
    return {tag_field: _TAG, "raw": value}
