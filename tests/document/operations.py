"""The document's operations, and the requests that its own examples make of them."""

from dataclasses import dataclass
from typing import Any

from tests.support.document import document


@dataclass(frozen=True)
class Operation:
    """One operation."""

    id: str
    method: str
    path: str
    told: dict[str, Any]

    @property
    def is_of_a_room(self) -> bool:
        """Whether an API key must name the user in whose name it asks."""
        return self.path.startswith("/v1/rooms")

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return [each["name"] for each in self.told["parameters"] if each.get("in") == "path"]

    def body(self) -> dict[str, Any] | None:
        """Give the example of its body, for something new if it names something."""
        content = self.told.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        example: dict[str, Any] = content["examples"]["example"]["value"]
        body = {field: given for field, given in example.items() if field != "id"}
        return body | ({"members": ["ann"]} if self.id == "createRoom" else {})


OPERATIONS = {
    told["operationId"]: Operation(told["operationId"], method.upper(), path, told)
    for path, methods in document()["paths"].items()
    for method, told in methods.items()
}
