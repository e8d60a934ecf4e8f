"""An app's own API keys and signing keys by REST, for its API keys."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.edge.auth import require_server
from api.edge.body import read_body
from api.edge.json import json_struct, nothing
from api.keys.schemas import KeyList, KeyRequest, KeyView, SigningKeyList, SigningKeyView
from tenants.errors import NotFound
from tenants.hashing import Pepper
from tenants.keys import create_key, list_keys, parse_key_id, revoke_key
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tokens import create_signing_key, list_signing_keys, retire_signing_key


@get("/v1/keys", operation_id="listKeys")
async def show_keys(caller: NamedDependency[Caller], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Give the app's API keys, without their secrets."""
    require_server(caller)
    keys = await list_keys(postgres, caller.scope.app)
    return json_struct(KeyList([KeyView.of(key) for key in keys]))


@post("/v1/keys", operation_id="createKey")
async def post_key(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    postgres: NamedDependency[Postgres],
    pepper: NamedDependency[Pepper],
) -> Response[bytes]:
    """Make an API key; its text is shown in this answer and never again."""
    require_server(caller)
    wish = await read_body(request, KeyRequest)
    key, text = await create_key(postgres, pepper, caller.scope.app, wish.label)
    return json_struct(KeyView.of(key, text), status=201)


@delete("/v1/keys/{key_id:str}", operation_id="revokeKey", status_code=200)
async def remove_key(
    key_id: FromPath[str], caller: NamedDependency[Caller], postgres: NamedDependency[Postgres]
) -> Response[bytes]:
    """Revoke an API key: within a second it holds nowhere."""
    require_server(caller)
    number = parse_key_id(caller.scope, key_id)
    if number is None:
        raise NotFound
    await revoke_key(postgres, caller.scope.app, number)
    return nothing()


@get("/v1/signing-keys", operation_id="listSigningKeys")
async def show_signing_keys(caller: NamedDependency[Caller], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Give the app's signing keys, without their secrets."""
    require_server(caller)
    keys = await list_signing_keys(postgres, caller.scope)
    return json_struct(SigningKeyList([SigningKeyView.of(key) for key in keys]))


@post("/v1/signing-keys", operation_id="createSigningKey")
async def post_signing_key(caller: NamedDependency[Caller], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Make a signing key; it signs from now on, and older ones go on to verify."""
    require_server(caller)
    key = await create_signing_key(postgres, caller.scope)
    return json_struct(SigningKeyView.of(key), status=201)


@delete("/v1/signing-keys/{key_id:str}", operation_id="retireSigningKey", status_code=200)
async def remove_signing_key(
    key_id: FromPath[str], caller: NamedDependency[Caller], postgres: NamedDependency[Postgres]
) -> Response[bytes]:
    """Retire a signing key: within a second its tokens hold nowhere."""
    require_server(caller)
    await retire_signing_key(postgres, caller.scope, key_id)
    return nothing()


ROUTES = [
    show_keys,
    post_key,
    remove_key,
    show_signing_keys,
    post_signing_key,
    remove_signing_key,
]
