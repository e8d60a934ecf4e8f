"""Every bound that the document tells of a parameter or a field, on either side of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.document import document
from tests.support.world import App, World

UPPER = {"maximum", "maxLength", "maxItems"}
ENDS_THE_APP = {"deleteOwnApp"}
STREAMS = {"connect", "subscribeRoom"}


@dataclass(frozen=True)
class Bound:
    """A bound of one parameter or field of one operation."""

    operation: str
    method: str
    path: str
    place: str
    name: str
    kind: str
    value: int
    schema: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.operation}-{self.name}-{self.kind}"

    def made(self, *, beyond: bool) -> object:
        """Give a value at the bound, or one beyond it."""
        size = self.value + (0 if not beyond else 1 if self.kind in UPPER else -1)
        match self.kind:
            case "maximum" | "minimum":
                return size
            case "maxLength" | "minLength":
                return "x" * size
            case _:
                return [item_of(self.schema, number) for number in range(size)]


def item_of(schema: dict[str, Any], number: int) -> object:
    """Give one of the things that an array of this schema may hold, each another where they have names."""
    item = resolved(schema["items"])
    if "oneOf" in item:
        return {"type": "text", "text": "x"}
    if "enum" in item:
        return item["enum"][0]
    if item.get("type") == "object":
        return dict.fromkeys(item.get("required", ()), f"u{number}")
    return f"u{number}"


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    place = schema.get("$ref")
    return schema if place is None else dict(document()["components"]["schemas"][place.rpartition("/")[2]])


def bounds_of(schema: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for each in [schema, *schema.get("anyOf", ())]:
        for kind in ("maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems"):
            if kind in each and abs(each[kind]) < 2**62 and (kind, each[kind]) != ("minLength", 0):
                yield kind, each[kind], each


def bounds() -> Iterator[Bound]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] in STREAMS | ENDS_THE_APP:
                continue
            start = (operation["operationId"], method.upper(), path)
            for parameter in operation["parameters"]:
                if parameter.get("in") == "query":
                    for found in bounds_of(parameter["schema"]):
                        yield Bound(*start, "query", parameter["name"], *found)
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                for name, field in resolved(content["schema"])["properties"].items():
                    for found in bounds_of(resolved(field)):
                        yield Bound(*start, "body", name, *found)


BOUNDS = list(bounds())


async def ask(app: App, bound: Bound, message: str, *, beyond: bool) -> tuple[int, str]:
    path = bound.path.format(
        room_id="general", user_id="alice", message_id=message, key_id="0", job_id="0", app_id=app.id
    )
    body: dict[str, Any] | None = None
    operation = document()["paths"][bound.path][bound.method.lower()]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        example = content["examples"]["example"]["value"]
        body = {name: example[name] for name in resolved(content["schema"]).get("required", ())}
    value = bound.made(beyond=beyond)
    query = ""
    if bound.place == "query":
        query = f"?{bound.name}={value}"
    else:
        assert body is not None
        body[bound.name] = value
    answer = await app.ask(bound.method, path + query, body, acting="alice")
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else ""


@pytest.mark.parametrize("bound", [pytest.param(bound, id=bound.id) for bound in BOUNDS])
async def test_what_is_at_the_bound_is_taken_and_what_is_beyond_is_not(world: World, bound: Bound) -> None:
    """At it, nothing is said of the request's shape; one further, it is refused as `bad_request`."""
    app = world.app
    await app.room("general", ("alice",))
    message = (await app.say("general", "x", "alice"))["id"]
    status, code = await ask(app, bound, message, beyond=False)
    assert code not in {"bad_request", "too_large", "internal"}, status
    assert await ask(app, bound, message, beyond=True) == (400, "bad_request")


def test_there_are_bounds() -> None:
    """The document tells some of each kind."""
    assert {bound.kind for bound in BOUNDS} >= UPPER
    assert len(BOUNDS) > 40
