"""Shapes as JSON Schema: msgspec's, named as clients know them, with what their docstrings say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from api.document.docstrings import description_of, fields_of
from api.edge.told import Shape

Schema = dict[str, Any]
TEMPLATE = "#/components/schemas/{name}"
INTEGER = {"type": "integer", "format": "int64"}


@dataclass(frozen=True, slots=True)
class NamedUnion:
    """A tagged union under a name of its own; it has no class whose name and docstring could be taken."""

    name: str
    shape: Shape
    description: str


class Shapes:
    """The schemas of a document, by name."""

    def __init__(self, shapes: Iterable[Shape], unions: Sequence[NamedUnion]) -> None:
        """Describe `shapes` and `unions`."""
        kinds = list(dict.fromkeys([*shapes, *(union.shape for union in unions)]))
        schemas, components = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
        self._names: dict[object, str] = {_key(union.shape): union.name for union in unions}
        self._schemas = {_key(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
        self._unions = {
            frozenset(self._schemas[_key(union.shape)]["discriminator"]["mapping"]): union.name for union in unions
        }
        classes = _classes(kinds)
        self.components: dict[str, Schema] = {}
        for name, schema in components.items():
            if public_name(name) in self.components:
                raise ValueError(f"Two shapes are shown as {public_name(name)}.")
            kind = classes.get(name)
            self.components[public_name(name)] = self._finished(schema if kind is None else _described(schema, kind))
        for union in unions:
            self.components[union.name] = {
                "title": union.name,
                "description": union.description,
                **self._one_of(self._schemas[_key(union.shape)]),
            }

    def schema(self, shape: Shape) -> Schema:
        """Give the schema of a shape: a reference to where it stands."""
        name = self._names.get(_key(shape))
        return {"$ref": TEMPLATE.format(name=name)} if name else self._finished(self._schemas[_key(shape)])

    def _finished(self, schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
        """Rename what is referred to, and say everything plainly."""
        match schema:
            case {"$ref": str(place)}:
                start, _, name = place.rpartition("/")
                return {**schema, "$ref": f"{start}/{public_name(name)}"}
            case {"discriminator": {"mapping": mapping}}:
                union = self._unions.get(frozenset(mapping))
                return {"$ref": TEMPLATE.format(name=union)} if union else self._one_of(schema)
            case {**members}:
                finished: Schema = {
                    str(name): public_name(value)
                    if name == "title" and isinstance(value, str)
                    else self._finished(value)
                    for name, value in members.items()
                }
                return plain(finished)
            case [*elements]:
                return [self._finished(element) for element in elements]
            case _:
                return schema

    def _one_of(self, schema: Schema) -> Schema:
        """Write a tagged union: exactly one of it fits, and a reader is told so."""
        tag, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
        places = {value: self._finished({"$ref": place})["$ref"] for value, place in mapping.items()}
        kinds = [self._finished(kind) for kind in schema["anyOf"]]
        return {"oneOf": kinds, "discriminator": {"propertyName": tag, "mapping": places}}


def plain(schema: Schema) -> Schema:
    """Say what JSON Schema leaves to its readers: the width of an integer, the type of a choice, that any member may come."""
    match schema:
        case {"type": "integer"}:
            return {**INTEGER, **schema}
        case {"enum": [str(), *_]}:
            return {"type": "string", **schema}
        case {"type": "object"} if not {"properties", "additionalProperties"} & schema.keys():
            return {**schema, "additionalProperties": True}
        case _:
            return schema


def public_name(name: str) -> str:
    """Give the name by which clients know a shape: what is shown needs no `View` for them."""
    return name.removesuffix("View")


def _described(schema: Schema, kind: type) -> Schema:
    fields = fields_of(kind)
    properties = {
        name: {**member, "description": fields[name]} if name in fields else member
        for name, member in schema.get("properties", {}).items()
    }
    described = {**schema, "description": description_of(kind)}
    return {**described, "properties": properties} if properties else described


def _classes(kinds: Iterable[Shape]) -> dict[str, type]:
    """Find the classes that these shapes are made of, by name."""
    found: dict[str, type] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__name__ not in found:
            found[kind.__name__] = kind
            waiting += [field.type for field in msgspec.structs.fields(kind)]
    return found


def _key(shape: Shape) -> object:
    arguments = get_args(shape)
    return frozenset(arguments) if arguments else shape
