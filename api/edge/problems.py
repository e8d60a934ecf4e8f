"""Problems out: every refusal as RFC 9457 `application/problem+json` with a stable code, and nothing of our insides."""

import secrets
from math import ceil
from typing import Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from api.errors import BadRequest, MethodNotAllowed
from tenants.errors import NotFound, ServiceError, Unauthenticated

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:roomlog:problem:"
REQUEST_ID_HEADER = "x-request-id"
CODE = "problem_code"
"""Where a request's state keeps the code of its refusal, for the request log."""

log = structlog.get_logger()


def problem(error: ServiceError, request_id: str | None = None) -> dict[str, object]:
    """Give a refusal as the members of a problem."""
    members: dict[str, object] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    if error.detail is not None:
        members["detail"] = error.detail
    if error.pointer is not None:
        members["pointer"] = error.pointer
    if error.retry_after_s is not None:
        members["retry_after_ms"] = ceil(error.retry_after_s * 1000)
    if request_id is not None:
        members["request_id"] = request_id
    return members


def problem_headers(error: ServiceError) -> list[tuple[bytes, bytes]]:
    """Give the headers that go with a refusal: when to retry, how to authenticate."""
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, ceil(error.retry_after_s))).encode()))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="roomlog"'))
    return headers


def problem_response(request: Request[Any, Any, Any], error: ServiceError) -> Response[bytes]:
    """Answer a request with a refusal."""
    request_id = request.state.get("request_id") or new_request_id()
    request.scope["state"][CODE] = error.code
    headers = {name.decode(): value.decode() for name, value in problem_headers(error)}
    return Response(
        content=msgspec.json.encode(problem(error, request_id)),
        status_code=error.status,
        media_type=PROBLEM_TYPE,
        headers={**headers, REQUEST_ID_HEADER: request_id},
    )


def on_refusal(request: Request[Any, Any, Any], error: ServiceError) -> Response[bytes]:
    """Answer what our own code refuses."""
    if error.status >= 500:  # noqa: PLR2004 - the server's side of HTTP's statuses
        log.warning("refused", code=error.code, status=error.status, cause=repr(error.__cause__))
    return problem_response(request, error)


def on_framework_refusal(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses before our code is reached."""
    if isinstance(error, NotFoundException):
        return problem_response(request, NotFound())
    if isinstance(error, MethodNotAllowedException):
        return problem_response(request, MethodNotAllowed())
    if isinstance(error, ValidationException):
        return problem_response(request, BadRequest(_first_fault(error)))
    if error.status_code < 500:  # noqa: PLR2004
        return problem_response(request, BadRequest())
    return on_fault(request, error)


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a fault of ours; the log has the stack, the client has the request's id."""
    log.error("fault", exc_info=error, path=request.url.path)
    return problem_response(request, ServiceError())


def new_request_id() -> str:
    """Draw a request's id."""
    return "req_" + secrets.token_hex(8)


def _first_fault(error: ValidationException) -> str:
    """Name the parameter that a request got wrong."""
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        first = cast("dict[str, Any]", extra[0])
        return f"{first.get('key', 'A parameter')}: {first.get('message', 'not as documented')}."
    return "A parameter is not as documented."


HANDLERS: dict[Any, Any] = {
    ServiceError: on_refusal,
    HTTPException: on_framework_refusal,
    Exception: on_fault,
}
