"""Who may open a stream: a credential in a header, in a socket's first frame or in a ticket, from a page its app lists."""

from dataclasses import replace
from urllib.parse import parse_qs

from litestar.types import Scope

from api.edge.address import client_address
from api.edge.auth import ACT_AS_HEADER, credential_in, refuse_browser_with_key
from api.edge.failures import Failures
from api.edge.limits import HEADERS, limit_headers
from api.edge.origins import check_origin
from api.edge.requests import asked_by
from api.errors import BadRequest, OriginNotAllowed, Overloaded, RoomNotFound
from api.pulse import Pulse
from api.subscriptions.connections import Connections
from tenants.authority import Authority, Credentialed
from tenants.budgets import Budget, Budgets
from tenants.errors import Unauthenticated, Unavailable
from tenants.ids import parse_app_name
from tenants.policies import Policies
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tickets import Ticket, Tickets, app_of_ticket
from tenants.users import acting_as

RETRY_AFTER_S = 5
MAX_FIELDS = 16
MAX_DIGITS = 9
MAX_CURSOR = 256


class Admission:
    """Admits callers to the transports."""

    def __init__(
        self,
        authority: Authority,
        tickets: Tickets,
        policies: Policies,
        postgres: Postgres,
        connections: Connections,
        pulse: Pulse,
        failures: Failures,
        budgets: Budgets,
    ) -> None:
        """Ask `authority` and `tickets` who it is, and `policies` whence they may come."""
        self._authority = authority
        self._tickets = tickets
        self._policies = policies
        self._postgres = postgres
        self._connections = connections
        self._pulse = pulse
        self._failures = failures
        self._budgets = budgets

    def refuse_while_unfit(self) -> None:
        """Raise `Unavailable` in a process that is going, `Overloaded` in one that cannot keep up with those it has."""
        if self._connections.is_draining:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        if self._pulse.is_late:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)

    async def by_header(self, scope: Scope) -> Credentialed | None:
        """Say for whom the request's header speaks, None if it has none; raises what is the matter with it.

        The last thing done is to look at the credential: who registers the connection next misses no revocation.
        """
        headers = dict(scope["headers"])
        credential = credential_in(headers.get(b"authorization", b"").decode("latin-1"))
        if credential is None:
            return None
        who = await self._failures.authenticate(credential, client_address(scope))
        asked_by(scope["state"], who.caller)
        await self._take(who, scope)
        await refuse_browser_with_key(self._postgres, who.caller, has_origin=b"origin" in headers)
        await self._check_origin(who, scope)
        act_as = headers.get(ACT_AS_HEADER.encode())
        caller = await acting_as(self._postgres, who.caller, None if act_as is None else act_as.decode("latin-1"))
        asked_by(scope["state"], caller)
        return replace(await self._authority.authenticate(credential), caller=caller)

    async def by_frame(self, credential: str, scope: Scope) -> Credentialed:
        """Say for whom a socket's first frame speaks; raises what is the matter with it."""
        who = await self._failures.authenticate(credential, client_address(scope))
        asked_by(scope["state"], who.caller)
        await self._take(who, scope)
        await self._check_origin(who, scope)
        return await self._authority.authenticate(credential)

    async def by_ticket(self, ticket: str, room_id: str, scope: Scope) -> Ticket:
        """Say for whom a ticket speaks, which is its use; raises what is the matter with it.

        The last thing done is to look at the ticket: who registers the connection next misses no revocation.
        """
        async with self._failures.watching(client_address(scope)):
            app = app_of_ticket(ticket)
            if app is None:
                raise Unauthenticated
            await check_origin(self._policies, app, _origin(scope), scope["state"])
            used = await self._tickets.use(ticket)
            if used is None:
                raise Unauthenticated
        asked_by(scope["state"], Caller(used.scope, user=used.user))
        if used.room_id != room_id:
            raise RoomNotFound
        return used

    async def check_named_app(self, scope: Scope) -> None:
        """Refuse a page already at its upgrade if the app that it names there does not list it."""
        name, origin = query(scope).get("app"), _origin(scope)
        if name is None or origin is None:
            return
        app = parse_app_name(name)
        policy = None if app is None else await self._policies.of(app)
        if policy is None or not policy.allows_origin(origin):
            raise OriginNotAllowed

    async def _take(self, who: Credentialed, scope: Scope) -> None:
        taken = await self._budgets.take(who.caller, Budget.OPENINGS)
        scope["state"][HEADERS] = limit_headers(taken)
        taken.check()
        self._connections.check_quota(who.caller, await self._budgets.allowance(who.caller))

    async def _check_origin(self, who: Credentialed, scope: Scope) -> None:
        await check_origin(self._policies, who.caller.scope.app, _origin(scope), scope["state"])


def query(scope: Scope) -> dict[str, str]:
    """Give the query's fields, of one that is given twice the last; raises `BadRequest` for too many."""
    try:
        fields = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise BadRequest(f"A query has at most {MAX_FIELDS} fields.") from error
    return {name: values[-1] for name, values in fields.items()}


def number(fields: dict[str, str], name: str, default: int, most: int, least: int = 0) -> int:
    """Read a number of the query; raises `BadRequest` outside its bounds."""
    text = fields.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and least <= int(text) <= most):
        raise BadRequest(f"{name}: a number from {least} to {most}.")
    return int(text)


def _origin(scope: Scope) -> str | None:
    origin = dict(scope["headers"]).get(b"origin")
    return None if origin is None else origin.decode("latin-1")
