"""Tenants and apps on the wire."""

from typing import Annotated, Literal, Self

import msgspec

from tenants.accounts import Tenant
from tenants.apps import App
from tenants.ids import app_name, tenant_name

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class TenantRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to be made."""

    name: Name


class AppRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An app to be made."""

    name: Name
    environment: Literal["live", "test"] = "live"


class TenantView(msgspec.Struct):
    """A tenant."""

    id: str
    name: str
    created_at: str

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Show a tenant."""
        return cls(tenant_name(tenant.id), tenant.name, tenant.created_at)


class TenantList(msgspec.Struct):
    """All tenants."""

    tenants: list[TenantView]


class AppView(msgspec.Struct):
    """An app."""

    id: str
    tenant: str
    name: str
    environment: str
    created_at: str

    @classmethod
    def of(cls, app: App) -> Self:
        """Show an app."""
        tenant = tenant_name(app.scope.tenant)
        return cls(app_name(app.scope.app), tenant, app.name, app.environment, app.created_at)


class AppList(msgspec.Struct):
    """A tenant's apps."""

    apps: list[AppView]
