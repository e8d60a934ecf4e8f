"""The ASGI services of a process: the public one, the internal one for health, metrics and the operator, and the dashboard."""

import asyncio
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from litestar import Litestar, Response, Router, asgi, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.cursors.routes import ROUTES as CURSORS
from api.dashboard.app import build_dashboard
from api.dashboard.parts import DashboardParts
from api.document.routes import ROUTES as DOCUMENT
from api.durations import Durations
from api.edge import health
from api.edge.auth import provide_caller, provide_if_match, provide_key
from api.edge.failures import Failures
from api.edge.given import Given
from api.edge.health import Readiness, Ready, Status
from api.edge.origins import ASGIMessage, ASGIReceive, ASGISend, ASGIService, Origins
from api.edge.problems import HANDLERS, REQUEST_ID_HEADER, new_request_id
from api.edge.proxies import Proxies
from api.edge.requests import Requests
from api.edge.straight import Straight
from api.jobs.routes import ROUTES as JOBS
from api.keys.routes import ROUTES as KEYS
from api.limits.routes import ROUTES as LIMITS
from api.members.actions import MemberDoors
from api.members.routes import ROUTES as MEMBERS
from api.messages.routes import ROUTES as MESSAGES
from api.messages.routes import send_message
from api.operator.routes import ROUTES as OPERATOR
from api.operator.routes import guard_operator
from api.rooms.routes import ROUTES as ROOMS
from api.subscriptions.admission import Admission
from api.subscriptions.judge import ResetReason
from api.subscriptions.poll import PollShell
from api.subscriptions.routes import ROUTES as STREAMS
from api.subscriptions.sse import StreamShell
from api.subscriptions.websocket import WebSocketShell
from api.telemetry import CONTENT_TYPE, Figure, Labelled, Metrics
from api.tokens.routes import ROUTES as TOKENS
from api.usage.routes import ROUTES as USAGE
from api.users.routes import ROUTES as USERS
from api.wiring import Wiring
from tenants.schema import KNOWN_REVISIONS

ROUTES = [*STREAMS, *TOKENS, *KEYS, *USERS, *ROOMS, *MEMBERS, *MESSAGES, *CURSORS, *LIMITS, *USAGE, *JOBS, *DOCUMENT]
"""All that the public service answers, but for the upgrade to a WebSocket."""


CONNECT = "/v1/connect"


