"""A request for a page, and the one place where it is decided whether it may be answered."""

from dataclasses import dataclass, replace
from typing import Any, Self, cast

import structlog
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException

from api.dashboard.cookie import SESSION_HEADER, forgetting, naming, session_in
from api.dashboard.csrf import SAFE, TOKEN, form_token, is_from_own_page, is_token_of
from api.dashboard.forms import MAX_FORM_BYTES, BadForm, Form
from api.dashboard.headers import NONCE, content_policy
from api.dashboard.parts import DashboardParts
from api.dashboard.permissions import PROOF_S, PROVED, Operation, may
from api.dashboard.rendering import render
from api.dashboard.told import DONE
from api.edge.address import client_address
from tenants.apps import App, get_app
from tenants.audit_log import By, note
from tenants.clock import now
from tenants.errors import Forbidden, NotFound, RateLimited, Unavailable
from tenants.ids import parse_app_name
from tenants.sessions import Session
from tenants.sessions import of as session_of
from tenants.throttle import Door, check

MAX_AGENT = 255
MAX_NUMBER = 2**63 - 1
MAX_DIGITS = len(str(MAX_NUMBER))
VISIT = "visit"
"""Where a request's state has who asks, once that is known."""

log = structlog.get_logger()


class SignInFirst(Exception):
    """This is for people who have signed in."""


class ProveFirst(Exception):
    """This is for people who have shown their password of late."""


class NotFromOurPage(Exception):
    """A form that another site's page sent, or one of a session that has ended."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who asks for a page, signed in or not."""

    parts: DashboardParts
    request: Request[Any, Any, Any]
    form: Form

    @property
    def address(self) -> str:
        """Whence it comes."""
        return client_address(self.request.scope)

    @property
    def agent(self) -> str:
        """What the browser calls itself."""
        return self.request.headers.get("user-agent", "")[:MAX_AGENT]

    @property
    def session_text(self) -> str | None:
        """The session that the browser names, whether or not there is one."""
        return session_in(self.request.scope["headers"], is_secure=self.parts.is_secure)

    def asked(self, name: str) -> str | None:
        """Give what the address asks for by a name, without spaces around it; None for nothing. A NUL raises `NotFound`."""
        text = self.request.query_params.get(name, "")
        if "\0" in text:
            raise NotFound
        return text.strip() or None

    def number(self, name: str) -> int | None:
        """Give a number that the address asks for by a name, None for nothing; raises `NotFound` for what can be none of ours."""
        text = self.asked(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) <= MAX_NUMBER):
            raise NotFound
        return int(text)

    def page(self, name: str, status: int = 200, **shown: Any) -> Response[str]:  # noqa: ANN401
        """Answer with a page."""
        return Response(render(name, **(self.around() | shown)), status_code=status, media_type="text/html")

    def go(self, path: str, done: str | None = None) -> Response[str]:
        """Send the browser on, with a sentence of `DONE` to be told there."""
        target = path if done is None else f"{path}?done={done}"
        return Response("", status_code=303, headers={"location": target})

    def enter(self, session: str, path: str, done: str | None = None) -> Response[str]:
        """Give the browser a session that has just begun, and send it on."""
        return self.name(self.go(path, done), session)

    def name(self, answer: Response[str], session: str) -> Response[str]:
        """Have an answer give the browser its session."""
        return _saying(answer, naming(session, is_secure=self.parts.is_secure))

    def leave(self, path: str, done: str) -> Response[str]:
        """Have the browser forget its session, and send it on."""
        return _saying(self.go(path, done), forgetting(is_secure=self.parts.is_secure))

    def around(self) -> dict[str, Any]:
        """Give what every page shows."""
        return {
            "nonce": nonce_of(self.request),
            "done": DONE.get(self.request.query_params.get("done", "")),
            "path": self.request.url.path,
            "form_token": None,
            "wrong": None,
            "form": self.form,
        }


