"""The model of a client: classes, unions, errors and resources as Python will name them."""

import keyword
import re
from dataclasses import dataclass, field
from typing import Any

from sdk.generator.read import Document, Schema

SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
PLURALS = re.compile(r"(?<=[a-z])s$")
TAG_FIELDS = ("type", "op")
EVERYWHERE = {
    *(
        "bad_request",
        "unauthenticated",
        "internal",
        "unavailable",
        "rate_limited",
        "api_key_in_browser",
        "origin_not_allowed",
    ),
    *("app_suspended", "missing_grant", "forbidden", "too_large", "unsupported_media_type", "overloaded"),
}
"""Codes that any call may meet, and that say nothing of one in particular."""
HIDDEN_TAGS = {"document"}
"""What is for browsers and generators, not for programs."""


@dataclass(frozen=True)
class Field:
    """A field of a struct, or a parameter of a method."""

    name: str
    type: str
    required: bool
    default: str | None
    """Python text; None where there is none."""
    description: str

    @property
    def python_name(self) -> str:
        """Its name where Python keeps the word for itself."""
        return f"{self.name}_" if keyword.iskeyword(self.name) else self.name

    @property
    def assignment(self) -> str:
        """What stands behind its type in a struct."""
        if self.python_name == self.name:
            return "" if self.required else f" = {self.default}"
        default = "" if self.required else f", default={self.default}"
        return f' = msgspec.field(name="{self.name}"{default})'


@dataclass(frozen=True)
class Struct:
    """A class with fields."""

    name: str
    description: str
    tag_field: str | None
    tag: str | None
    fields: list[Field]
    has_etag: bool


@dataclass(frozen=True)
class Union:
    """A name for one of several structs, the unknown one included."""

    name: str
    description: str
    members: list[str]


@dataclass(frozen=True)
class Choice:
    """A name for one of several strings."""

    name: str
    description: str
    values: list[str]


@dataclass(frozen=True)
class Problem:
    """A refusal's class."""

    name: str
    code: str
    status: int
    title: str
    meaning: str


@dataclass(frozen=True)
class Pages:
    """How a list goes on."""

    page: str
    items: str
    item: str
    backward: bool


@dataclass(frozen=True)
class Method:
    """A method of a resource: one operation."""

    name: str
    operation: str
    summary: str
    description: str
    method: str
    path: str
    path_names: list[str]
    query: list[Field]
    body: list[Field]
    returns: str | None
    pages: Pages | None
    takes_key: bool
    takes_tag: bool
    codes: list[str]

    @property
    def doc(self) -> str:
        """The docstring: what it does, what its parameters are, what it raises."""
        paragraphs = [self.summary + ".", *([self.description] if self.description else [])]
        told = [f"- `{each.name}`: {each.description}" for each in (*self.body, *self.query) if each.description]
        if told:
            paragraphs.append("\n".join(told))
        own = [pascal(code) for code in self.codes if code not in EVERYWHERE]
        if own:
            paragraphs.append(f"Raises {', '.join(f'`{name}`' for name in own)}.")
        return "\n\n".join(paragraphs)


@dataclass
class Resource:
    """A noun with its methods, and the nouns within it."""

    name: str
    description: str
    methods: list[Method] = field(default_factory=list)
    children: dict[str, "Resource"] = field(default_factory=dict)

    @property
    def class_name(self) -> str:
        """The class, as Python names it."""
        return f"{pascal(self.name)}Resource"


@dataclass(frozen=True)
class Model:
    """All of it."""

    version: str
    definitions: list[Struct | Union]
    """Each behind those that it is made of."""
    choices: list[Choice]
    problems: list[Problem]
    root: Resource

    @property
    def names(self) -> list[str]:
        """The names of all that is defined."""
        return [each.name for each in (*self.choices, *self.definitions)]

    @property
    def resources(self) -> list[Resource]:
        """Every resource, those within others before them."""
        return list(_flattened(self.root))


