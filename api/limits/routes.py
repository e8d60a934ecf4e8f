"""Limits by REST."""

from litestar import Response, get
from litestar.di import NamedDependency

from api.edge.given import Given
from api.edge.json import json_struct
from api.edge.told import Told
from api.limits.schemas import LimitsView
from tenants.budgets import Budgets
from tenants.scope import Caller


@get("/v1/limits", operation_id="getLimits", grant=None, told=Told(gives={200: LimitsView}))
async def show_limits(caller: NamedDependency[Caller], given: NamedDependency[Given]) -> Response[bytes]:
    """Give the limits of the caller's app and of each of its users; what remains stands in each answer's headers."""
    return json_struct(LimitsView.of(await given[Budgets].allowance(caller)))


ROUTES = [show_limits]
