"""Tokens by REST."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.json import json_struct
from api.errors import BadRequest
from api.names import room_id as checked_room
from api.names import user_id as checked
from api.tokens.schemas import TokenRequest, TokenView
from tenants.budgets import Budget
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tokens import MAX_TOKEN_BYTES, Reach, mint_token


@post("/v1/tokens", operation_id="createToken", grant=Grant.TOKENS_CREATE, budget=Budget.TOKENS)
async def post_token(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Issue a token for a user, who is made if new."""
    require_server(caller)
    wish = await read_body(request, TokenRequest)
    user = checked(wish.user, "/user")
    rooms = None
    if wish.rooms is not None:
        rooms = frozenset(checked_room(room, f"/rooms/{index}") for index, room in enumerate(wish.rooms))
    reach = Reach(None if wish.grants is None else frozenset(wish.grants), rooms)
    token = await mint_token(postgres, caller.scope, user, wish.ttl_s, reach)
    if len(token.text) > MAX_TOKEN_BYTES:
        raise BadRequest(f"A token has at most {MAX_TOKEN_BYTES} bytes; name fewer rooms.", pointer="/rooms")
    return json_struct(TokenView(token.text, token.user, token.expires_at), status=201)


ROUTES = [post_token]
