"""The OpenAPI document, whole: paths from the routes, schemas from the shapes, and what stands beside them."""

import importlib
from collections.abc import Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler

from api.document.docstrings import description_of, fields_of
from api.document.operations import method_of, path_of, shapes_of, write_operation
from api.document.refusals import refusal_examples, refusal_responses
from api.document.shapes import INTEGER, NamedUnion, Schema, Shapes
from api.errors import BadRequest, Overloaded, TooManyStrangers, catalogue, refusals
from api.messages.schemas import Part
from api.subscriptions.frames import ClientFrame, CloseCode
from api.subscriptions.schemas import EventFrame, ProblemView, ServerFrame
from tenants.errors import QuotaExceeded, RateLimited, Unauthenticated, Unavailable

UNIONS = [
    NamedUnion("Part", Part, "A part of a message: words, a link to what is kept elsewhere, or data."),
    NamedUnion(
        "Event", EventFrame, "What took a place in a room's log; `hidden` where this reader may not see what it was."
    ),
    NamedUnion(
        "ServerFrame", ServerFrame, "What a server says while a room is followed. New types may come: pass them over."
    ),
    NamedUnion("ClientFrame", ClientFrame, "What a client says on a WebSocket."),
]
TITLE = "Roomlog"
VERSION = "1"
TAGS = (
    *("rooms", "messages", "members", "users", "subscriptions", "cursors"),
    *("tokens", "keys", "limits", "usage", "jobs", "document"),
)
"""The nouns in the order in which a reader meets them."""
DESCRIPTION = """\
Chat that developers trust: rooms with one ordered, gapless log each, history and what comes next in one round trip.

**Who asks.** Servers send an API key, users' clients a token that the server made with `POST /v1/tokens`; both as
`Authorization: Bearer …`. An API key names the user in whose name it acts in `Roomlog-As`. The app comes from the credential:
what belongs to another app answers like what does not exist.

**Safe to repeat.** Writes take an `Idempotency-Key`: the same request under the same key is the same write, for as long as what
it wrote lives. After a time-out, a lost connection or a 503 repeat it with the key.

**Refusals** are problems (RFC 9457) with a stable `code`; `x-problems` lists all of them. Responses may gain members and codes
may be added: pass over what you do not know.

**Limits.** Every answer that counts says in `RateLimit` what remains; `GET /v1/limits` lists all. The head of a request is at
most 16 KiB, its body 128 KiB (1 MiB where many things are named at once). What does not become a request, by its size or its
slowness, is answered with 400, 408 or 431 and no body."""

PARAMETERS: dict[str, Schema] = {
    "Roomlog-As": {
        "name": "Roomlog-As",
        "in": "header",
        "required": False,
        "description": "The id of the user in whose name an API key acts.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Under the same key the same request is done once. Without one, a repetition is another request.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "Change only the state that has one of these entity tags, as `ETag` gave them; `*`: any state.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The cursor to go on from; an EventSource sends it by itself. It goes before `cursor`.",
        "schema": {"type": "string", "maxLength": 256},
    },
}
APP: Schema = {
    "name": "app",
    "in": "query",
    "required": False,
    "description": "The app's id, so that a page whose origin it does not list is refused at the upgrade already.",
    "schema": {"type": "string"},
}
"""Of the upgrade to a WebSocket."""
ROOMS: Schema = {
    "name": "rooms",
    "in": "query",
    "required": False,
    "description": (
        "Rooms to open at once, as JSON: what `rooms` is in a `subscribe` frame. The answers are the same, and come with "
        "`connected`, a round trip earlier."
    ),
    "schema": {"type": "string", "contentMediaType": "application/json"},
}
HEADERS: dict[str, Schema] = {
    "X-Request-Id": {"description": "To ask us about this request.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "For each limit, what remains of it (`r`) and in how many seconds it is whole again (`t`).",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "For each limit, how many are taken at once (`q`), and in how many seconds they come back (`w`).",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "After how many seconds to repeat it.", "schema": {**INTEGER, "minimum": 1}},
    "ETag": {"description": "The tag of this state, for `If-Match`.", "schema": {"type": "string"}},
}
SECURITY: dict[str, Schema] = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key of the app, for servers only."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token, made by `POST /v1/tokens` or signed by the customer.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "A ticket made by `POST /v1/rooms/{room_id}/tickets`, for a browser's EventSource.",
    },
}


def build_document(handlers: Sequence[HTTPRouteHandler]) -> Schema:
    """Write the OpenAPI 3.1 document of these routes, the same text each time."""
    handlers = sorted(handlers, key=lambda handler: (path_of(handler), method_of(handler)))
    used = [
        shape for handler in handlers for shape in shapes_of(handler) if shape not in [union.shape for union in UNIONS]
    ]
    shapes = Shapes(sorted({ProblemView, *used}, key=lambda shape: str(shape.__name__)), UNIONS)
    paths: dict[str, Schema] = {"/v1/connect": {"get": _connect(shapes)}}
    for handler in handlers:
        paths.setdefault(path_of(handler), {})[method_of(handler)] = write_operation(handler, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The host that serves this document."}],
        "tags": [_tag(name) for name in TAGS],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(shapes.components.items())),
            "parameters": PARAMETERS,
            "examples": refusal_examples(refusals()),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
        "x-problems": catalogue(),
        "x-close-codes": close_codes(),
    }


def close_codes() -> list[Schema]:
    """List why a socket is closed, and after the semicolon what is to be done then."""
    said = fields_of(CloseCode)
    return [{"code": int(code), "name": code.name.lower(), "meaning": said[code.name]} for code in CloseCode]


def _tag(name: str) -> Schema:
    return {"name": name, "description": description_of(importlib.import_module(f"api.{name}"))}


def _connect(shapes: Shapes) -> dict[str, Any]:
    """Write the upgrade to a WebSocket, which is no route of the framework's."""
    refused = [BadRequest, Unauthenticated, QuotaExceeded, RateLimited, TooManyStrangers, Unavailable, Overloaded]
    return {
        "operationId": "connect",
        "summary": "Open a WebSocket that follows many rooms, and writes",
        "description": (
            "Frames are JSON: the client's are of the schema "
            "`ClientFrame`, the server's of `ServerFrame`; `/v1/asyncapi.json` tells what answers what. Without "
            "`Authorization` the first frame is `auth`, within 5 s."
        ),
        "tags": ["subscriptions"],
        "x-grant": None,
        "x-budgets": ["openings"],
        "x-client-frames": shapes.schema(ClientFrame),
        "x-server-frames": shapes.schema(ServerFrame),
        "security": [{"apiKey": []}, {"token": []}, {}],
        "parameters": [APP, ROOMS, {"$ref": "#/components/parameters/Roomlog-As"}],
        "responses": {
            "101": {"description": "Switching Protocols"},
            **refusal_responses(sorted(refused, key=lambda kind: (kind.status, kind.code))),
        },
    }