def build_model(document: Document) -> Model:
    """Make the model of a document."""
    tagged = {name: schema for name, schema in document.schemas.items() if "oneOf" in schema}
    with_tags = set(_shapes_with_etags(document))
    structs = [
        _struct(document, name, schema, has_etag=name in with_tags)
        for name, schema in document.schemas.items()
        if schema.get("type") == "object"
    ]
    return Model(
        version=document.whole["info"]["version"],
        definitions=_ordered([*structs, *(_union(name, schema) for name, schema in tagged.items())]),
        choices=[
            Choice(name, schema["description"], schema["enum"])
            for name, schema in document.schemas.items()
            if "enum" in schema
        ],
        problems=[
            Problem(pascal(each["code"]), each["code"], each["status"], each["title"], each["meaning"])
            for each in document.problems
        ],
        root=_resources(document),
    )


def pascal(name: str) -> str:
    """Write a name as a class's."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[_.\-]", name))


def snake(name: str) -> str:
    """Write a name as a function's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _name_of(place: str) -> str:
    return place.rpartition("/")[2]


def _struct(document: Document, name: str, schema: Schema, *, has_etag: bool) -> Struct:
    required = set(schema.get("required", ()))
    fields, tag_field, tag = [], None, None
    for member, described in schema["properties"].items():
        values = described.get("enum", ())
        if member in TAG_FIELDS and len(values) == 1:
            tag_field, tag = member, values[0]
            continue
        fields.append(_field(document, member, described, is_required=member in required))
    fields.sort(key=lambda each: not each.required)
    return Struct(name, schema.get("description", ""), tag_field, tag, fields, has_etag)


def _field(document: Document, name: str, schema: Schema, *, is_required: bool, choices: bool = False) -> Field:
    kind = python_type(document, schema, choices=choices)
    description = schema.get("description", "")
    if is_required:
        return Field(name, kind, required=True, default=None, description=description)
    default = schema.get("default")
    if default is None or isinstance(default, (list, dict)):
        kind, text = (kind if "None" in kind else f"{kind} | None"), "None"
    else:
        text = repr(default)
    return Field(name, kind, required=False, default=text, description=description)


def python_type(document: Document, schema: Schema, *, choices: bool = False) -> str:
    """Write a schema as a Python type; with `choices`, strings of a list are written as that list."""
    match schema:
        case {"$ref": str(place)}:
            target = document.follow(schema)
            if "enum" in target:
                return f"{_name_of(place)} | str" if choices else "str"
            return _name_of(place)
        case {"anyOf": [*members]} | {"oneOf": [*members]}:
            kinds = [python_type(document, member, choices=choices) for member in members]
            return " | ".join(dict.fromkeys(sorted(kinds, key=lambda kind: kind == "None")))
        case {"enum": [*values]}:
            literal = f"Literal[{', '.join(repr(value) for value in values)}]"
            if choices:
                return f"{literal} | str" if isinstance(values[0], str) else literal
            return type(values[0]).__name__
        case {"type": "array"}:
            inner = python_type(document, schema.get("items", {}), choices=choices)
            return f"Sequence[{inner}]" if choices else f"list[{inner}]"
        case {"type": "object"}:
            extra = schema.get("additionalProperties", True)
            inner = "Any" if extra is True else python_type(document, extra, choices=choices)
            return f"Mapping[str, {inner}]" if choices else f"dict[str, {inner}]"
        case {"type": "null"}:
            return "None"
        case {"type": str(kind)}:
            return SCALARS[kind]
        case _:
            return "Any"


def _union(name: str, schema: Schema) -> Union:
    return Union(name, schema["description"], [_name_of(member["$ref"]) for member in schema["oneOf"]])


def _ordered(definitions: list[Struct | Union]) -> list[Struct | Union]:
    by_name = {definition.name: definition for definition in definitions}
    done: dict[str, Struct | Union] = {}

    def visit(definition: Struct | Union) -> None:
        if definition.name in done:
            return
        if isinstance(definition, Union):
            names = definition.members
        else:
            names = [name for each in definition.fields for name in re.findall(r"\w+", each.type)]
        for name in names:
            if name in by_name and name != definition.name:
                visit(by_name[name])
        done[definition.name] = definition

    for definition in definitions:
        visit(definition)
    return list(done.values())


