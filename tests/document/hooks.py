"""What schemathesis is told beyond the document: things that are there, and what must not be taken from under it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.generation.meta import TestPhase

from tests.support.document import document

THINGS: dict[str, str] = json.loads(os.environ["ROOMLOG_THINGS"])
"""By the name of a path's parameter, the id of a thing that is there."""
ANSWERED = Path(os.environ["ROOMLOG_ANSWERED"])
"""Gets a line for each answer: the operation and the status."""
EXAMPLES = {
    parameter["example"]
    for path in document()["paths"].values()
    for operation in path.values()
    for parameter in operation["parameters"]
    if parameter.get("in") == "path" and "example" in parameter
}
"""The ids of the document's examples."""
INSTEAD = {
    "deleteRoom": {"room_id": "general"},
    "leaveRoom": {"room_id": "general"},
    "deleteUser": {"user_id": "alice"},
    "revokeUser": {"user_id": "alice"},
    "revokeKey": {"key_id": THINGS["other_key_id"]},
    "rotateKey": {"key_id": THINGS["other_key_id"]},
    "deleteMessage": {"message_id": THINGS["other_message_id"]},
    "removeMember": {"user_id": "bob"},
}
"""What may be ended, so that others find theirs where it was."""


@schemathesis.hook
def map_query(context: Any, value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Wait for nothing."""
    if value is not None and context.operation.definition.raw["operationId"] == "pollRoom" and "wait" in value:
        value["wait"] = 0
    return value


@schemathesis.hook
def map_headers(context: Any, value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Act as somebody who is there, and make no change depend on a tag that nobody has seen."""
    del context
    if value is None:
        return value
    kept = {name: given for name, given in value.items() if name not in {"If-Match", "Roomlog-As"}}
    if kept.get("Idempotency-Key") == "0":  # of all operations at once: each but the first would be refused for it
        del kept["Idempotency-Key"]
    return {**kept, "Roomlog-As": THINGS["user_id"]}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Let what the document's examples ask for be about things that are there, and half of all else."""
    del context, kwargs
    operation = case.operation.definition.raw["operationId"]
    things = THINGS | INSTEAD.get(operation, {})
    is_on_a_walk = case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL  # its ids came from answers
    for name, given in (case.path_parameters or {}).items():
        if (
            given in EXAMPLES
            or given == THINGS.get(name)
            or (not is_on_a_walk and is_an_id(given) and len(given) % 2 == 0)
        ):
            case.path_parameters[name] = things.get(name, given)


def is_an_id(given: object) -> bool:
    """Whether it is none of the ids that must be refused."""
    return isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9_.~:@+-]{1,128}", given) is not None


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Note what was answered."""
    with ANSWERED.open("a") as notes:
        notes.write(f"{case.operation.definition.raw['operationId']} {response.status_code}\n")
