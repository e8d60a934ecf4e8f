"""The generated half of the SDK: current, whole, and the same each time."""

from pathlib import Path

import pytest

from roomlog import models
from roomlog._generated import aresources, resources
from roomlog._generated.errors import BY_CODE
from sdk.generator.__main__ import main as generate
from tests.support.document import document

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "sdk" / "roomlog" / "_generated"


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.py")}


def test_generating_anew_changes_nothing(tmp_path: Path) -> None:
    """What is committed is what `python -m sdk.generator` writes from the committed document, each time."""
    generate([str(tmp_path / "once")])
    assert texts(tmp_path / "once") == texts(GENERATED)


def test_each_code_has_a_class() -> None:
    """Whatever the service refuses with can be caught by name."""
    assert set(BY_CODE) == {problem["code"] for problem in document()["x-problems"]}


def test_each_schema_has_a_class_with_its_docstring() -> None:
    """Names and sentences are the document's."""
    for name, schema in document()["components"]["schemas"].items():
        kind = getattr(models, name)
        if schema.get("type") == "object":
            assert (kind.__doc__ or "").split() == [*schema["description"].split()], name


@pytest.mark.parametrize(("module", "prefix"), [(resources, ""), (aresources, "Async")])
def test_each_operation_is_a_method(module: object, prefix: str) -> None:
    """Nothing of the API is missing but what is for browsers, and what is followed by the realtime half."""
    text = Path(str(getattr(module, "__file__", ""))).read_text()
    elsewhere = {
        "connect",
        "subscribeRoom",
        "getJwks",
        "getDocument",
        "getRealtimeDocument",
        "getReference",
        "getReferenceScript",
    }
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] not in elsewhere:
                assert f'"{method.upper()}",\n            "{path}",' in text, operation["operationId"]
    assert f"class {prefix}Resources:" in text
