"""Reading the document: its operations and schemas, with references followed where a reader wants the thing itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Document:
    """The document, as JSON."""

    whole: dict[str, Any]

    @property
    def schemas(self) -> dict[str, Schema]:
        """Named schemas, by name."""
        found: dict[str, Schema] = self.whole["components"]["schemas"]
        return found

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Every refusal: code, status, title, meaning."""
        found: list[dict[str, Any]] = self.whole["x-problems"]
        return found

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give path, method and operation of each."""
        for path, methods in self.whole["paths"].items():
            for method in METHODS:
                if method in methods:
                    yield path, method, methods[method]

    def follow(self, thing: Schema) -> Schema:
        """Give what a reference refers to, or the thing itself."""
        place = thing.get("$ref")
        if place is None:
            return thing
        found: Any = self.whole
        for step in place.removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)


def read_document(path: Path) -> Document:
    """Read the document."""
    return Document(json.loads(path.read_text()))
