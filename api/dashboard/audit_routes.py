"""The audit log: who did what, when and from where."""

from litestar import Response, get
from litestar.di import NamedDependency

from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.audit_log import entries
from tenants.errors import NotFound

PAGE = 50
MAX_ENTRY = 2**63 - 1


@get("/audit", operation=Operation.SEE_AUDIT)
async def show_audit(visit: NamedDependency[Visit]) -> Response[str]:
    """Show a page of the log, the newest entry first."""
    before = _before(visit.request.query_params.get("before"))
    # One more than is shown tells whether there is a page after this one.
    found = await entries(visit.parts.postgres, visit.session.tenant, before, PAGE + 1)
    shown = found[:PAGE]
    older = shown[-1].id if len(found) > PAGE else None
    return visit.page("audit.html", entries=shown, older=older, is_first=before is None)


ROUTES = [show_audit]


def _before(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_ENTRY):
        raise NotFound
    return int(text)
