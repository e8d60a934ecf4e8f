"""The dashboard's ASGI service."""

from typing import Any, cast

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp

from api.dashboard.app_routes import ROUTES as APPS
from api.dashboard.audit_routes import ROUTES as AUDIT
from api.dashboard.factor_routes import ROUTES as FACTOR
from api.dashboard.headers import Headers
from api.dashboard.inspector_routes import ROUTES as INSPECTOR
from api.dashboard.key_routes import ROUTES as KEYS
from api.dashboard.limit_routes import ROUTES as LIMITS
from api.dashboard.parts import DashboardParts
from api.dashboard.people_routes import ENTRANCE
from api.dashboard.people_routes import ROUTES as PEOPLE
from api.dashboard.playground_routes import ROUTES as PLAYGROUND
from api.dashboard.refusals import HANDLERS
from api.dashboard.request_routes import ROUTES as REQUESTS
from api.dashboard.room_routes import ROUTES as ROOMS
from api.dashboard.static_routes import ROUTES as STATIC
from api.dashboard.team_routes import ROUTES as TEAM
from api.dashboard.usage_routes import ROUTES as USAGE
from api.dashboard.user_routes import ROUTES as USERS
from api.dashboard.visit import provide_visit, provide_visitor
from api.edge.origins import ASGIService

OF_APPS = [*APPS, *PLAYGROUND, *ROOMS, *USERS, *INSPECTOR, *USAGE, *REQUESTS, *KEYS, *LIMITS]
ROUTES = [*PEOPLE, *FACTOR, *TEAM, *OF_APPS, *AUDIT, *STATIC]
"""All that the dashboard answers; each route takes a `Visit` and names its operation, or is for anybody."""


def build_dashboard(parts: DashboardParts, *, has_entrance: bool = False) -> ASGIApp:
    """Build the dashboard; `has_entrance` adds the link by which `dev` lets its demo's owner in."""
    service = Litestar(
        [*ROUTES, *([ENTRANCE] if has_entrance else [])],
        dependencies={
            "parts": _given(parts),
            "visitor": Provide(provide_visitor),
            "visit": Provide(provide_visit),
        },
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    return cast("ASGIApp", Headers(cast("ASGIService", service), parts.dashboard_url))


def _given(thing: Any) -> Provide:  # noqa: ANN401 - anything that handlers ask for by name
    return Provide(lambda: thing, sync_to_thread=False)