@dataclass(frozen=True, slots=True)
class Visit(Visitor):
    """Somebody who has signed in, and who may do what the route is for."""

    session: Session
    text: str
    """The session's own text, which names it."""

    def around(self) -> dict[str, Any]:
        """Give what every page shows to who has signed in."""
        # Named, for `super()` finds no class in a dataclass with slots.
        return Visitor.around(self) | {
            "session": self.session,
            "form_token": form_token(self.parts.pepper, self.text),
            "may": self.may,
            "Operation": Operation,
        }

    def may(self, operation: Operation) -> bool:
        """Tell whether this person may do that as well."""
        return may(self.session.role, operation)

    @property
    def by(self) -> By:
        """Who does whatever is asked for: what is done by it leaves its entry in the audit log."""
        return By(self.session.tenant, self.session.person, self.address)

    def turned(self, text: str) -> Self:
        """Give this visit in the same session under its next text, for what a page shows thereafter."""
        return replace(self, text=text)

    async def app(self, name: str) -> App:
        """Give an app of this person's tenant; another's is not found, as one that does not exist."""
        number = parse_app_name(name)
        app = None if number is None else await get_app(self.parts.postgres, number)
        if app is None or app.scope.tenant != self.session.tenant:
            raise NotFound
        return app

    def live_page(self, name: str, **shown: Any) -> Response[str]:  # noqa: ANN401
        """Answer with a page whose scripts speak to the API, and to nobody else."""
        answer = self.page(name, api=self.parts.public_url, **shown)
        answer.headers["content-security-policy"] = content_policy(nonce_of(self.request), self.parts.public_url)
        return answer

    async def note(self, action: str, target: str, **detail: object) -> None:
        """Write into the tenant's audit log what this person has done."""
        await note(self.parts.postgres, self.session.tenant, self.session.person, action, target, self.address, detail)

    async def note_refused(self) -> None:
        """Note that this person was refused what the route is for; of many in a row only as many as tries are let through.

        Nobody waits for it: call it once the answer has gone out.
        """
        operation: Operation = self.request.route_handler.opt["operation"]
        try:
            await check(self.parts.limits, self.address, self.session.person.email, Door.REFUSED)
            await self.note("operation.refused", operation.value, role=self.session.role)
        except RateLimited:
            pass
        except Unavailable as error:
            log.warning("refusal_not_noted", cause=repr(error.__cause__))


async def provide_visitor(request: Request[Any, Any, Any], parts: NamedDependency[DashboardParts]) -> Visitor:
    """Take in a request that needs no session; raises `NotFromOurPage` for another site's form."""
    return Visitor(parts, request, await _form(request, parts))


async def provide_visit(request: Request[Any, Any, Any], parts: NamedDependency[DashboardParts]) -> Visit:
    """Take in a request of somebody who has signed in and may do what the route names as its `operation`.

    Raises `SignInFirst`, `NotFromOurPage`, `ProveFirst`, and `Forbidden` before anything is looked at that the request names.
    """
    operation: Operation = request.route_handler.opt["operation"]
    form = await _form(request, parts)
    text = session_in(request.scope["headers"], is_secure=parts.is_secure)
    session = None if text is None else await session_of(parts.postgres, text)
    if text is None or session is None:
        raise SignInFirst
    if request.method not in SAFE and not is_token_of(parts.pepper, text, form.typed(TOKEN)):
        raise NotFromOurPage
    visit = Visit(parts, request, form, session, text)
    request.state[VISIT] = visit
    if not may(session.role, operation):
        raise Forbidden
    if operation in PROVED and now().timestamp() - session.proved_at > PROOF_S:
        raise ProveFirst
    return visit


def visit_of(request: Request[Any, Any, Any]) -> Visit | None:
    """Give the visit that has been taken in, for whoever answers a refusal; None if nobody is known to ask."""
    return cast("Visit | None", request.state.get(VISIT))


def nonce_of(request: Request[Any, Any, Any]) -> str:
    """Give the nonce that the scripts of this answer carry."""
    return cast("dict[str, str]", request.scope)[NONCE]


async def _form(request: Request[Any, Any, Any], parts: DashboardParts) -> Form:
    if request.method in SAFE:
        return Form({})
    if not is_from_own_page(request.headers, parts.dashboard_url):
        raise NotFromOurPage
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise BadForm
    except InternalServerException as error:
        # The framework's name for a client that has gone, which is no fault of ours.
        raise BadForm from error
    return Form.read(request.headers.get("content-type", ""), bytes(body))


def _saying(answer: Response[str], header: str) -> Response[str]:
    answer.headers[SESSION_HEADER] = header
    return answer
