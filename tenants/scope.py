"""Scope and caller: everything stored, cached, published or logged is keyed by them."""

from dataclasses import dataclass

from tenants.grants import INSPECTING, Grant
from tenants.ids import THE_APP, AppId, KeyNumber, TenantId, UserId, UserNumber, app_name


@dataclass(frozen=True, slots=True)
class Scope:
    """One isolated chat world: an app of a tenant."""

    tenant: TenantId
    app: AppId


@dataclass(frozen=True, slots=True)
class User:
    """A user of the scope that it travels with."""

    number: UserNumber
    id: UserId


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which scope.

    A user's token gives `user` alone. An API key gives `key`, and `user` too when it names the user as whom it acts:
    such a caller writes in the user's name with the rights of the app's server. The dashboard's inspector gives neither.
    """

    scope: Scope
    user: User | None = None
    key: KeyNumber | None = None
    grants: frozenset[Grant] | None = None
    """What the credential may do; None: all that its kind may."""
    rooms: frozenset[str] | None = None
    """The ids of the rooms that the credential reaches; None: all that its bearer does."""
    inspects: bool = False
    """Whether this is the dashboard's inspector, which reads every room of the app, and does nothing else."""

    @classmethod
    def inspector(cls, scope: Scope) -> "Caller":
        """Give the caller by whom the dashboard reads an app."""
        return cls(scope, grants=INSPECTING, inspects=True)

    def may(self, grant: Grant) -> bool:
        """Tell whether the credential has a grant."""
        return self.grants is None or grant in self.grants

    def reaches(self, room_id: str) -> bool:
        """Tell whether the credential reaches a room; what its bearer may do there is another question."""
        return self.rooms is None or room_id in self.rooms

    @property
    def is_server(self) -> bool:
        """Whether an API key vouches for this caller."""
        return self.key is not None

    @property
    def sees_all(self) -> bool:
        """Whether every room of the app exists for this caller, whoever its members are."""
        return self.key is not None or self.inspects

    @property
    def sender(self) -> UserNumber:
        """The number under which this caller's writes are kept: its user's, or the app's own."""
        return THE_APP if self.user is None else self.user.number

    def log_fields(self) -> dict[str, str | int]:
        """Name the caller for a log line, without any secret."""
        fields: dict[str, str | int] = {"app": app_name(self.scope.app)}
        if self.user is not None:
            fields["user"] = self.user.number
        if self.key is not None:
            fields["key"] = self.key
        if self.inspects:
            fields["inspects"] = True
        return fields
