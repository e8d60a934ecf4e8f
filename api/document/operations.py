"""An operation of the document: what its route, its docstring and what is told of it say."""

import re
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter
from litestar.typing import FieldDefinition

from api.document.docstrings import fields_of, rest_of, summary_of
from api.document.examples import PARAMETERS, examples_of
from api.document.links import LINKS
from api.document.refusals import HEADERS, LIMITS, refusal_responses, refusals_of
from api.document.shapes import Schema, Shapes, plain
from api.edge.told import Shape, Told
from api.names import PATTERN

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
IDS: dict[str, tuple[str, Schema]] = {
    "room_id": ("The room's id.", {"type": "string", "pattern": PATTERN}),
    "user_id": ("The user's id.", {"type": "string", "pattern": PATTERN}),
    "message_id": ("The message's id.", {"type": "string"}),
    "key_id": ("The key's id.", {"type": "string"}),
    "job_id": ("The job's id.", {"type": "string"}),
    "app_id": ("The app's id.", {"type": "string"}),
}
BOUNDS = ("ge", "le", "min_length", "max_length")


def told_of(handler: HTTPRouteHandler) -> Told:
    """Give what is told of a route."""
    told: Told = handler.opt["told"]
    return told


def path_of(handler: HTTPRouteHandler) -> str:
    """Give the path by which clients know an operation."""
    return _PARAMETER.sub(r"{\1}", told_of(handler).path or next(iter(handler.paths)))


def method_of(handler: HTTPRouteHandler) -> str:
    """Give an operation's one method, in small letters."""
    (method,) = handler.http_methods - {"OPTIONS", "HEAD"}
    return str(method).lower()


def shapes_of(handler: HTTPRouteHandler) -> list[Shape]:
    """List the shapes that an operation takes and gives."""
    told = told_of(handler)
    return [shape for shape in (told.takes, *told.gives.values()) if shape is not None]


def write_operation(handler: HTTPRouteHandler, shapes: Shapes) -> Schema:
    """Write an operation."""
    told = told_of(handler)
    name = str(handler.operation_id)
    function = handler.fn
    parameters = [*_path(handler), *_query(handler, told), *_headers(handler)]
    written: Schema = {
        "operationId": name,
        "summary": summary_of(function),
        "tags": [function.__module__.split(".")[1]],
        "x-grant": handler.opt.get("grant"),
        "x-budgets": ["requests", *([handler.opt["budget"].value] if "budget" in handler.opt else [])],
        "security": _security(handler),
        "parameters": parameters,
        "responses": {
            **{str(status): _answer(handler, told, shape, status, shapes) for status, shape in told.gives.items()},
            **refusal_responses(refusals_of(handler, told, has_parameters=bool(parameters))),
        },
    }
    if description := _description(handler):
        written["description"] = description
    if told.takes is not None:
        content = {"application/json": {"schema": shapes.schema(told.takes), **examples_of(told.takes)}}
        written["requestBody"] = {"required": not told.takes_nothing_too, "content": content}
    return written


def _description(handler: HTTPRouteHandler) -> str:
    said = rest_of(handler.fn)
    if handler.opt.get("keys_only", False):
        said.append("Takes an API key.")
    if handler.opt.get("grant") is not None:
        said.append(f"Takes the grant `{handler.opt['grant']}`.")
    budgets = ["requests", *([handler.opt["budget"].value] if "budget" in handler.opt else [])]
    if "grant" in handler.opt:
        said.append(f"Counts against the limits of {' and '.join(f'`{budget}`' for budget in budgets)}.")
    return "\n\n".join(said)


def _security(handler: HTTPRouteHandler) -> list[Schema]:
    if "grant" not in handler.opt:
        return [{}]
    if handler.opt.get("keys_only", False):
        return [{"apiKey": []}]
    ticket: list[Schema] = [{"ticket": []}] if handler.operation_id == "subscribeRoom" else []
    return [{"apiKey": []}, {"token": []}, *ticket]


def _path(handler: HTTPRouteHandler) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": IDS[name][0],
            "schema": IDS[name][1],
            "example": PARAMETERS[name],
        }
        for name in _PARAMETER.findall(path_of(handler))
    ]


def _query(handler: HTTPRouteHandler, told: Told) -> list[Schema]:
    if told.query is not None:
        return _query_of_shape(told.query)
    found: list[Schema] = []
    for name, field in handler.parsed_fn_signature.parameters.items():
        # What comes from the path is one, too, to the framework.
        if isinstance(field.kwarg_definition, QueryParameter) and not isinstance(field.kwarg_definition, PathParameter):
            found.append(_query_parameter(name, field, field.kwarg_definition))
    return found


def _query_parameter(name: str, field: FieldDefinition, kwarg: QueryParameter) -> Schema:
    bounds = {bound: value for bound in BOUNDS if (value := getattr(kwarg, bound)) is not None}
    kind = field.annotation
    bare = _without_none(kind)
    schema = plain(msgspec.json.schema(Annotated[bare, msgspec.Meta(**bounds)] if bounds else bare))
    if field.has_default and field.default is not None:
        schema["default"] = field.default
    if not kwarg.description:
        raise ValueError(f"The parameter {name} has no description.")
    return {"name": name, "in": "query", "required": False, "description": kwarg.description, "schema": schema}


def _without_none(kind: Any) -> Any:  # noqa: ANN401 - any annotation
    """Give what a parameter is where it is given: absence is no value of it."""
    members = [each for each in getattr(kind, "__args__", ()) if each is not type(None)]
    is_optional = type(None) in getattr(kind, "__args__", ())
    return members[0] if is_optional and len(members) == 1 else kind


def _query_of_shape(shape: Any) -> list[Schema]:  # noqa: ANN401 - a struct's class
    said = fields_of(shape)
    found: list[Schema] = []
    for field in msgspec.structs.fields(shape):
        schema = plain(msgspec.json.schema(_without_none(field.type)))
        if field.default is not None:
            schema["default"] = field.default
        found.append(
            {"name": field.name, "in": "query", "required": False, "description": said[field.name], "schema": schema}
        )
    return found


def _headers(handler: HTTPRouteHandler) -> list[Schema]:
    names = handler.parsed_fn_signature.parameters
    found: list[str] = []
    if "grant" in handler.opt:
        found.append("Roomlog-As")
    if "key" in names:
        found.append("Idempotency-Key")
    if "if_match" in names:
        found.append("If-Match")
    if handler.operation_id == "subscribeRoom":
        found.append("Last-Event-ID")
    return [{"$ref": f"#/components/parameters/{name}"} for name in found]


def _answer(handler: HTTPRouteHandler, told: Told, shape: Shape, status: int, shapes: Shapes) -> Schema:
    headers: Schema = dict(HEADERS)
    if "grant" in handler.opt:
        headers |= LIMITS
    if told.tags:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    written: Schema = {"description": HTTPStatus(status).phrase, "headers": headers}
    if told.media_type == "text/event-stream":
        frame = shapes.schema(shape)
        written["content"] = {told.media_type: {"schema": {"type": "string"}, "x-event-data": frame}}
    elif shape is not None:
        written["content"] = {told.media_type: {"schema": shapes.schema(shape), **examples_of(shape)}}
    links = LINKS.get(str(handler.operation_id), {})
    if links:
        written["links"] = links
    return written
