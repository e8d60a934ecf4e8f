"""What an operation may be refused with: its own refusals, and those that come with what it takes."""

from collections import defaultdict
from collections.abc import Iterable

from litestar.handlers import HTTPRouteHandler

from api.document.shapes import Schema
from api.edge.problems import PROBLEM_TYPE, TYPE_PREFIX
from api.edge.told import Told
from api.errors import BadRequest, NoKeysInBrowsers, OriginNotAllowed, TooLarge, UnsupportedMediaType
from tenants.errors import (
    AppSuspended,
    Forbidden,
    MissingGrant,
    RateLimited,
    ServiceError,
    Unauthenticated,
    Unavailable,
    UserNotFound,
)

RETRIED = {429, 503}
"""Statuses that say when to come back."""
HEADERS = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
RETRY = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
LIMITS = {
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"},
}


def refusals_of(handler: HTTPRouteHandler, told: Told, *, has_parameters: bool) -> list[type[ServiceError]]:
    """List the refusals of an operation, each once, by status and code."""
    found: set[type[ServiceError]] = {ServiceError, Unavailable, *told.refuses}
    if "grant" in handler.opt:
        found |= {Unauthenticated, AppSuspended, OriginNotAllowed, NoKeysInBrowsers, RateLimited, BadRequest}
        found |= {Forbidden, UserNotFound}
        if handler.opt["grant"] is not None:
            found.add(MissingGrant)
    if told.takes is not None:
        found |= {BadRequest, TooLarge, UnsupportedMediaType}
    if has_parameters:
        found.add(BadRequest)
    return sorted(found, key=lambda kind: (kind.status, kind.code))


def refusal_responses(kinds: Iterable[type[ServiceError]]) -> dict[str, Schema]:
    """Write refusals as responses, those of one status together."""
    by_status: dict[int, list[type[ServiceError]]] = defaultdict(list)
    for kind in kinds:
        by_status[kind.status].append(kind)
    return {str(status): _response(status, group) for status, group in by_status.items()}


def refusal_examples(kinds: Iterable[type[ServiceError]]) -> dict[str, Schema]:
    """Write each refusal as it comes, by code."""
    return {
        kind.code: {
            "summary": kind.title,
            "value": {
                "type": TYPE_PREFIX + kind.code,
                "title": kind.title,
                "status": kind.status,
                "code": kind.code,
                "request_id": "req_0123456789abcdef",
            },
        }
        for kind in sorted(kinds, key=lambda kind: kind.code)
    }


def _response(status: int, kinds: list[type[ServiceError]]) -> Schema:
    examples = {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds}
    headers = {**HEADERS, **(RETRY if status in RETRIED else {}), **(LIMITS if status == RateLimited.status else {})}
    return {
        "description": "\n".join(f"- `{kind.code}`: {kind.title}" for kind in kinds),
        "x-codes": [kind.code for kind in kinds],
        "headers": headers,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
