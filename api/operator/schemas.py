"""Tenants and apps on the wire."""

from typing import Annotated, Literal, Self

import msgspec

from api.custom_data import ABSENT
from api.rooms.schemas import MAX_RETENTION_S
from tenants.accounts import Tenant
from tenants.apps import App
from tenants.ids import app_name, tenant_name

MAX_ORIGINS = 100
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
# An origin as browsers spell it: scheme, host in lower case, port unless it is the scheme's own; or `*` for any.
Origin = Annotated[
    str,
    msgspec.Meta(
        max_length=255,
        pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?)$(?!\n)",
    ),
]


class TenantRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to be made."""

    name: Name


class AppRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An app to be made."""

    name: Name
    environment: Literal["live", "test"] = "live"


class AppChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be set of an app; what is absent stays."""

    name: Name | None = None
    allowed_origins: Annotated[list[Origin], msgspec.Meta(max_length=MAX_ORIGINS)] | None = None
    limits: msgspec.Raw = ABSENT
    retention_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_RETENTION_S)] | msgspec.UnsetType | None = msgspec.UNSET
    suspended: bool | None = None


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
    allowed_origins: list[str]
    limits: msgspec.Raw
    retention_s: int | None
    suspended: bool

    @classmethod
    def of(cls, app: App) -> Self:
        """Show an app."""
        tenant = tenant_name(app.scope.tenant)
        return cls(
            id=app_name(app.scope.app),
            tenant=tenant,
            name=app.name,
            environment=app.environment,
            created_at=app.created_at,
            allowed_origins=app.allowed_origins,
            limits=msgspec.Raw(app.limits.encode()),
            retention_s=app.retention_s,
            suspended=app.is_suspended,
        )


class AppList(msgspec.Struct):
    """A tenant's apps."""

    apps: list[AppView]
