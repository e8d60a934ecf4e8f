"""Tokens by REST."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from api.edge.body import read_body
from api.edge.given import Given
from api.edge.json import json_struct, nothing
from api.edge.told import Told
from api.errors import BadRequest
from api.names import room_id as checked_room
from api.names import user_id as checked
from api.tokens.schemas import TokenRequest, TokenRevocation, TokenView
from tenants.budgets import Budget
from tenants.errors import NotAToken
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.revocations import mark_of, revoke_all, revoke_token
from tenants.scope import Caller
from tenants.sealing import MasterKeys
from tenants.tokens import MAX_TOKEN_BYTES, Reach, mint_token


@post(
    "/v1/tokens",
    operation_id="createToken",
    grant=Grant.TOKENS_CREATE,
    budget=Budget.TOKENS,
    keys_only=True,
    told=Told(takes=TokenRequest, gives={201: TokenView}),
)
async def post_token(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Issue a token for a user, who is made if new."""
    wish = await read_body(request, TokenRequest)
    user = checked(wish.user, "/user")
    rooms = None
    if wish.rooms is not None:
        rooms = frozenset(checked_room(room, f"/rooms/{index}") for index, room in enumerate(wish.rooms))
    reach = Reach(None if wish.grants is None else frozenset(wish.grants), rooms)
    token = await mint_token(given[Postgres], given[MasterKeys], caller.scope, user, wish.ttl_s, reach)
    if len(token.text) > MAX_TOKEN_BYTES:
        raise BadRequest(f"A token has at most {MAX_TOKEN_BYTES} bytes; name fewer rooms.", pointer="/rooms")
    return json_struct(TokenView(token.text, token.user, token.expires_at), status=201)


@post(
    "/v1/tokens/revoke",
    operation_id="revokeToken",
    grant=Grant.USERS_WRITE,
    keys_only=True,
    status_code=200,
    told=Told(takes=TokenRevocation, gives={204: None}, refuses=(NotAToken,)),
)
async def end_token(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Revoke one token, by itself or by its `jti`, or all that the app's users have: within a second they hold nowhere."""
    wish = await read_body(request, TokenRevocation)
    match wish:
        case TokenRevocation(token=str(token), jti=None, all=False):
            await revoke_token(given[Postgres], caller.scope, mark_of(caller.scope, token))
        case TokenRevocation(token=None, jti=str(jti), all=False):
            await revoke_token(given[Postgres], caller.scope, jti)
        case TokenRevocation(token=None, jti=None, all=True):
            await revoke_all(given[Postgres], caller.scope)
        case _:
            raise BadRequest("Give one of token, jti and all.")
    return nothing()


ROUTES = [post_token, end_token]
