"""Step 1 of both paths: the `Authorization` header becomes a caller."""

import re
import secrets
from typing import Any

from litestar import Request

from api.edge.origins import check_origin
from api.errors import BadRequest, NoKeysInBrowsers
from tenants.authority import Authority
from tenants.errors import Forbidden, Unauthenticated
from tenants.policies import Policies
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.users import acting_as

SCHEME = "bearer "
ACT_AS_HEADER = "roomlog-as"
KEY_HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def credential_in(header: str) -> str | None:
    """Take the credential out of an `Authorization` header; None if there is no such header."""
    if not header:
        return None
    if header[: len(SCHEME)].lower() != SCHEME:
        raise Unauthenticated
    return header[len(SCHEME) :].strip()


def refuse_browser_with_key(caller: Caller, *, has_origin: bool) -> None:
    """Refuse an API key that comes from a browser: it is published there, and should be revoked."""
    if caller.is_server and has_origin:
        raise NoKeysInBrowsers


async def provide_caller(
    request: Request[Any, Any, Any], authority: Authority, postgres: Postgres, policies: Policies
) -> Caller:
    """Authenticate a request; an API key may name the user as whom it acts in the header `Roomlog-As`."""
    credential = credential_in(request.headers.get("authorization", ""))
    if credential is None:
        raise Unauthenticated
    caller = (await authority.authenticate(credential)).caller
    origin = request.headers.get("origin")
    refuse_browser_with_key(caller, has_origin=origin is not None)
    await check_origin(policies, caller.scope.app, origin, request.scope["state"])
    return await acting_as(postgres, caller, request.headers.get(ACT_AS_HEADER))


async def provide_key(request: Request[Any, Any, Any]) -> str:
    """Read the `Idempotency-Key`, or invent one: then a repetition is another request."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return secrets.token_urlsafe(16)
    if _KEY.fullmatch(key) is None:
        raise BadRequest("Idempotency-Key is 1 to 255 printable ASCII characters without spaces.")
    return str(key)


def require_server(caller: Caller) -> None:
    """Refuse all but API keys."""
    if not caller.is_server:
        raise Forbidden("This takes an API key.")
