"""The API's document: current, valid, and complete enough to write a client from."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from api.asgi import ROUTES
from api.document.build import build_document
from api.errors import catalogue
from tests.support.document import DOCUMENT, PROBLEM, document, hold_value


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every JSON body that is asked for or answered, refusals left out."""
    for name, operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for body in bodies for content in body.get("content", {}).items()):
            if content[0] == "application/json":
                yield name, content[1]


def test_the_document_is_current() -> None:
    """`openapi/openapi.json` is what `roomlog-server openapi` prints."""
    assert json.loads(DOCUMENT.read_text()) == json.loads(json.dumps(build_document(ROUTES)))


def test_the_document_is_valid_openapi() -> None:
    """It is OpenAPI 3.1, as a validator of others' reads it."""
    validate(document())


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*each, id=each[0]) for each in operations()])
def test_each_operation_tells_what_a_client_needs(name: str, operation: dict[str, Any]) -> None:
    """An id, one short sentence, a description of each parameter, what it counts against, and problems with their codes."""
    assert operation["operationId"].isidentifier()
    assert len(operation["summary"]) <= 120, name
    assert ". " not in operation["summary"], name
    assert operation["x-budgets"]
    for parameter in operation["parameters"]:
        assert "$ref" in parameter or parameter["description"], name
    problems = [answer for status, answer in operation["responses"].items() if int(status) >= 400]
    assert problems, name
    for problem in problems:
        assert problem["x-codes"] == list(problem["content"][PROBLEM]["examples"])


def test_ids_are_of_one_operation_each() -> None:
    """A client generated from the document has a function for each operation."""
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("name", "content"), [pytest.param(*each, id=each[0]) for each in contents()])
def test_each_body_has_an_example_that_holds(name: str, content: dict[str, Any]) -> None:
    """What a reader copies from the document is of the shape that stands beside it."""
    for example in content["examples"].values():
        hold_value(example["value"], content["schema"], name)


def test_each_schema_says_what_it_is() -> None:
    """Nothing in the document is a bare name."""
    bare = [name for name, schema in document()["components"]["schemas"].items() if not schema.get("description")]
    assert bare == []


def test_each_schema_can_become_a_type() -> None:
    """Others' generators need to know of what type a choice is, how wide an integer, and what an object may have."""
    assert [schema for schema in schemas(document()) if not becomes_a_type(schema)] == []


def becomes_a_type(schema: dict[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return schema.get("type") == "string"
    match schema.get("type"):
        case "integer":
            return "format" in schema
        case "object":
            return "properties" in schema or "additionalProperties" in schema
        case _:
            return True


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Give every schema beneath, examples left out."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str) or "enum" in node or "const" in node:
            yield node
        for name, value in node.items():
            if name not in {"example", "examples", "value"}:
                yield from schemas(value)
    elif isinstance(node, list):
        for each in node:
            yield from schemas(each)


def test_each_code_is_met_somewhere() -> None:
    """No code stands in the list that no operation and no frame can give."""
    answers = [answer for _, operation in operations() for answer in operation["responses"].values()]
    told = {code for answer in answers for code in answer.get("x-codes", [])}
    assert {str(entry["code"]) for entry in catalogue()} - told == ANYWHERE


ANYWHERE = {"method_not_allowed"}
"""Of methods that are none of the document's."""
