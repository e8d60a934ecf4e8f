"""What goes wrong, as exceptions.

RoomlogError
├── ApiError               the service refused; a subclass for each code in `roomlog.errors_by_code`
├── Unreachable            no answer came, however often it was asked
├── UnexpectedAnswer       an answer came that is none of the service's
├── NoCredential           neither key nor token was given
└── ClientClosed           the client was closed before this was done
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class RoomlogError(Exception):
    """Anything that this package raises."""


class ApiError(RoomlogError):
    """The service refused. `code` is stable, the message names the way out."""

    code: ClassVar[str] = ""
    """Of the class; of an instance the code that came, which a newer server may have added."""

    def __init__(self, problem: Mapping[str, Any], status: int, request_id: str | None = None) -> None:
        """Keep what the problem says."""
        self.problem = dict(problem)
        """All of it, as it came."""
        self.status = status
        self.code = str(problem.get("code", self.code))  # type: ignore[misc] # the class's is its default
        self.title = str(problem.get("title", ""))
        detail, pointer = problem.get("detail"), problem.get("pointer")
        self.detail = None if detail is None else str(detail)
        self.pointer = None if pointer is None else str(pointer)
        """A JSON pointer to what is wrong in what was sent."""
        wait = problem.get("retry_after_ms")
        self.retry_after_s = wait / 1000 if isinstance(wait, (int, float)) else None
        given = problem.get("request_id", request_id)
        self.request_id = None if given is None else str(given)
        """To ask about; it stands in the message, too."""
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        said = f"{self.code}: {self.detail or self.title}"
        if self.pointer is not None:
            said += f" (at {self.pointer})"
        return said if self.request_id is None else f"{said} [{self.request_id}]"


class Unreachable(RoomlogError):
    """No answer came. A write may or may not have been done; under its idempotency key it can be repeated without harm."""


class UnexpectedAnswer(RoomlogError):
    """What answered is not this service, or speaks a version that this package cannot read."""


class NoCredential(RoomlogError):
    """Give `key=` or `token=`, or set ROOMLOG_API_KEY."""


class ClientClosed(RoomlogError):
    """The client was closed before this was done."""
