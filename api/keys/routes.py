"""An app's own API keys and signing keys by REST, for its API keys."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.edge.body import read_body
from api.edge.given import Given
from api.edge.json import json_struct, nothing
from api.edge.told import Told
from api.errors import BadRequest
from api.jobs.schemas import JobView
from api.keys.schemas import (
    Jwks,
    KeyList,
    KeyRequest,
    KeyRotation,
    KeyView,
    SigningKeyList,
    SigningKeyRequest,
    SigningKeyView,
)
from tenants.apps import delete_app
from tenants.clock import now
from tenants.errors import MissingGrant, NotFound, WrongPublicKey
from tenants.grants import ALL, BY_DEFAULT, Grant
from tenants.hashing import Pepper
from tenants.ids import parse_app_name
from tenants.keys import create_key, list_keys, parse_key_id, revoke_key, rotate_key
from tenants.keys import key_id as spell_key_id
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.sealing import MasterKeys
from tenants.signing import Algorithm, NewKey, create_signing_key, list_signing_keys, public_keys, retire_signing_key

JWKS_MAX_AGE_S = 300


@get("/v1/keys", operation_id="listKeys", grant=Grant.APP_MANAGE, keys_only=True, told=Told(gives={200: KeyList}))
async def show_keys(caller: NamedDependency[Caller], given: NamedDependency[Given]) -> Response[bytes]:
    """Give the app's API keys, without their secrets."""
    keys = await list_keys(given[Postgres], caller.scope.app)
    return json_struct(KeyList([KeyView.of(key) for key in keys]))


@post(
    "/v1/keys",
    operation_id="createKey",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    told=Told(takes=KeyRequest, gives={201: KeyView}),
)
async def post_key(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make an API key; its text is shown in this answer and never again."""
    wish = await read_body(request, KeyRequest)
    grants = _grants(caller, wish)
    if wish.expires_at is not None and wish.expires_at <= now():
        raise BadRequest("A key expires in the future.", pointer="/expires_at")
    key, text = await create_key(
        given[Postgres],
        given[Pepper],
        caller.scope.app,
        wish.label,
        grants=grants,
        expires_at=wish.expires_at,
        made_by=spell_key_id(caller.scope.app, caller.key) if caller.key is not None else "",
    )
    return json_struct(KeyView.of(key, text), status=201)


@post(
    "/v1/keys/{key_id:str}/rotate",
    operation_id="rotateKey",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    status_code=200,
    told=Told(takes=KeyRotation, gives={200: KeyView}, refuses=(NotFound,)),
)
async def replace_secret(
    request: Request[Any, Any, Any],
    key_id: FromPath[str],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Give an API key a new secret, shown in this answer and never again; the old one holds for a while longer."""
    wish = await read_body(request, KeyRotation)
    number = parse_key_id(caller.scope, key_id)
    if number is None:
        raise NotFound
    key, text = await rotate_key(given[Postgres], given[Pepper], caller.scope.app, number, wish.overlap_s)
    return json_struct(KeyView.of(key, text))


@delete(
    "/v1/keys/{key_id:str}",
    operation_id="revokeKey",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    status_code=200,
    told=Told(gives={204: None}, refuses=(NotFound,)),
)
async def remove_key(
    key_id: FromPath[str], caller: NamedDependency[Caller], given: NamedDependency[Given]
) -> Response[bytes]:
    """Revoke an API key: within a second it holds nowhere."""
    number = parse_key_id(caller.scope, key_id)
    if number is None:
        raise NotFound
    await revoke_key(given[Postgres], caller.scope.app, number)
    return nothing()


@get(
    "/v1/signing-keys",
    operation_id="listSigningKeys",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    told=Told(gives={200: SigningKeyList}),
)
async def show_signing_keys(caller: NamedDependency[Caller], given: NamedDependency[Given]) -> Response[bytes]:
    """Give the app's signing keys, without their secrets."""
    keys = await list_signing_keys(given[Postgres], caller.scope)
    return json_struct(SigningKeyList([SigningKeyView.of(key) for key in keys]))


@post(
    "/v1/signing-keys",
    operation_id="createSigningKey",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    told=Told(takes=SigningKeyRequest, takes_nothing_too=True, gives={201: SigningKeyView}, refuses=(WrongPublicKey,)),
)
async def post_signing_key(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
) -> Response[bytes]:
    """Make a signing key; it signs from now on, and older ones go on to verify.

    With the customer's `public_key` it verifies only. A revealed secret is shown in this answer and never again.
    """
    wish = await read_body(request, SigningKeyRequest, default=SigningKeyRequest())
    if wish.reveal and (wish.algorithm is not Algorithm.HS256 or wish.public_key is not None):
        raise BadRequest("Only the secret of an HS256 key can be revealed.", pointer="/reveal")
    new = NewKey(wish.algorithm, wish.public_key, wish.reveal)
    key, secret = await create_signing_key(given[Postgres], given[MasterKeys], caller.scope, new)
    return json_struct(SigningKeyView.of(key, secret), status=201)


@delete(
    "/v1/signing-keys/{key_id:str}",
    operation_id="retireSigningKey",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    status_code=200,
    told=Told(gives={204: None}, refuses=(NotFound,)),
)
async def remove_signing_key(
    key_id: FromPath[str], caller: NamedDependency[Caller], given: NamedDependency[Given]
) -> Response[bytes]:
    """Retire a signing key: within a second its tokens hold nowhere."""
    await retire_signing_key(given[Postgres], caller.scope, key_id)
    return nothing()


@delete(
    "/v1/app",
    operation_id="deleteOwnApp",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    status_code=202,
    told=Told(gives={202: JobView}),
)
async def remove_own_app(caller: NamedDependency[Caller], given: NamedDependency[Given]) -> Response[bytes]:
    """Delete the app that the key belongs to, with all that is in it: no credential of it holds from then on."""
    return json_struct(JobView.of(await delete_app(given[Postgres], caller.scope.app)), status=202)


@get(
    "/v1/apps/{app_id:str}/jwks.json",
    operation_id="getJwks",
    told=Told(gives={200: Jwks}, refuses=(NotFound,), media_type="application/jwk-set+json"),
)
async def show_public_keys(app_id: FromPath[str], given: NamedDependency[Given]) -> Response[bytes]:
    """Give the public keys that an app's tokens can be verified with, to anybody, as a JWK set."""
    app = parse_app_name(app_id)
    if app is None:
        raise NotFound
    keys = await public_keys(given[Postgres], app)
    headers = {"cache-control": f"public, max-age={JWKS_MAX_AGE_S}"}
    return Response(msgspec.json.encode({"keys": keys}), media_type="application/jwk-set+json", headers=headers)


ROUTES = [
    show_public_keys,
    show_keys,
    post_key,
    replace_secret,
    remove_key,
    show_signing_keys,
    post_signing_key,
    remove_signing_key,
    remove_own_app,
]


def _grants(caller: Caller, wish: KeyRequest) -> frozenset[Grant]:
    """Give what a new key may do: never more than the key that makes it."""
    own = ALL if caller.grants is None else caller.grants
    if wish.grants is None:
        return own & BY_DEFAULT
    beyond = [grant for grant in wish.grants if grant not in own]
    if beyond:
        raise MissingGrant(f"This key may not give out {beyond[0]}, which it lacks itself.", pointer="/grants")
    return frozenset(wish.grants)
