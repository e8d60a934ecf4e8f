"""The AsyncAPI document: the socket's frames as messages, and what answers what, made from the structs that read them."""

from typing import Any, get_args

from api.document.build import APP, PARAMETERS, ROOMS, SECURITY, TITLE, UNIONS, VERSION, close_codes
from api.document.docstrings import description_of
from api.document.shapes import Schema, Shapes, public_name
from api.edge.told import Shape
from api.subscriptions.frames import (
    Auth,
    ClientFrame,
    Delete,
    Edit,
    Ping,
    Send,
    Subscribe,
    Unsubscribe,
)
from api.subscriptions.schemas import (
    Ack,
    Authenticated,
    Closed,
    Connected,
    ErrorFrame,
    Pong,
    Reset,
    ServerFrame,
    SnapshotFrame,
    Subscribed,
    Unsubscribed,
)

CHANNEL = "connect"
DESCRIPTION = """\
Frames are text, one JSON object each; a client's are at most 128 KiB. Pass over fields and types of frames that you do not know.

The document speaks for the server: it receives what clients say and sends what they are told. `openapi/realtime.md` tells the
order of frames and what is promised of it; `/v1/openapi.json` is the REST half, with the same frames for server-sent events and
long polls."""
CONNECT = """\
One socket follows many rooms, and writes. The credential is the header `Authorization` of the upgrade, or, where no header can be
sent, the first frame: `auth`, within 5 s and 8 KiB. The server's first frame is `connected`."""
REPLIES: dict[Shape, tuple[Shape, ...]] = {
    Auth: (Connected, Authenticated, ErrorFrame),
    Subscribe: (Subscribed, SnapshotFrame, Reset, ErrorFrame),
    Unsubscribe: (Unsubscribed, ErrorFrame),
    Send: (Ack, ErrorFrame),
    Edit: (Ack, ErrorFrame),
    Delete: (Ack, ErrorFrame),
    Ping: (Pong, ErrorFrame),
}
"""What may answer each frame of a client's."""
MARK = {"description": "The client's own mark; what answers carries it.", "location": "$message.payload#/id"}
CREDENTIALS = ("apiKey", "token")


def build_realtime() -> Schema:
    """Write the AsyncAPI 3.0 document of the socket, the same text each time."""
    shapes = Shapes([], UNIONS)
    # That one is told where there are no close codes.
    told = [shape for shape in get_args(ServerFrame) if shape is not Closed]
    said = list(get_args(ClientFrame))
    messages = {_name(shape): _message(shape) for shape in [*said, *told]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{TITLE} realtime",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "host": {
                "host": "{host}",
                "protocol": "wss",
                "description": "The host that serves this document.",
                "variables": {"host": {"description": "Its name, and its port where it is not 443."}},
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in CREDENTIALS],
            }
        },
        "channels": {CHANNEL: _channel(messages)},
        "operations": {
            **{_tag(shape): _received(shape) for shape in said},
            "tell": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{CHANNEL}"},
                "summary": "All that a client may be told.",
                "messages": [_in_channel(shape) for shape in told],
            },
        },
        "components": {
            "messages": dict(sorted(messages.items())),
            "schemas": {name: _bare(schema) for name, schema in sorted(shapes.components.items())},
            "securitySchemes": {name: SECURITY[name] for name in CREDENTIALS},
        },
        "x-close-codes": close_codes(),
    }


def _channel(messages: dict[str, Schema]) -> Schema:
    act_as = PARAMETERS["Roomlog-As"]
    return {
        "address": "/v1/connect",
        "title": "A socket",
        "description": CONNECT,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": {each["name"]: _parameter(each) for each in (APP, ROOMS)}},
                "headers": {"type": "object", "properties": {act_as["name"]: _parameter(act_as)}},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _received(shape: Shape) -> Schema:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "summary": description_of(shape),
        "messages": [_in_channel(shape)],
        "reply": {
            "channel": {"$ref": f"#/channels/{CHANNEL}"},
            "messages": [_in_channel(answer) for answer in REPLIES[shape]],
        },
    }


def _message(shape: Shape) -> Schema:
    return {
        "name": _tag(shape),
        "title": _name(shape),
        "summary": description_of(shape),
        **({"correlationId": MARK} if "id" in shape.__struct_fields__ else {}),
        "payload": {"$ref": f"#/components/schemas/{_name(shape)}"},
    }


def _parameter(parameter: Schema) -> Schema:
    return {**parameter["schema"], "description": parameter["description"]}


def _in_channel(shape: Shape) -> Schema:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{_name(shape)}"}


def _name(shape: Shape) -> str:
    return public_name(shape.__name__)


def _tag(shape: Shape) -> str:
    return str(shape.__struct_config__.tag)


def _bare(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out the discriminators, which AsyncAPI reads otherwise: each member's tag is a choice of one as it is."""
    match schema:
        case {**members}:
            is_union = "oneOf" in members
            return {name: _bare(value) for name, value in members.items() if not (is_union and name == "discriminator")}
        case [*elements]:
            return [_bare(element) for element in elements]
        case _:
            return schema
