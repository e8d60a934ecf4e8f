"""Usage by REST."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.edge.given import Given
from api.edge.json import json_struct
from api.edge.told import Told
from api.usage.schemas import TallyView, UsageView
from tenants.clock import now
from tenants.grants import Grant
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tallies import DAY, HOUR, hour_of, tallies_of

MAX_DAYS = 31


@get(
    "/v1/usage",
    operation_id="getUsage",
    grant=Grant.APP_MANAGE,
    keys_only=True,
    told=Told(gives={200: UsageView}),
)
async def show_usage(
    caller: NamedDependency[Caller],
    given: NamedDependency[Given],
    by: Annotated[Literal["hour", "day"], QueryParameter(description="How finely.")] = "day",
    since: Annotated[
        date | None, QueryParameter(description="The first day (UTC); else as many ago as are wanted.")
    ] = None,
    days: Annotated[int, QueryParameter(ge=1, le=MAX_DAYS, description="How many days from the first on.")] = MAX_DAYS,
) -> Response[bytes]:
    """Give what the app did, by the hour or the day, up to now.

    It is up to a few seconds behind. Kept for 400 days.
    """
    this_hour = hour_of(now())
    first_day = this_hour.date() - (days - 1) * DAY if since is None else since
    if first_day > this_hour.date():
        return json_struct(UsageView(by, []))
    first = datetime.combine(first_day, time(), UTC)
    until = min(first + days * DAY, this_hour + HOUR if by == "hour" else this_hour.replace(hour=0) + DAY)
    tallies = await tallies_of(given[Postgres], caller.scope.app, by, first, until)
    return json_struct(UsageView(by, [TallyView.of(tally) for tally in tallies]))


ROUTES = [show_usage]
