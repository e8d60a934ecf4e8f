"""Usage: what an app did today by the hour, and in the last 30 days by the day."""

from dataclasses import dataclass
from datetime import datetime

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.clock import now
from tenants.tallies import DAY, HOUR, By, Tally, hour_of, tallies_of, tally_over

DAYS = 30
NAMES = {
    "messages": "Messages",
    "deliveries": "Deliveries",
    "connections": "Connections",
    "active_users": "Active users",
}
MEANINGS = {
    "messages": "Messages that were sent, each once. Edits, deletions and repetitions do not count.",
    "deliveries": "Events handed to subscribers, each for each of them, by socket, stream or long poll. Snapshots do not count.",
    "connections": "Sockets and streams that were opened, and long polls.",
    "active_users": "Users who were connected, or sent a message, each once in the hour, day or period.",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A time to look at, and the one before it to compare with."""

    by: By
    first: datetime
    until: datetime
    """The end of what there can be so far."""
    end: datetime
    """The end of the whole, as a chart shows it."""
    before: datetime
    title: str
    compared: str

    @property
    def before_until(self) -> datetime:
        """The end of the time before: it is as long as this one is so far."""
        return self.before + (self.until - self.first)

    @classmethod
    def today(cls, moment: datetime) -> "Period":
        """Take the day so far, and as much of the day before."""
        until = hour_of(moment) + HOUR
        first = hour_of(moment).replace(hour=0)
        return cls("hour", first, until, first + DAY, first - DAY, "today, by hour", "yesterday up to this hour")

    @classmethod
    def month(cls, moment: datetime) -> "Period":
        """Take 30 days with this one, and the 30 before them."""
        end = hour_of(moment).replace(hour=0) + DAY
        first = end - DAYS * DAY
        return cls(
            "day", first, end, end, first - DAYS * DAY, f"in the last {DAYS} days, by day", f"in the {DAYS} days before"
        )


@get("/apps/{app_id:str}/usage", operation=Operation.SEE_USAGE)
async def show_usage(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show an app's tallies, their sums, and how those compare with the time before."""
    app = await visit.app(app_id)
    is_month = visit.request.query_params.get("by") == "day"
    period = Period.month(now()) if is_month else Period.today(now())
    where = (visit.parts.postgres, app.scope.app)
    tallies = await tallies_of(*where, period.by, period.first, period.until)
    whole = await tally_over(*where, period.first, period.until)
    before = await tally_over(*where, period.before, period.before_until)
    return visit.page(
        "usage.html",
        app=head_of(app),
        period=period,
        names=NAMES,
        meanings=MEANINGS,
        tallies=[_row(tally, period.by) for tally in tallies],
        tiles=[_tile(name, whole, before) for name in NAMES],
        is_empty=not any(getattr(whole, name) or getattr(before, name) for name in NAMES),
    )


ROUTES = [show_usage]


def _row(tally: Tally, by: By) -> dict[str, object]:
    begins = tally.begins
    return {
        "at": begins.isoformat(timespec="minutes"),
        "label": f"{begins:%H:%M}" if by == "hour" else f"{begins.day} {begins:%b}",
        "figures": ["–" if figure is None else f"{figure:,}" for figure in (getattr(tally, name) for name in NAMES)],
    }


def _tile(name: str, whole: Tally, before: Tally) -> dict[str, object]:
    there, then = getattr(whole, name) or 0, getattr(before, name) or 0
    return {"name": NAMES[name], "figure": f"{there:,}", "before": f"{then:,}", "change": _change(there, then)}


def _change(there: int, then: int) -> str | None:
    """Say by how much a figure has changed; None where there was nothing to compare with."""
    if then == 0:
        return None
    percent = round(100 * (there - then) / then)
    return f"{'+' if percent > 0 else '−' if percent < 0 else '±'}{abs(percent):,} %"
