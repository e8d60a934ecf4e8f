"""Tenants: the paying accounts that own apps."""

from dataclasses import dataclass

from sqlalchemy import text

from tenants.clock import to_rfc3339
from tenants.ids import TenantId, new_tenant_id
from tenants.postgres import Postgres

INSERT = text("INSERT INTO tenants (tenant_id, name) VALUES (:tenant, :name) RETURNING created_at")
LIST = text("SELECT tenant_id, name, created_at FROM tenants ORDER BY created_at, tenant_id")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A paying account."""

    id: TenantId
    name: str
    created_at: str


async def create_tenant(postgres: Postgres, name: str) -> Tenant:
    """Make a tenant."""
    tenant = new_tenant_id()
    async with postgres.tenancy(tenant) as connection:
        row = (await connection.execute(INSERT, {"tenant": tenant, "name": name})).one()
    return Tenant(tenant, name, to_rfc3339(row.created_at))


async def list_tenants(postgres: Postgres) -> list[Tenant]:
    """Give all tenants, oldest first."""
    async with postgres.ground() as connection:
        rows = (await connection.execute(LIST)).all()
    return [Tenant(TenantId(row.tenant_id), row.name, to_rfc3339(row.created_at)) for row in rows]
