"""Apps: the isolated chat worlds of a tenant; test and live are two apps."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.audit_log import By, inside
from tenants.clock import to_rfc3339
from tenants.controls import AppChanged, send_control
from tenants.errors import NotFound
from tenants.ids import AppId, TenantId, app_name, new_app_id
from tenants.jobs import Job, Step, find_app_job, insert_job
from tenants.policies import ANY_ORIGIN, Environment
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.sealing import MasterKeys
from tenants.signing import insert_signing_key

INSERT = text("""
INSERT INTO apps (app_id, tenant_id, name, environment, allowed_origins)
SELECT :app, t.tenant_id, :name, :environment, :origins FROM tenants t WHERE t.tenant_id = :tenant
RETURNING created_at
""")
COLUMNS = (
    "app_id, tenant_id, name, environment, created_at, allowed_origins, limits, own_limits, retention_s, suspended_at"
)
LIST = text(f"""
SELECT {COLUMNS} FROM apps
 WHERE tenant_id = :tenant AND deleted_at IS NULL ORDER BY created_at, app_id
""")
GET = text(f"SELECT {COLUMNS} FROM apps WHERE app_id = :app AND deleted_at IS NULL")
# Held until it is changed, so that what is noted as before was there before.
HOLD = text(f"SELECT {COLUMNS} FROM apps WHERE app_id = :app AND deleted_at IS NULL FOR NO KEY UPDATE")
CHANGE = text(f"""
UPDATE apps SET name = coalesce(CAST(:name AS text), name), allowed_origins = coalesce(CAST(:origins AS text[]), allowed_origins),
       limits = coalesce(CAST(:limits AS text), limits), own_limits = coalesce(CAST(:own_limits AS text), own_limits),
       retention_s = CASE WHEN :changes_retention THEN CAST(:retention_s AS bigint) ELSE retention_s END,
       suspended_at = CASE CAST(:suspended AS boolean) WHEN true THEN coalesce(suspended_at, now()) WHEN false THEN NULL
                      ELSE suspended_at END
 WHERE app_id = :app AND deleted_at IS NULL
RETURNING {COLUMNS}
""")
DELETE = text("UPDATE apps SET deleted_at = now() WHERE app_id = :app AND deleted_at IS NULL RETURNING name")
PURGE_ROWS = 2_000
PURGE = text("SELECT purge_app_v1(:app, :rows)")


@dataclass(frozen=True, slots=True)
class App:
    """An isolated chat world."""

    scope: Scope
    name: str
    environment: Environment
    created_at: str
    allowed_origins: list[str]
    limits: str
    """A JSON object of what differs from the default limits, by the operator."""
    own_limits: str
    """A JSON object of what is lower than that, by the tenant."""
    retention_s: int | None
    is_suspended: bool


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What is to be set of an app; None leaves it as it is."""

    name: str | None = None
    allowed_origins: list[str] | None = None
    limits: str | None = None
    own_limits: str | None = None
    retention_s: int | msgspec.UnsetType | None = msgspec.UNSET
    suspended: bool | None = None


async def create_app(
    postgres: Postgres,
    master_keys: MasterKeys,
    tenant: TenantId,
    name: str,
    environment: Environment,
    *,
    by: By | None = None,
) -> App:
    """Make an app with its first signing key; raises `NotFound` if there is no such tenant.

    Pages of any origin may use a test app; for a live one the origins must be named first.
    """
    app = new_app_id()
    origins = [ANY_ORIGIN] if environment == "test" else []
    values = {"app": app, "tenant": tenant, "name": name, "environment": environment, "origins": origins}
    scope = Scope(tenant, app)
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(INSERT, values)).one_or_none()
        if row is None:
            raise NotFound
        await insert_signing_key(connection, master_keys, scope)
        if by is not None:
            await by.note(connection, "app.made", app_name(app), name=name, environment=environment)
    return App(scope, name, environment, to_rfc3339(row.created_at), origins, "{}", "{}", None, is_suspended=False)


async def list_apps(postgres: Postgres, tenant: TenantId) -> list[App]:
    """Give a tenant's apps, oldest first."""
    async with postgres.ground() as connection:
        rows = (await connection.execute(LIST, {"tenant": tenant})).all()
    return [_app(row) for row in rows]


async def get_app(postgres: Postgres, app: AppId) -> App:
    """Give an app; raises `NotFound`."""
    async with postgres.transaction(app) as connection:
        row = (await connection.execute(GET, {"app": app})).one_or_none()
    if row is None:
        raise NotFound
    return _app(row)


async def change_app(postgres: Postgres, app: AppId, settings: AppSettings, *, by: By | None = None) -> App:
    """Set what an app is to be: within a second every process goes by it. Raises `NotFound`."""
    retention = settings.retention_s
    changes_retention = retention is not msgspec.UNSET
    values = {
        "app": app,
        "name": settings.name,
        "origins": settings.allowed_origins,
        "limits": settings.limits,
        "own_limits": settings.own_limits,
        "changes_retention": changes_retention,
        "retention_s": None if retention is msgspec.UNSET else retention,
        "suspended": settings.suspended,
    }
    async with postgres.transaction(inside(app, by)) as connection:
        before = (await connection.execute(HOLD, values)).one_or_none()
        if before is None:
            raise NotFound
        row = (await connection.execute(CHANGE, values)).one()
        await send_control(connection, AppChanged(app, ended=None if row.suspended_at is None else "suspended"))
        if by is not None:
            await _note_change(connection, by, settings, _app(before), _app(row))
    return _app(row)


async def delete_app(postgres: Postgres, app: AppId, *, by: By | None = None) -> Job:
    """Take an app out at once, and leave the rest to a job; asked again, tells how far that is. Raises `NotFound`."""
    async with postgres.transaction(inside(app, by)) as connection:
        row = (await connection.execute(DELETE, {"app": app})).one_or_none()
        if row is not None:
            await send_control(connection, AppChanged(app, ended="deleted"))
            if by is not None:
                await by.note(connection, "app.deleted", app_name(app), name=row.name)
            return await insert_job(connection, app, "delete_app", 0)
        return await find_app_job(connection, app)


async def erase_app(postgres: Postgres, job: Job) -> Step:
    """Take away the next rows of an app that has been deleted."""
    async with postgres.transaction(job.app) as connection:
        gone = int((await connection.execute(PURGE, {"app": job.app, "rows": PURGE_ROWS})).scalar_one())
    return Step(job.progress, gone, finished=gone == 0)


async def _note_change(connection: AsyncConnection, by: By, settings: AppSettings, before: App, after: App) -> None:
    action = {None: "app.changed", True: "app.suspended", False: "app.resumed"}[settings.suspended]
    told, now_told = _told(before), _told(after)
    detail = {name: {"before": told[name], "after": now_told[name]} for name in told if told[name] != now_told[name]}
    await by.note(connection, action, app_name(after.scope.app), **detail)


def _told(app: App) -> dict[str, object]:
    """Give what an entry tells of an app before and after a change."""
    return {
        "name": app.name,
        "origins": app.allowed_origins,
        "limits": app.limits,
        "own_limits": app.own_limits,
        "retention_s": app.retention_s,
    }


def _app(row: Any) -> App:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    return App(
        scope=Scope(TenantId(row.tenant_id), AppId(row.app_id)),
        name=row.name,
        environment=row.environment,
        created_at=to_rfc3339(row.created_at),
        allowed_origins=list(row.allowed_origins),
        limits=row.limits,
        own_limits=row.own_limits,
        retention_s=row.retention_s,
        is_suspended=row.suspended_at is not None,
    )
