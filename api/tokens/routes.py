"""Tokens by REST."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.json import json_struct
from api.names import user_id as checked
from api.tokens.schemas import TokenRequest, TokenView
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tokens import mint_token


@post("/v1/tokens", operation_id="createToken")
async def post_token(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Issue a token for a user, who is made if new."""
    require_server(caller)
    wish = await read_body(request, TokenRequest)
    user = checked(wish.user, "/user")
    token = await mint_token(postgres, caller.scope, user, wish.ttl_s)
    return json_struct(TokenView(token.text, token.user, token.expires_at), status=201)


ROUTES = [post_token]
