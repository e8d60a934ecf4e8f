"""Step 1 of both paths: the `Authorization` header becomes a caller."""

import re
import secrets
from typing import Any

import structlog
from litestar import Request
from litestar.di import NamedDependency

from api.conditions import IfMatch, read_if_match
from api.edge.address import client_address
from api.edge.failures import Failures
from api.edge.given import Given
from api.edge.limits import spend
from api.edge.origins import check_origin
from api.edge.requests import asked_by
from api.edge.unclear import refuse_unclear
from api.errors import BadRequest, NoKeysInBrowsers
from api.permits import permit
from tenants.budgets import Budgets
from tenants.errors import Forbidden, Unauthenticated
from tenants.keys import note_in_browser
from tenants.policies import Policies
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.users import acting_as

SCHEME = "bearer "
ACT_AS_HEADER = "roomlog-as"
KEY_HEADER = "idempotency-key"
log = structlog.get_logger()
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def credential_in(header: str) -> str | None:
    """Take the credential out of an `Authorization` header; None if there is no such header."""
    if not header:
        return None
    if header[: len(SCHEME)].lower() != SCHEME:
        raise Unauthenticated
    return header[len(SCHEME) :].strip()


async def refuse_browser_with_key(postgres: Postgres, caller: Caller, *, has_origin: bool) -> None:
    """Refuse an API key that comes from a browser: it is published there, which its owner is told."""
    if caller.key is None or not has_origin:
        return
    log.warning("api_key_in_browser", **caller.log_fields())
    await note_in_browser(postgres, caller.scope.app, caller.key)
    raise NoKeysInBrowsers


async def provide_caller(
    request: Request[Any, Any, Any],
    given: NamedDependency[Given],
) -> Caller:
    """Authenticate a request, take it from its budgets, and see that the credential has the route's `grant`.

    A route that is `keys_only` takes an API key. An API key may name the user as whom it acts in the header `Roomlog-As`.
    """
    credential = credential_in(request.headers.get("authorization", ""))
    caller = (await given[Failures].authenticate(credential, client_address(request.scope))).caller
    asked_by(request.scope["state"], caller)
    opt = request.route_handler.opt
    room = request.path_params.get("room_id")
    await spend(given[Budgets], caller, opt.get("budget"), room, request.scope["state"])
    origin = request.headers.get("origin")
    await refuse_browser_with_key(given[Postgres], caller, has_origin=origin is not None)
    await check_origin(given[Policies], caller.scope.app, origin, request.scope["state"])
    refuse_unclear(request)
    permit(caller, opt["grant"], room)
    if opt.get("keys_only", False):
        require_server(caller)
    acting = await acting_as(given[Postgres], caller, request.headers.get(ACT_AS_HEADER))
    asked_by(request.scope["state"], acting)
    return acting


async def provide_key(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> str:
    """Read the `Idempotency-Key`, or invent one: then a repetition is another request. It is looked at once its caller is in."""
    del caller
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return secrets.token_urlsafe(16)
    if _KEY.fullmatch(key) is None:
        raise BadRequest("Idempotency-Key is 1 to 255 printable ASCII characters without spaces.")
    return str(key)


async def provide_if_match(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> IfMatch | None:
    """Read the header `If-Match`; raises `BadRequest` for what is no list of entity tags."""
    del caller
    return read_if_match(request.headers.get("if-match"))


def require_server(caller: Caller) -> None:
    """Refuse all but API keys."""
    if not caller.is_server:
        raise Forbidden("This takes an API key.")