def build_service(wiring: Wiring) -> ASGIApp:
    """Build the public service: REST, and the transports beneath it on plain ASGI."""
    failures = Failures(wiring.authority, wiring.limits, wiring.settings.max_failures)
    admission = Admission(
        wiring.authority,
        wiring.tickets,
        wiring.policies,
        wiring.postgres,
        wiring.connections,
        wiring.pulse,
        failures,
        wiring.budgets,
    )
    shared = (wiring.around, wiring.connections, admission)
    sockets = WebSocketShell(*shared, wiring.strangers)

    @asgi(CONNECT, is_mount=True, copy_scope=False)
    async def connect(scope: Scope, receive: Receive, send: Send) -> None:
        await sockets(scope, receive, send)

    given = Given(
        failures,
        wiring.authority,
        wiring.tickets,
        wiring.policies,
        wiring.budgets,
        wiring.postgres,
        wiring.pepper,
        wiring.settings.master_keys,
        wiring.epochs,
        wiring.lanes,
        wiring.directory,
        wiring.pages,
        wiring.around.opener,
        MemberDoors(wiring.postgres, wiring.lanes, wiring.pepper, wiring.budgets),
        StreamShell(*shared, wiring.tickets),
        PollShell(*shared),
    )
    service = Litestar(
        [connect, *ROUTES],
        dependencies={
            "caller": Provide(provide_caller),
            "key": Provide(provide_key),
            "if_match": Provide(provide_if_match),
            "given": _given(given),
        },
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    straight = Straight(cast("ASGIService", service), send_message, given)
    public = Requests(Origins(_Upgrades(sockets, straight)), wiring.requests, wiring.request_log)
    return cast("ASGIApp", Proxies(public, wiring.settings.trusted_proxies))


class _Upgrades:
    """Serves upgrades past the framework, whose layers would stay around each socket for as long as it lasts: 3 KiB."""

    def __init__(self, sockets: WebSocketShell, service: ASGIService) -> None:
        self._sockets = sockets
        self._service = service

    async def __call__(self, scope: ASGIMessage, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] != "websocket" or scope["path"] != CONNECT:
            await self._service(scope, receive, send)
            return
        scope["path_template"] = CONNECT
        await self._sockets(cast("Scope", scope), cast("Receive", receive), cast("Send", send))


def build_internal(wiring: Wiring) -> Litestar:
    """Build the internal service: never to be reachable from outside."""
    metrics = Metrics(lambda: _counters(wiring), lambda: _gauges(wiring))

    @get("/metrics", operation_id="metrics")
    async def show_metrics() -> Response[bytes]:
        """Give the figures of this process."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    def readiness() -> Ready:
        return _readiness(wiring)

    def status() -> Status:
        return _status(wiring)

    return Litestar(
        [*health.ROUTES, show_metrics, Router("/", route_handlers=OPERATOR, guards=[guard_operator])],
        dependencies={
            "postgres": _given(wiring.postgres),
            "pepper": _given(wiring.pepper),
            "master_keys": _given(wiring.settings.master_keys),
            "readiness": _given(readiness),
            "status": _given(status),
        },
        state=State({"operator_token": wiring.settings.operator_token}),
        exception_handlers=HANDLERS,
        before_send=[_name_request],
        openapi_config=None,
        logging_config=None,
    )


def build_people(wiring: Wiring) -> ASGIApp:
    """Build the dashboard, for the people of tenants."""
    settings = wiring.settings
    url = settings.dashboard_at or ""
    parts = DashboardParts(
        postgres=wiring.postgres,
        pepper=wiring.pepper,
        master_keys=settings.master_keys,
        passwords=wiring.passwords,
        limits=wiring.limits,
        reader=wiring.reader,
        authority=wiring.authority,
        public_url=settings.public_at,
        dashboard_url=url,
        is_secure=url.startswith("https://"),
        mailer=wiring.mailer,
    )
    # A link that lets its bearer in is for trying things out on one's own machine, which no other can reach by this name.
    dashboard = build_dashboard(parts, has_entrance=urlsplit(url).hostname == "127.0.0.1" and not parts.is_secure)
    return cast("ASGIApp", Proxies(cast("ASGIService", dashboard), settings.trusted_proxies))


def _given(thing: Any) -> Provide:  # noqa: ANN401 - anything that handlers ask for by name
    return Provide(lambda: thing, sync_to_thread=False)


async def _name_request(message: Message, scope: Scope) -> None:
    """Give every answer an id that it can be asked about by."""
    if message["type"] != "http.response.start":
        return
    headers = list(message["headers"])
    if all(name != REQUEST_ID_HEADER.encode() for name, _ in headers):
        headers.append((REQUEST_ID_HEADER.encode(), new_request_id().encode()))
        message["headers"] = headers
    del scope


def _readiness(wiring: Wiring) -> Ready:
    age_s = wiring.audit.age_s
    draining = wiring.connections.is_going
    return Ready(
        ready=not (wiring.audit.is_stale or draining or wiring.pulse.is_late),
        mode=wiring.audit.mode.value,
        audit_age_ms=None if age_s == float("inf") else round(age_s * 1000),
        epoch=wiring.epochs.newest.ordinal,
        draining=draining,
        loop_lag_ms=round(wiring.pulse.lag_s * 1000),
        connections=len(wiring.connections),
    )


def _status(wiring: Wiring) -> Status:
    probe_age_s = wiring.probe.heard_s_ago(asyncio.get_running_loop().time())
    ready = _readiness(wiring)
    return Status(
        **msgspec.structs.asdict(ready),
        version=_version(),
        schemas=sorted(KNOWN_REVISIONS),
        probe_age_ms=None if probe_age_s == float("inf") else round(probe_age_s * 1000),
        lane_queue=sum(lane.open_items for lane in wiring.lanes.lanes),
        subscriptions=wiring.connections.readings,
        rooms_open=len(wiring.keeper),
        degraded_s=round(wiring.audit.degraded_s, 1),
        invariant_violations=wiring.around.counts.invariant_violations,
    )


def _version() -> str:
    try:
        return version("roomlog-server")
    except PackageNotFoundError:
        return "checkout"


def _counters(wiring: Wiring) -> dict[str, Figure]:
    lanes = [lane.counts for lane in wiring.lanes.lanes]
    delivery = wiring.around.counts
    return {
        "invariant_violations": delivery.invariant_violations,
        "append_calls": sum(lane.calls for lane in lanes),
        "append_items": sum(lane.items for lane in lanes),
        "append_halvings": sum(lane.halvings for lane in lanes),
        "append_refused": sum(lane.refused for lane in lanes),
        "append_parked": sum(lane.parked for lane in lanes),
        "append_unknown": sum(lane.unknown for lane in lanes),
        "limit_trips": wiring.limits.counts.trips,
        "limit_refused": wiring.limits.counts.refused,
        "limit_alone": wiring.limits.counts.alone,
        "published": wiring.publisher.published,
        "publish_dropped": wiring.publisher.dropped,
        "publish_failed": wiring.publisher.failed,
        "payloads_received": wiring.listener.received,
        "payloads_strange": wiring.keeper.counts.strange_payloads,
        "redis_reconnects": wiring.listener.reconnects,
        "audit_looks": wiring.audit.looks,
        "audit_repairs": dict(wiring.keeper.counts.repairs),
        "jobs_finished": wiring.worker.finished,
        "jobs_failed": wiring.worker.failed,
        "floors_moved": wiring.retention.moved,
        "tails_opened": wiring.keeper.counts.opened,
        "tails_forked": wiring.keeper.counts.forked,
        "door_statements": wiring.doors.statements,
        "events_delivered": delivery.events,
        "snapshots": delivery.snapshots,
        "resumes": delivery.resumes,
        "resets": Labelled(("reason",), {(reason.value,): delivery.resets[reason] for reason in ResetReason}),
        "revocations": delivery.revocations,
        "closed_slow": wiring.connections.closed_slow,
        "unauthenticated_refused": wiring.strangers.refused,
        "catch_ups": delivery.catch_ups,
        "delivery_seconds": delivery.deliveries,
        "ack_seconds": reduce(Durations.plus, (lane.acks for lane in lanes)),
        "lane_wait_seconds": reduce(Durations.plus, (lane.waits for lane in lanes)),
        "probe_trip_seconds": wiring.probe.trips,
        "degraded_seconds": wiring.audit.degraded_s,
        "connections_opened": wiring.connections.opened,
        "connections_closed": Labelled(("code",), {(code,): n for code, n in wiring.connections.closed.items()}),
        "requests": Labelled(("route", "status"), dict(wiring.requests.answered)),
        "request_seconds": wiring.requests.took,
    }


def _gauges(wiring: Wiring) -> dict[str, Figure]:
    return {
        "connections": len(wiring.connections),
        "subscriptions": wiring.connections.readings,
        "rooms_open": len(wiring.keeper),
        "lane_queue": sum(lane.open_items for lane in wiring.lanes.lanes),
        "audit_age_seconds": wiring.audit.age_s,
        "probe_age_seconds": wiring.probe.heard_s_ago(asyncio.get_running_loop().time()),
        "degraded": float(wiring.audit.mode.value == "degraded"),
        "epoch": wiring.epochs.newest.ordinal,
        "loop_lag_seconds": wiring.pulse.lag_s,
        "unauthenticated": len(wiring.strangers),
        "backlog_bytes": wiring.connections.backlog_bytes,
        **{f"database_{name}": figure for name, figure in wiring.vitals.figures.items()},
    }


__all__ = ["Readiness", "build_internal", "build_people", "build_service"]
