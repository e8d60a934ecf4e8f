"""Apps: made, looked at, set, suspended and deleted."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.forms import Wrong
from api.dashboard.permissions import Operation
from api.dashboard.snippets import snippets_of
from api.dashboard.visit import Visit
from api.dashboard.wishes import DAY_S, environment_of, settings_of
from tenants.apps import App, AppSettings, change_app, create_app, delete_app, list_apps
from tenants.ids import app_name
from tenants.keys import list_keys


@get("/apps", operation=Operation.SEE_APPS)
async def show_apps(visit: NamedDependency[Visit]) -> Response[str]:
    """Show the tenant's apps."""
    apps = [_shown(app) for app in await list_apps(visit.parts.postgres, visit.session.tenant)]
    return visit.page("apps.html", apps=apps)


@get("/apps/new", operation=Operation.CREATE_APP)
async def show_new_app(visit: NamedDependency[Visit]) -> Response[str]:
    """Ask for what an app takes."""
    return visit.page("app_new.html")


@post("/apps", operation=Operation.CREATE_APP)
async def post_app(visit: NamedDependency[Visit]) -> Response[str]:
    """Make an app."""
    parts = visit.parts
    try:
        name, environment = visit.form.name("name"), environment_of(visit.form)
    except Wrong as wrong:
        return visit.page("app_new.html", 400, wrong=wrong)
    app = await create_app(parts.postgres, parts.master_keys, visit.session.tenant, name, environment, by=visit.by)
    return visit.go(f"/apps/{app_name(app.scope.app)}", "app_created")


@get("/apps/{app_id:str}", operation=Operation.SEE_APPS)
async def show_app(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show an app: its id, and what to do first."""
    app = await visit.app(app_id)
    keys = [key for key in await list_keys(visit.parts.postgres, app.scope.app) if key.revoked_at is None]
    snippets = snippets_of(visit.parts.public_url, app_id)
    return visit.page("app.html", app=_shown(app), snippets=snippets, keys=keys)


@get("/apps/{app_id:str}/settings", operation=Operation.SEE_APPS)
async def show_settings(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show an app's settings and limits."""
    return _settings(visit, await visit.app(app_id))


@post("/apps/{app_id:str}/settings", operation=Operation.CHANGE_APP)
async def post_settings(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Set an app's name, origins and retention."""
    app = await visit.app(app_id)
    try:
        wish = settings_of(visit.form)
    except Wrong as wrong:
        return _settings(visit, app, wrong)
    await change_app(visit.parts.postgres, app.scope.app, wish, by=visit.by)
    return visit.go(f"/apps/{app_id}/settings", "app_changed")


@post("/apps/{app_id:str}/suspend", operation=Operation.CHANGE_APP)
async def post_suspend(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Suspend an app: nothing of it can be used until it is resumed."""
    app = await visit.app(app_id)
    await change_app(visit.parts.postgres, app.scope.app, AppSettings(suspended=True), by=visit.by)
    return visit.go(f"/apps/{app_id}/settings", "app_suspended")


@post("/apps/{app_id:str}/resume", operation=Operation.CHANGE_APP)
async def post_resume(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Let a suspended app be used again."""
    app = await visit.app(app_id)
    await change_app(visit.parts.postgres, app.scope.app, AppSettings(suspended=False), by=visit.by)
    return visit.go(f"/apps/{app_id}/settings", "app_resumed")


@get("/apps/{app_id:str}/delete", operation=Operation.DELETE_APP)
async def show_delete(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Ask for the app's name, typed, before it is deleted."""
    return visit.page("app_delete.html", app=_shown(await visit.app(app_id)))


@post("/apps/{app_id:str}/delete", operation=Operation.DELETE_APP)
async def post_delete(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Delete an app with all that is in it."""
    app = await visit.app(app_id)
    if visit.form.text("confirmation") != app.name.strip():
        wrong = Wrong("confirmation", "That is not the app's name.")
        return visit.page("app_delete.html", 400, app=_shown(app), wrong=wrong)
    await delete_app(visit.parts.postgres, app.scope.app, by=visit.by)
    return visit.go("/apps", "app_deleted")


ROUTES = [
    show_apps,
    show_new_app,
    post_app,
    show_app,
    show_settings,
    post_settings,
    post_suspend,
    post_resume,
    show_delete,
    post_delete,
]


def _settings(visit: Visit, app: App, wrong: Wrong | None = None) -> Response[str]:
    shown = _shown(app)
    given = {
        "name": visit.form.typed("name") if wrong else app.name,
        "origins": visit.form.typed("origins") if wrong else "\n".join(app.allowed_origins),
        "retention_days": visit.form.typed("retention_days") if wrong else shown["retention_days"],
    }
    status = 400 if wrong else 200
    return visit.page("app_settings.html", status, app=shown, given=given, wrong=wrong)


def _shown(app: App) -> dict[str, object]:
    retention_days = "" if app.retention_s is None else str(max(1, app.retention_s // DAY_S))
    return head_of(app) | {"created_at": app.created_at, "retention_days": retention_days}
