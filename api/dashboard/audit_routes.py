"""The audit log: who did what, when and from where, in pages and as a file."""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.response import Stream

from api.dashboard.audit_files import csv_head, csv_lines, json_lines
from api.dashboard.forms import Wrong
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.audit_log import Entry, all_entries, entries, first_id_at
from tenants.errors import NotFound
from tenants.ids import TenantId
from tenants.postgres import Postgres

PAGE = 50
MAX_ENTRY = 2**63 - 1
LAST_YEAR = 9000


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to write the log into a file."""

    media_type: str
    head: str
    lines: Callable[[Iterable[Entry]], str]


KINDS = {
    "csv": Kind("text/csv", csv_head(), csv_lines),
    "jsonl": Kind("application/jsonl", "", json_lines),
}


@get("/audit", operation=Operation.SEE_AUDIT)
async def show_audit(visit: NamedDependency[Visit]) -> Response[str]:
    """Show a page of the log, the newest entry first."""
    return await _page(visit, visit.number("before"))


@get("/audit/export", operation=Operation.SEE_AUDIT)
async def show_export(visit: NamedDependency[Visit]) -> Response[str] | Stream:
    """Give the entries of the days from `since` to `until` as a file, newest first, page by page however many there are."""
    asked = visit.request.query_params
    kind = KINDS.get(asked.get("kind", "csv"))
    if kind is None:
        raise NotFound
    try:
        since, until = _day("since", asked.get("since", "")), _day("until", asked.get("until", ""))
    except Wrong as wrong:
        return await _page(visit, None, wrong)
    after = None if since is None else first_id_at(since)
    before = None if until is None else first_id_at(until + timedelta(days=1))
    name = f"audit-{_spell(since, 'begin')}-{_spell(until, 'now')}.{asked.get('kind', 'csv')}"
    return Stream(
        _written(visit.parts.postgres, visit.session.tenant, kind, after, before),
        media_type=f"{kind.media_type}; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


ROUTES = [show_audit, show_export]


async def _page(visit: Visit, before: int | None, wrong: Wrong | None = None) -> Response[str]:
    # One more than is shown tells whether there is a page after this one.
    found = await entries(visit.parts.postgres, visit.session.tenant, before, PAGE + 1)
    shown = found[:PAGE]
    older = shown[-1].id if len(found) > PAGE else None
    asked = {name: visit.request.query_params.get(name, "") for name in ("since", "until")}
    page = {"entries": shown, "older": older, "is_first": before is None, "asked": asked}
    return visit.page("audit.html", 400 if wrong else 200, wrong=wrong, **page)


async def _written(
    postgres: Postgres, tenant: TenantId, kind: Kind, after: int | None, before: int | None
) -> AsyncGenerator[str]:
    yield kind.head
    async for page in all_entries(postgres, tenant, after, before):
        yield kind.lines(page)


def _day(field: str, text: str) -> datetime | None:
    """Read the beginning of a day in UTC, None for none; raises `Wrong`."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Wrong(field, "A day, such as 2026-01-31.") from error
    if day.year > LAST_YEAR:
        raise Wrong(field, f"A day before the year {LAST_YEAR}.")
    return day


def _spell(day: datetime | None, otherwise: str) -> str:
    return otherwise if day is None else day.strftime("%Y-%m-%d")
