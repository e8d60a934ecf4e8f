"""Policies: what an app is set to, remembered by every process for a minute at most and forgotten at once when changed."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from tenants.ids import AppId, TenantId
from tenants.postgres import Postgres
from tenants.scope import Scope

Environment = Literal["live", "test"]

REMEMBER_S = 60.0
MAX_REMEMBERED = 50_000
ANY_ORIGIN = "*"

FIND = """
SELECT tenant_id, environment, allowed_origins, limits, own_limits, retention_s, suspended_at, tokens_valid_from
  FROM apps WHERE app_id = $1 AND deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an app is set to."""

    scope: Scope
    environment: Environment
    allowed_origins: frozenset[str]
    """Origins of web pages that may use the app, those of the deployment's own among them; `*` stands for any."""
    limits: str
    """A JSON object of what differs from the default limits, by the operator."""
    own_limits: str
    """A JSON object of what is lower than that, by the tenant."""
    retention_s: int | None
    """For how long messages are kept; None: for ever."""
    is_suspended: bool
    tokens_valid_from: float | None
    """Unix time; users' tokens issued before hold no more."""

    def allows_origin(self, origin: str) -> bool:
        """Tell whether a page of this origin may use the app."""
        return ANY_ORIGIN in self.allowed_origins or origin in self.allowed_origins


@dataclass(frozen=True, slots=True)
class _Remembered:
    policy: Policy | None
    until: float


class Policies:
    """The policies of the apps that this process serves."""

    def __init__(self, postgres: Postgres, own_origins: frozenset[str] = frozenset()) -> None:
        """Look up in `postgres`; pages of `own_origins`, which are the deployment's own, may use every app."""
        self._postgres = postgres
        self._own_origins = own_origins
        self._remembered: OrderedDict[AppId, _Remembered] = OrderedDict()
        self._forgettings = 0

    async def of(self, app: AppId) -> Policy | None:
        """Give an app's policy, None if there is no such app or it has been deleted; raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        known = self._remembered.get(app)
        if known is not None and known.until > loop.time():
            return known.policy
        while True:
            forgettings = self._forgettings
            policy = await self._read(app)
            if forgettings == self._forgettings:
                break
            # Some app was changed while we looked, perhaps this one.
        self._remembered[app] = _Remembered(policy, loop.time() + REMEMBER_S)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return policy

    def forget(self, app: AppId) -> None:
        """Drop what is remembered of an app that has changed."""
        self._forgettings += 1
        self._remembered.pop(app, None)

    def forget_all(self) -> None:
        """Drop everything: changes may have been missed."""
        self._forgettings += 1
        self._remembered.clear()

    async def _read(self, app: AppId) -> Policy | None:
        rows = await self._postgres.fetch([app], FIND, app)
        if not rows:
            return None
        row = rows[0]
        valid_from = row["tokens_valid_from"]
        return Policy(
            scope=Scope(TenantId(row["tenant_id"]), app),
            environment=row["environment"],
            allowed_origins=self._own_origins.union(row["allowed_origins"]),
            limits=row["limits"],
            own_limits=row["own_limits"],
            retention_s=row["retention_s"],
            is_suspended=row["suspended_at"] is not None,
            tokens_valid_from=None if valid_from is None else valid_from.timestamp(),
        )