# ---- resources


def _resources(document: Document) -> Resource:
    described = {tag["name"]: tag["description"] for tag in document.whole["tags"]}
    root = Resource("", "")
    for path, method, operation in document.operations():
        answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        media_types = {media_type for answer in answers.values() for media_type in answer.get("content", {})}
        if operation["tags"][0] in HIDDEN_TAGS or not answers or media_types - {"application/json"}:
            continue
        names, verb = _place(path, operation["operationId"])
        at = root
        for name in names:
            at = at.children.setdefault(
                name, Resource(name, described.get(name, f"{name.replace('_', ' ')}.".capitalize()))
            )
        at.methods.append(_method(document, path, method, operation, verb))
    return root


def _place(path: str, operation_id: str) -> tuple[list[str], str]:
    """Say in which resource an operation stands and what it is called there.

    The operation's id is a verb and a noun. The resource is the part of the path that ends with that noun, or the whole path
    with the noun in place of its last segment: `listMessages` at `/v1/rooms/{}/messages` is `rooms.messages.list`, `joinRoom`
    at `/v1/rooms/{}/join` is `rooms.join`. A plural that is no list is of many: `users.put_many`.
    """
    verb, _, noun = snake(operation_id).partition("_")
    segments = [snake(re.sub(r"\.json$", "", part)) for part in path.split("/")[2:] if not part.startswith("{")]
    one = PLURALS.sub("", noun)
    places = [at for at, segment in enumerate(segments) if one.endswith(PLURALS.sub("", segment))]
    resource = segments[: places[-1] + 1] if places else [*segments[:-1], noun]
    is_many = noun.endswith("s") and one != noun and verb not in {"list", "get"}
    return resource, f"{verb}_many" if is_many else verb


def _method(document: Document, path: str, method: str, operation: dict[str, Any], verb: str) -> Method:
    parameters = [document.follow(parameter) for parameter in operation["parameters"]]
    named = {parameter["name"] for parameter in parameters}
    query = [
        _field(
            document,
            each["name"],
            {**each["schema"], "description": each["description"]},
            is_required=False,
            choices=True,
        )
        for each in parameters
        if each["in"] == "query"
    ]
    body: list[Field] = []
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        schema = document.follow(content["schema"])
        required = set(schema.get("required", ()))
        body = [
            _field(document, name, member, is_required=name in required, choices=True)
            for name, member in schema["properties"].items()
        ]
        body.sort(key=lambda each: not each.required)
    shapes = [
        answer["content"]["application/json"]["schema"]
        for status, answer in operation["responses"].items()
        if status.startswith("2") and "content" in answer
    ]
    returns = _name_of(shapes[0]["$ref"]) if shapes else None
    return Method(
        name=verb,
        operation=operation["operationId"],
        summary=operation["summary"],
        description=operation.get("description", ""),
        method=method.upper(),
        path=path,
        path_names=re.findall(r"\{(\w+)\}", path),
        query=query,
        body=body,
        returns=returns,
        pages=_pages(document, returns, {each.name for each in query}),
        takes_key="Idempotency-Key" in named,
        takes_tag="If-Match" in named,
        codes=sorted({code for answer in operation["responses"].values() for code in answer.get("x-codes", ())}),
    )


def _pages(document: Document, returns: str | None, query: set[str]) -> Pages | None:
    if returns is None or "after" not in query:
        return None
    properties = document.schemas[returns]["properties"]
    lists = [(name, each["items"]) for name, each in properties.items() if each.get("type") == "array"]
    if "next" not in properties or len(lists) != 1:
        return None
    name, item = lists[0]
    return Pages(returns, name, python_type(document, item), "previous" in properties)


def _shapes_with_etags(document: Document) -> list[str]:
    return [
        _name_of(answer["content"]["application/json"]["schema"]["$ref"])
        for _, _, operation in document.operations()
        for answer in operation["responses"].values()
        if "ETag" in answer.get("headers", {})
    ]


def _flattened(resource: Resource) -> list[Resource]:
    return [each for child in resource.children.values() for each in [*_flattened(child), child]]
