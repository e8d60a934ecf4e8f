"""The operator's REST, on the internal listener only: tenants, their apps, and the apps' keys."""

import hmac
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from api.custom_data import changed_text
from api.edge.auth import credential_in
from api.edge.body import read_body
from api.edge.json import json_struct, nothing
from api.errors import BadRequest
from api.jobs.schemas import JobView
from api.keys.schemas import KeyList, KeyRequest, KeyView
from api.operator.schemas import AppChange, AppList, AppRequest, AppView, TenantList, TenantRequest, TenantView
from tenants.accounts import create_tenant, list_tenants
from tenants.apps import AppSettings, change_app, create_app, delete_app, get_app, list_apps
from tenants.budgets import Allowance
from tenants.errors import NotFound, Unauthenticated
from tenants.hashing import Pepper
from tenants.ids import AppId, TenantId, parse_app_name, parse_tenant_name
from tenants.keys import create_key, list_keys, parse_key_id, revoke_key
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys


def guard_operator(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let the operator's token pass; without one configured there is nothing here."""
    expected = connection.app.state.operator_token
    if expected is None:
        raise NotFound
    given = credential_in(connection.headers.get("authorization", "")) or ""
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthenticated


@post("/operator/tenants", operation_id="createTenant")
async def post_tenant(request: Request[Any, Any, Any], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Make a tenant."""
    wish = await read_body(request, TenantRequest)
    return json_struct(TenantView.of(await create_tenant(postgres, wish.name)), status=201)


@get("/operator/tenants", operation_id="listTenants")
async def show_tenants(postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Give all tenants."""
    tenants = await list_tenants(postgres)
    return json_struct(TenantList([TenantView.of(tenant) for tenant in tenants]))


@post("/operator/tenants/{tenant_id:str}/apps", operation_id="createApp")
async def post_app(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[str],
    postgres: NamedDependency[Postgres],
    master_keys: NamedDependency[MasterKeys],
) -> Response[bytes]:
    """Make an app of a tenant."""
    wish = await read_body(request, AppRequest)
    app = await create_app(postgres, master_keys, _tenant(tenant_id), wish.name, wish.environment)
    return json_struct(AppView.of(app), status=201)


@get("/operator/tenants/{tenant_id:str}/apps", operation_id="listApps")
async def show_apps(tenant_id: FromPath[str], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Give a tenant's apps."""
    apps = await list_apps(postgres, _tenant(tenant_id))
    return json_struct(AppList([AppView.of(app) for app in apps]))


@patch("/operator/apps/{app_id:str}", operation_id="changeApp")
async def patch_app(
    request: Request[Any, Any, Any],
    app_id: FromPath[str],
    postgres: NamedDependency[Postgres],
) -> Response[bytes]:
    """Set an app's name, origins, limits, retention or suspension; every process goes by it within a second."""
    wish = await read_body(request, AppChange)
    settings = AppSettings(
        name=wish.name,
        allowed_origins=wish.allowed_origins,
        limits=_limits(wish),
        retention_s=wish.retention_s,
        suspended=wish.suspended,
    )
    return json_struct(AppView.of(await change_app(postgres, _app(app_id), settings)))


@delete("/operator/apps/{app_id:str}", operation_id="deleteApp", status_code=202)
async def remove_app(app_id: FromPath[str], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Delete an app with all that is in it; asked again, tells how far that is."""
    return json_struct(JobView.of(await delete_app(postgres, _app(app_id))), status=202)


@post("/operator/apps/{app_id:str}/keys", operation_id="createAppKey")
async def post_app_key(
    request: Request[Any, Any, Any],
    app_id: FromPath[str],
    postgres: NamedDependency[Postgres],
    pepper: NamedDependency[Pepper],
) -> Response[bytes]:
    """Make an API key of an app; its text is shown in this answer and never again."""
    wish = await read_body(request, KeyRequest)
    grants = None if wish.grants is None else frozenset(wish.grants)
    key, text = await create_key(postgres, pepper, _app(app_id), wish.label, grants=grants, expires_at=wish.expires_at)
    return json_struct(KeyView.of(key, text), status=201)


@get("/operator/apps/{app_id:str}/keys", operation_id="listAppKeys")
async def show_app_keys(app_id: FromPath[str], postgres: NamedDependency[Postgres]) -> Response[bytes]:
    """Give an app's API keys, without their secrets."""
    keys = await list_keys(postgres, _app(app_id))
    return json_struct(KeyList([KeyView.of(key) for key in keys]))


@delete(
    "/operator/apps/{app_id:str}/keys/{key_id:str}",
    operation_id="revokeAppKey",
    status_code=200,
)
async def remove_app_key(
    app_id: FromPath[str], key_id: FromPath[str], postgres: NamedDependency[Postgres]
) -> Response[bytes]:
    """Revoke an app's API key."""
    app = await get_app(postgres, _app(app_id))
    number = parse_key_id(app.scope, key_id)
    if number is None:
        raise NotFound
    await revoke_key(postgres, app.scope.app, number)
    return nothing()


ROUTES = [
    post_tenant,
    show_tenants,
    post_app,
    show_apps,
    patch_app,
    remove_app,
    post_app_key,
    show_app_keys,
    remove_app_key,
]


def _limits(wish: AppChange) -> str | None:
    """Give the limits as they are to be kept; raises `BadRequest` for any that no app can have."""
    text = changed_text(wish.limits, "/limits")
    if text is None:
        return None
    try:
        msgspec.json.decode(text, type=Allowance)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error), pointer="/limits") from error
    return text


def _tenant(name: str) -> TenantId:
    tenant = parse_tenant_name(name)
    if tenant is None:
        raise NotFound
    return tenant


def _app(name: str) -> AppId:
    app = parse_app_name(name)
    if app is None:
        raise NotFound
    return app
