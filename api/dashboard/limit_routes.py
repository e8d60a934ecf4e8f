"""An app's limits: what its operator lets it do, and what its tenant sets lower for each of its users and rooms."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.forms import Form, Wrong
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.apps import App, AppSettings, change_app
from tenants.budgets import Allowance, Allowed, OwnLimits, read_allowance, read_own_limits

LEAST_RATE = 0.001
RATE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,3})?", re.ASCII)
WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)

OF_APP = {
    "app_requests": "Requests, all users and keys",
    "app_sends": "Messages, all users and keys",
    "app_openings": "Connections begun",
    "app_tokens": "Tokens issued",
    "app_connections": "Connections at once, at each process",
    "rooms": "Rooms",
    "stored_bytes": "Bytes stored",
}
OF_EACH = {
    "user_requests": "Requests of a user",
    "user_sends": "Messages of a user",
    "user_openings": "Connections begun by a user",
    "user_connections": "Connections of a user at once",
    "room_sends": "Messages in a room",
    "room_members": "Members of a room",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One limit with what its tenant may set of it; what is not set is empty."""

    name: str
    title: str
    most: str
    is_rate: bool
    per_s: str
    burst: str


@get("/apps/{app_id:str}/limits", operation=Operation.SEE_APPS)
async def show_limits(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show what an app may do, and how much of it the tenant lets each user and room do."""
    return _limits(visit, await visit.app(app_id))


@post("/apps/{app_id:str}/limits", operation=Operation.CHANGE_APP)
async def post_limits(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Set the tenant's own limits; what is left empty is what the operator gives."""
    app = await visit.app(app_id)
    try:
        own = _own_limits(visit.form, read_allowance(app.limits))
    except Wrong as wrong:
        return _limits(visit, app, wrong)
    wish = AppSettings(own_limits=msgspec.json.encode(own).decode())
    await change_app(visit.parts.postgres, app.scope.app, wish, by=visit.by)
    return visit.go(f"/apps/{app_id}/limits", "limits_changed")


ROUTES = [show_limits, post_limits]


def words(limit: Allowed | int) -> str:
    """Write a limit for people."""
    return f"{limit:,}" if isinstance(limit, int) else f"{limit.per_s:,g} a second, {limit.burst:,} at once"


def _limits(visit: Visit, app: App, wrong: Wrong | None = None) -> Response[str]:
    most, own = read_allowance(app.limits), read_own_limits(app.own_limits)
    rows = [_row(name, title, most, own, visit.form if wrong else None) for name, title in OF_EACH.items()]
    shown = {
        "app": head_of(app),
        "of_app": [(title, words(getattr(most, name))) for name, title in OF_APP.items()],
        "of_each": rows,
    }
    return visit.page("app_limits.html", 400 if wrong else 200, wrong=wrong, **shown)


def _row(name: str, title: str, most: Allowance, own: OwnLimits, typed: Form | None) -> Row:
    given, per_s, burst = getattr(most, name), "", ""
    match getattr(own, name):
        case Allowed() as wished:
            per_s, burst = f"{wished.per_s:g}", str(wished.burst)
        case int() as wished:
            burst = str(wished)
        case _:
            pass
    if typed is not None:
        per_s, burst = typed.typed(f"{name}_per_s"), typed.typed(f"{name}_burst")
    return Row(name, title, words(given), isinstance(given, Allowed), per_s, burst)


def _own_limits(form: Form, most: Allowance) -> OwnLimits:
    wished: dict[str, Any] = {}
    for name in OF_EACH:
        given = getattr(most, name)
        if not isinstance(given, Allowed):
            amount = _number(form, f"{name}_burst", given)
            wished |= {} if amount is None else {name: int(amount)}
            continue
        per_s = _number(form, f"{name}_per_s", given.per_s, is_rate=True)
        burst = _number(form, f"{name}_burst", given.burst)
        if per_s is not None or burst is not None:
            wished[name] = Allowed(
                given.per_s if per_s is None else per_s, given.burst if burst is None else int(burst)
            )
    return OwnLimits(**wished)


def _number(form: Form, field: str, most: float, *, is_rate: bool = False) -> float | None:
    """Read a number of 1 to `most`, or a rate of 0.001 to `most`; None for an empty field. Raises `Wrong`."""
    typed, least, shape = form.text(field), LEAST_RATE if is_rate else 1, RATE if is_rate else WHOLE
    if not typed:
        return None
    if shape.fullmatch(typed) is None or not least <= float(typed) <= most:
        raise Wrong(field, f"A number from {least:g} to {most:,g}, or nothing.")
    return float(typed)
