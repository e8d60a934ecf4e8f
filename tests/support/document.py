"""The committed document as a judge: what the service answers and says is held against it, wherever tests listen."""

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from jsonschema_rs import Draft202012Validator, ValidationError, validator_for

from tests.support.plain import plain_client

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "openapi" / "openapi.json"
PROBLEM = "application/problem+json"
BENEATH = {400, 408, 431}
"""Answered to what never became a request."""


class NotAsDocumented(AssertionError):
    """The service does what its document does not say."""


@cache
def document() -> dict[str, Any]:
    """Give the document."""
    return dict(json.loads(DOCUMENT.read_text()))


@cache
def _components() -> dict[str, Any]:
    """Give its schemas closed: a field that the document does not name does not exist."""
    return dict(_closed(copy.deepcopy(document()["components"]["schemas"])))


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(value) for name, value in node.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def _validator(schema: str) -> Draft202012Validator:
    validator = validator_for({**json.loads(schema), "components": {"schemas": _components()}})
    assert isinstance(validator, Draft202012Validator)
    return validator


def hold_value(value: object, schema: dict[str, Any], what: str) -> None:
    """Raise `NotAsDocumented` unless the value is of this schema of the document's."""
    try:
        _validator(json.dumps(schema)).validate(value)
    except ValidationError as error:
        raise NotAsDocumented(f"{what}: {error}\n{json.dumps(value)[:2000]}") from error


def read_frame(text: str | bytes) -> dict[str, Any]:
    """Read a frame of the server's; raises `NotAsDocumented` unless a server may say this."""
    frame: dict[str, Any] = json.loads(text)
    hold_value(frame, {"$ref": "#/components/schemas/ServerFrame"}, "A frame")
    return frame


async def hold_answer(response: httpx2.Response) -> None:
    """Raise `NotAsDocumented` unless the document says that this may be answered to what was asked."""
    method, path = response.request.method.lower(), response.request.url.path
    content_type = response.headers.get("content-type", "").partition(";")[0]
    if content_type == "text/event-stream" or method == "options":
        return
    body = await response.aread()
    if "x-request-id" not in response.headers and response.status_code in BENEATH and not body:
        return
    operation = find_operation(method, path)
    what = f"{method.upper()} {path} → {response.status_code}"
    if operation is None:
        _hold_unknown(response, what)
        return
    told = operation["responses"].get(str(response.status_code))
    if told is None:
        raise NotAsDocumented(f"{what} is not documented for {operation['operationId']}: {body[:500]!r}")
    if "content" not in told:
        if body:
            raise NotAsDocumented(f"{what} has a body")
        return
    if content_type not in told["content"]:
        raise NotAsDocumented(f"{what} is {content_type}")
    if content_type.endswith("json"):
        hold_value(response.json(), told["content"][content_type]["schema"], what)
    if content_type == PROBLEM and response.json()["code"] not in told["x-codes"]:
        raise NotAsDocumented(f"{what} with {response.json()} is not documented for {operation['operationId']}")
    for name in told["headers"]:
        if name not in {"ETag", *_SOMETIMES} and name not in response.headers:
            raise NotAsDocumented(f"{what} has no {name}")
    if response.is_success:
        _hold_request(response.request, operation, what)


_SOMETIMES = {"RateLimit", "RateLimit-Policy", "Retry-After"}


def _hold_request(request: httpx2.Request, operation: dict[str, Any], what: str) -> None:
    """What is taken is documented, too."""
    named = {parameter.get("name") for parameter in operation["parameters"] if parameter.get("in") == "query"}
    strange = set(request.url.params) - named
    if strange:
        raise NotAsDocumented(f"{what} takes {strange}")
    if request.content and "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        hold_value(json.loads(request.content), schema, f"The body of {what}")


def _hold_unknown(response: httpx2.Response, what: str) -> None:
    if response.status_code not in {404, 405} or response.json()["code"] not in {"not_found", "method_not_allowed"}:
        raise NotAsDocumented(f"{what}: no such operation is documented")


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), operations)
        for path, operations in document()["paths"].items()
    ]


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    """Find the operation that answers this, if the document has one."""
    for pattern, operations in _paths():
        if pattern.fullmatch(path) and method in operations:
            return dict(operations[method])
    return None


HELD = {"response": [hold_answer]}
"""For a client that speaks to the public service alone."""


def public_client(url: str) -> httpx2.AsyncClient:
    """Make a client all of whose answers from this service are held against the document."""
    place = httpx2.URL(url)

    async def hold(response: httpx2.Response) -> None:
        # Some ask the operator's listener, too.
        if response.request.url.netloc == place.netloc:
            await hold_answer(response)

    return plain_client(place, event_hooks={"response": [hold]})
