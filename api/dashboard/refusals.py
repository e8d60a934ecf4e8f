"""Refusals as pages: a sentence and the way on, and nothing of our insides."""

from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request, Response
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from api.dashboard.forms import BadForm
from api.dashboard.rendering import render
from api.dashboard.visit import NotFromOurPage, ProveFirst, SignInFirst, nonce_of, visit_of
from api.errors import BadRequest
from tenants.errors import Forbidden, NotFound, RateLimited, ServiceError, Unavailable

log = structlog.get_logger()

SENTENCES = {
    400: ("That did not work", "The form was not one of ours. Go back, load the page anew and try again."),
    403: ("That is not yours to do", "Your role does not allow it. Ask an owner or admin of your team."),
    404: ("Nothing here", "Nothing goes by that name, or it is not yours to see."),
    405: ("Nothing here", "This address takes forms alone. Go back to the page that has one."),
    429: ("Too many attempts", "Wait a little, then try again."),
    500: ("Something failed on our side", "It has been noted. Try again in a moment."),
    503: (
        "Not possible right now",
        "Our database does not answer. Try again in a moment; nothing is known to have happened.",
    ),
}
FOREIGN_FORM = (
    "That form was not sent from here",
    "It came from another site, or from a page whose session has ended. Load the page anew and try again.",
)


def refusal_page(request: Request[Any, Any, Any], status: int, told: tuple[str, str] | None = None) -> Response[str]:
    """Answer with a page that says what is the matter."""
    title, sentence = told or SENTENCES.get(status, SENTENCES[500])
    body = render("refusal.html", nonce=nonce_of(request), title=title, sentence=sentence, done=None, form_token=None)
    return Response(body, status_code=status, media_type="text/html")


def on_sign_in_first(request: Request[Any, Any, Any], _: SignInFirst) -> Response[str]:
    """Send somebody without a session to where one begins; who asks for a part of a page leaves it as a whole."""
    if "hx-request" in request.headers:
        return Response("", status_code=204, headers={"hx-redirect": "/sign-in"})
    return Response("", status_code=303, headers={"location": "/sign-in"})


def on_prove_first(request: Request[Any, Any, Any], _: ProveFirst) -> Response[str]:
    """Send somebody to where the password is asked for once more, and from there back."""
    return Response("", status_code=303, headers={"location": f"/prove?then={quote(request.url.path)}"})


def on_foreign_form(request: Request[Any, Any, Any], _: NotFromOurPage) -> Response[str]:
    """Refuse a form that another site's page sent; nothing has been done."""
    return refusal_page(request, 403, FOREIGN_FORM)


def on_bad_form(request: Request[Any, Any, Any], _: BadForm) -> Response[str]:
    """Refuse what no page of ours sends."""
    return refusal_page(request, 400)


def on_refusal(request: Request[Any, Any, Any], error: ServiceError) -> Response[str]:
    """Answer what our own code refuses."""
    if isinstance(error, Forbidden):
        answer, visit = refusal_page(request, 403), visit_of(request)
        answer.background = None if visit is None else BackgroundTask(visit.note_refused)
        return answer
    if isinstance(error, NotFound | BadRequest):
        # What an address says that nothing can be called leads nowhere.
        return refusal_page(request, 404)
    if isinstance(error, RateLimited):
        answer = refusal_page(request, 429)
        answer.headers["retry-after"] = str(max(1, round(error.retry_after_s or 1)))
        return answer
    if isinstance(error, Unavailable):
        log.warning("dashboard_refused", code=error.code, cause=repr(error.__cause__))
        return refusal_page(request, 503)
    return on_fault(request, error)


def on_framework_refusal(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    """Answer what the framework refuses before our code is reached."""
    if isinstance(error, NotFoundException):
        return refusal_page(request, 404)
    if isinstance(error, MethodNotAllowedException):
        return refusal_page(request, 405)
    if error.status_code < 500:  # noqa: PLR2004 - the server's side of HTTP's statuses
        return refusal_page(request, 400)
    return on_fault(request, error)


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """Answer a fault of ours; the log has the stack."""
    log.error("dashboard_fault", exc_info=error, route=str(request.scope.get("path_template", "")))
    return refusal_page(request, 500)


HANDLERS: dict[Any, Any] = {
    SignInFirst: on_sign_in_first,
    ProveFirst: on_prove_first,
    NotFromOurPage: on_foreign_form,
    BadForm: on_bad_form,
    ServiceError: on_refusal,
    HTTPException: on_framework_refusal,
    Exception: on_fault,
}
