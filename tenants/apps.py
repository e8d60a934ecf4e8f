"""Apps: the isolated chat worlds of a tenant; test and live are two apps."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text

from tenants.clock import to_rfc3339
from tenants.errors import NotFound
from tenants.ids import AppId, TenantId, new_app_id
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.tokens import insert_signing_key

Environment = Literal["live", "test"]

INSERT = text("""
INSERT INTO apps (app_id, tenant_id, name, environment)
SELECT :app, t.tenant_id, :name, :environment FROM tenants t WHERE t.tenant_id = :tenant
RETURNING created_at
""")
LIST = text("""
SELECT app_id, tenant_id, name, environment, created_at FROM apps
 WHERE tenant_id = :tenant ORDER BY created_at, app_id
""")
GET = text("SELECT app_id, tenant_id, name, environment, created_at FROM apps WHERE app_id = :app")


@dataclass(frozen=True, slots=True)
class App:
    """An isolated chat world."""

    scope: Scope
    name: str
    environment: Environment
    created_at: str


async def create_app(postgres: Postgres, tenant: TenantId, name: str, environment: Environment) -> App:
    """Make an app with its first signing key; raises `NotFound` if there is no such tenant."""
    app = new_app_id()
    values = {"app": app, "tenant": tenant, "name": name, "environment": environment}
    async with postgres.ground() as connection:
        row = (await connection.execute(INSERT, values)).one_or_none()
        if row is None:
            raise NotFound
        scope = Scope(tenant, app)
        await insert_signing_key(connection, scope)
    return App(scope, name, environment, to_rfc3339(row.created_at))


async def list_apps(postgres: Postgres, tenant: TenantId) -> list[App]:
    """Give a tenant's apps, oldest first."""
    async with postgres.ground() as connection:
        rows = (await connection.execute(LIST, {"tenant": tenant})).all()
    return [
        App(Scope(tenant, AppId(row.app_id)), row.name, row.environment, to_rfc3339(row.created_at)) for row in rows
    ]


async def get_app(postgres: Postgres, app: AppId) -> App:
    """Give an app; raises `NotFound`."""
    async with postgres.ground() as connection:
        row = (await connection.execute(GET, {"app": app})).one_or_none()
    if row is None:
        raise NotFound
    scope = Scope(TenantId(row.tenant_id), app)
    return App(scope, row.name, row.environment, to_rfc3339(row.created_at))
