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


Readiness = Callable[[], Ready]


@get("/livez", operation_id="livez")
async def livez() -> Response[bytes]:
    """Tell that the event loop turns."""
    return Response(b"alive\n", media_type="text/plain")


@get("/readyz", operation_id="readyz")
async def readyz(readiness: NamedDependency[Readiness]) -> Response[bytes]:
    """Tell whether to send work here: 200, or 503 while draining, overloaded or without PostgreSQL."""
    ready = readiness()
    return json_struct(ready, status=200 if ready.ready else 503)


ROUTES = [livez, readyz]
