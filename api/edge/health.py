"""The internal listener's health: whether the process is alive, and whether to give it work."""

from collections.abc import Callable

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from api.edge.json import json_struct


class Ready(msgspec.Struct):
    """Whether this process should be given work, and how it hears Redis."""

    ready: bool
    mode: str
    """`live`, or `degraded` while Redis is silent: everything is still delivered."""
    audit_age_ms: int | None
    epoch: int
    draining: bool
    loop_lag_ms: int
    """By how much the event loop was late of late; not ready while every beat is half a second late."""
    connections: int


class Status(Ready, kw_only=True):
    """How this process is, for whoever looks into it."""

    version: str
    schemas: list[str]
    """Revisions of the database's schema that this version serves."""
    probe_age_ms: int | None
    """How long ago an own publication came back through Redis."""
    lane_queue: int
    subscriptions: int
    rooms_open: int
    degraded_s: float
    invariant_violations: int


Readiness = Callable[[], Ready]
Report = Callable[[], Status]


@get("/livez", operation_id="livez")
async def livez() -> Response[bytes]:
    """Tell that the event loop turns."""
    return Response(b"alive\n", media_type="text/plain")


@get("/readyz", operation_id="readyz")
async def readyz(readiness: NamedDependency[Readiness]) -> Response[bytes]:
    """Tell whether to send work here: 200, or 503 while draining, overloaded or without PostgreSQL."""
    ready = readiness()
    return json_struct(ready, status=200 if ready.ready else 503)


@get("/statusz", operation_id="statusz")
async def statusz(status: NamedDependency[Report]) -> Response[bytes]:
    """Tell how this process is."""
    return json_struct(status())


ROUTES = [livez, readyz, statusz]
