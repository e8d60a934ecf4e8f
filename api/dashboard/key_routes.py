"""An app's API keys and signing keys."""

import secrets

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.forms import Wrong
from api.dashboard.permissions import Operation
from api.dashboard.snippets import Snippet, curl_snippet
from api.dashboard.visit import Visit
from api.dashboard.wishes import EXPIRIES, OVERLAPS, expiry_of, grants_of, overlap_of
from tenants.apps import App
from tenants.errors import NotFound
from tenants.grants import BY_DEFAULT, Grant
from tenants.keys import ApiKey, AskedAlready, create_key, list_keys, parse_key_id, revoke_key, rotate_key
from tenants.signing import (
    Algorithm,
    NewKey,
    SigningKey,
    create_signing_key,
    list_signing_keys,
    retire_signing_key,
)

IDEMPOTENCY_KEY = "idempotency_key"
KEY_BYTES = 16


@get("/apps/{app_id:str}/keys", operation=Operation.SEE_KEYS)
async def show_keys(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show an app's API keys, without their secrets."""
    app = await visit.app(app_id)
    keys = await list_keys(visit.parts.postgres, app.scope.app)
    return visit.page("keys.html", app=head_of(app), keys=keys)


@get("/apps/{app_id:str}/keys/new", operation=Operation.CREATE_KEY)
async def show_new_key(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Ask for what a key takes."""
    return _new_key(visit, await visit.app(app_id))


@post("/apps/{app_id:str}/keys", operation=Operation.CREATE_KEY)
async def post_key(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Make an API key; its text is shown on this page and never again."""
    app, parts = await visit.app(app_id), visit.parts
    try:
        label, grants, expires_at = visit.form.name("label"), grants_of(visit.form), expiry_of(visit.form)
    except Wrong as wrong:
        return _new_key(visit, app, wrong)
    try:
        key, text = await create_key(
            parts.postgres,
            parts.pepper,
            app.scope.app,
            label,
            grants=grants,
            expires_at=expires_at,
            idempotency_key=_idempotency_key(visit),
            by=visit.by,
        )
    except AskedAlready:
        return _asked_already(visit, app)
    return _once(visit, app, key, text, status=201)


@get("/apps/{app_id:str}/keys/{key_id:str}/rotate", operation=Operation.ROTATE_KEY)
async def show_rotate(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Ask when the old secret is to end."""
    app = await visit.app(app_id)
    return _rotate(visit, app, await _key(visit, app, key_id))


@post("/apps/{app_id:str}/keys/{key_id:str}/rotate", operation=Operation.ROTATE_KEY)
async def post_rotate(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Give a key a new secret, shown on this page and never again."""
    app, parts = await visit.app(app_id), visit.parts
    key = await _key(visit, app, key_id)
    try:
        overlap_s = overlap_of(visit.form)
    except Wrong as wrong:
        return _rotate(visit, app, key, wrong)
    try:
        key, text = await rotate_key(
            parts.postgres,
            parts.pepper,
            app.scope.app,
            key.number,
            overlap_s,
            idempotency_key=_idempotency_key(visit),
            by=visit.by,
        )
    except AskedAlready:
        return _asked_already(visit, app)
    return _once(visit, app, key, text, status=200, ends=OVERLAPS[str(overlap_s)])


@get("/apps/{app_id:str}/keys/{key_id:str}/revoke", operation=Operation.REVOKE_KEY)
async def show_revoke(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Ask whether that key is really to end."""
    app = await visit.app(app_id)
    return visit.page("key_revoke.html", app=head_of(app), key=await _key(visit, app, key_id))


@post("/apps/{app_id:str}/keys/{key_id:str}/revoke", operation=Operation.REVOKE_KEY)
async def post_revoke(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Revoke a key: within a second it holds nowhere."""
    app = await visit.app(app_id)
    key = await _key(visit, app, key_id)
    await revoke_key(visit.parts.postgres, app.scope.app, key.number, by=visit.by)
    return visit.go(f"/apps/{app_id}/keys", "key_revoked")


@get("/apps/{app_id:str}/signing", operation=Operation.SEE_SIGNING_KEYS)
async def show_signing(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show an app's signing keys, without their secrets."""
    return await _signing(visit, await visit.app(app_id))


@post("/apps/{app_id:str}/signing", operation=Operation.CREATE_SIGNING_KEY)
async def post_signing(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Make a signing key, which signs from now on."""
    app, parts = await visit.app(app_id), visit.parts
    try:
        algorithm = Algorithm(visit.form.text("algorithm"))
    except ValueError:
        return await _signing(visit, app, Wrong("algorithm", "Choose an algorithm."))
    await create_signing_key(parts.postgres, parts.master_keys, app.scope, NewKey(algorithm), by=visit.by)
    return visit.go(f"/apps/{app_id}/signing", "signing_key_created")


@get("/apps/{app_id:str}/signing/{key_id:str}/retire", operation=Operation.RETIRE_SIGNING_KEY)
async def show_retire(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Ask whether that signing key is really to end, with all tokens that it has signed."""
    app = await visit.app(app_id)
    return visit.page("signing_retire.html", app=head_of(app), key=await _signing_key(visit, app, key_id))


@post("/apps/{app_id:str}/signing/{key_id:str}/retire", operation=Operation.RETIRE_SIGNING_KEY)
async def post_retire(app_id: FromPath[str], key_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Retire a signing key: within a second its tokens hold nowhere."""
    app = await visit.app(app_id)
    key = await _signing_key(visit, app, key_id)
    await retire_signing_key(visit.parts.postgres, app.scope, key.id, by=visit.by)
    return visit.go(f"/apps/{app_id}/signing", "signing_key_retired")


ROUTES = [
    show_keys,
    show_new_key,
    post_key,
    show_rotate,
    post_rotate,
    show_revoke,
    post_revoke,
    show_signing,
    post_signing,
    show_retire,
    post_retire,
]


def _new_key(visit: Visit, app: App, wrong: Wrong | None = None) -> Response[str]:
    chosen = visit.form.chosen("grants") if wrong else sorted(BY_DEFAULT)
    shown = {"grants": list(Grant), "chosen": chosen, "expiries": EXPIRIES, IDEMPOTENCY_KEY: _new_idempotency_key()}
    return visit.page("key_new.html", 400 if wrong else 200, app=head_of(app), wrong=wrong, **shown)


def _rotate(visit: Visit, app: App, key: ApiKey, wrong: Wrong | None = None) -> Response[str]:
    shown = {"key": key, "overlaps": OVERLAPS, IDEMPOTENCY_KEY: _new_idempotency_key()}
    return visit.page("key_rotate.html", 400 if wrong else 200, app=head_of(app), wrong=wrong, **shown)


def _new_idempotency_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


def _idempotency_key(visit: Visit) -> str | None:
    """Give what tells one form that shows a secret from the next: a page that is loaded anew sends the same one again."""
    return visit.form.text(IDEMPOTENCY_KEY) or None


def _asked_already(visit: Visit, app: App) -> Response[str]:
    return visit.page("key_asked_already.html", 409, app=head_of(app))


def _once(visit: Visit, app: App, key: ApiKey, text: str, *, status: int, ends: str | None = None) -> Response[str]:
    snippet: Snippet = curl_snippet(visit.parts.public_url, text)
    return visit.page("key_shown.html", status, app=head_of(app), key=key, text=text, snippet=snippet, ends=ends)


async def _key(visit: Visit, app: App, key_id: str) -> ApiKey:
    """Give a key of this app that has not been revoked; another app's is not found."""
    number = parse_key_id(app.scope, key_id)
    for key in await list_keys(visit.parts.postgres, app.scope.app):
        if key.number == number and key.revoked_at is None:
            return key
    raise NotFound


async def _signing(visit: Visit, app: App, wrong: Wrong | None = None) -> Response[str]:
    head, status = head_of(app), 400 if wrong else 200
    keys = await list_signing_keys(visit.parts.postgres, app.scope)
    jwks_url = f"{visit.parts.public_url}/v1/apps/{head['id']}/jwks.json"
    shown = {"app": head, "keys": keys, "algorithms": list(Algorithm), "jwks_url": jwks_url}
    return visit.page("signing.html", status, wrong=wrong, **shown)


async def _signing_key(visit: Visit, app: App, key_id: str) -> SigningKey:
    for key in await list_signing_keys(visit.parts.postgres, app.scope):
        if key.id == key_id and key.state != "retired":
            return key
    raise NotFound
