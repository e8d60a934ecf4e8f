"""Signing up, in and out, one's own account, and the two ways in by mail."""

import re

import structlog
from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.factor_routes import PAGE as FACTOR_PAGE
from api.dashboard.forms import Form, Wrong
from api.dashboard.letters import changed_letter, known_letter, reset_letter, welcome_letter
from api.dashboard.permissions import Operation
from api.dashboard.second_step import SecondStep, read_step, spell_step
from api.dashboard.visit import Visit, Visitor
from tenants import second_factors
from tenants.audit_log import note
from tenants.clock import now
from tenants.errors import NotFound
from tenants.ids import parse_tenant_name, person_name, tenant_name
from tenants.mails import accept_invite, ask_reset, find_invite, reset
from tenants.passwords import BadPassword, check_password
from tenants.people import (
    Doing,
    change_password,
    find_person,
    get_person,
    is_password_of,
    memberships_of,
    note_refused_sign_in,
    organisations_of,
    rename_person,
    sign_up,
)
from tenants.sessions import begin, end, end_all, end_one, prove, sessions_of, turn
from tenants.sessions import of as session_of
from tenants.throttle import Door, check

_APP_PAGE = re.compile(r"/apps/app_[0-9A-Za-z]{8}(/[0-9A-Za-z]+)*", re.ASCII)
NOT_OF_ACCOUNT = Wrong("password", "That is not the password of your account.")
NOT_BOTH_OF_ACCOUNT = Wrong("password", "That is not the password and a code of your account.")
NOT_PRESENT = Wrong("password", "That is not your present password.")
NOT_BOTH = Wrong("password", "That is not your present password and a code.")
NOT_TOGETHER = Wrong("password", "That address and password do not belong together.")
NOT_A_CODE = Wrong("code", "That is no code of yours, or it has been used. The next one comes within 30 seconds.")
TOO_LATE = Wrong("email", "That took too long. Begin again.")

log = structlog.get_logger()


@get("/")
async def show_start(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Send on to the apps."""
    return visitor.go("/apps")


@get("/sign-up")
async def show_sign_up(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Ask for what an account takes."""
    return visitor.page("sign_up.html")


@post("/sign-up")
async def post_sign_up(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Make an account with an organisation; the answer is the same for an address that has one."""
    form, parts = visitor.form, visitor.parts
    try:
        email, name, organisation = form.email(), form.name("name"), form.name("organisation")
        password = _new_password(form)
    except Wrong as wrong:
        return visitor.page("sign_up.html", 400, wrong=wrong)
    await check(parts.limits, visitor.address, email, Door.SIGN_UP)
    member = await sign_up(
        parts.postgres,
        parts.passwords,
        email=email,
        name=name,
        password=password,
        organisation=organisation,
        address=visitor.address,
    )
    letter = known_letter if member is None else welcome_letter
    parts.mailer.post(letter(parts.dashboard_url, email))
    return visitor.go("/sign-in", "signed_up")


@get("/sign-in")
async def show_sign_in(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Ask for address and password, unless there is a session."""
    text = visitor.session_text
    if text is not None and await session_of(visitor.parts.postgres, text) is not None:
        return visitor.go("/apps")
    return visitor.page("sign_in.html")


@post("/sign-in")
async def post_sign_in(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Begin a session, always a new one; an unknown address and a wrong password have one answer."""
    form, parts = visitor.form, visitor.parts
    try:
        email = form.email()
    except Wrong as wrong:
        return visitor.page("sign_in.html", 400, wrong=wrong)
    await check(parts.limits, visitor.address, email)
    members = await find_person(parts.postgres, parts.passwords, email, form.typed("password"))
    if members:
        person = members[0].person
        factor = await second_factors.find(parts.postgres, person.id)
        if factor is None:
            return await _begin(visitor, members[0])
        step = spell_step(parts.pepper, SecondStep(person.id, factor.stamp), now().timestamp())
        return visitor.page("sign_in_code.html", step=step)
    answer = visitor.page("sign_in.html", 400, wrong=NOT_TOGETHER)
    log.info("sign_in_refused", address=visitor.address)
    # Once the answer is out: it takes longer for an address that there is.
    answer.background = BackgroundTask(note_refused_sign_in, parts.postgres, email, visitor.address)
    return answer


@get("/sign-in/code")
async def show_code(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Send on to the password, which comes first."""
    return visitor.go("/sign-in")


@post("/sign-in/code")
async def post_code(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Begin a session of somebody who has shown the password, by a code; none tells a wrong one from one that was used."""
    parts, text = visitor.parts, visitor.form.typed("step")
    step = read_step(parts.pepper, text, now().timestamp())
    person = None if step is None else await get_person(parts.postgres, step.person)
    if step is None or person is None:
        return visitor.page("sign_in.html", 400, wrong=TOO_LATE)
    await check(parts.limits, visitor.address, person.email, Door.CODE)
    is_right = await second_factors.check(
        parts.postgres,
        parts.master_keys,
        person,
        visitor.form.typed("code"),
        stamp=step.stamp,
        address=visitor.address,
    )
    if not is_right:
        return visitor.page("sign_in_code.html", 400, step=text, wrong=NOT_A_CODE)
    members = await memberships_of(parts.postgres, person)
    return await _begin(visitor, members[0]) if members else visitor.page("sign_in.html", 400, wrong=NOT_TOGETHER)


@post("/sign-out", operation=Operation.OWN_ACCOUNT)
async def post_sign_out(visit: NamedDependency[Visit]) -> Response[str]:
    """End this session."""
    await end(visit.parts.postgres, visit.text)
    await visit.note("session.ended", _self(visit))
    return visit.leave("/sign-in", "signed_out")


@post("/sign-out-everywhere", operation=Operation.OWN_ACCOUNT)
async def post_sign_out_everywhere(visit: NamedDependency[Visit]) -> Response[str]:
    """End all sessions of this person."""
    await end_all(visit.parts.postgres, visit.session.person.id)
    await visit.note("sessions.ended", _self(visit))
    return visit.leave("/sign-in", "signed_out_everywhere")


@get("/account", operation=Operation.OWN_ACCOUNT)
async def show_account(visit: NamedDependency[Visit]) -> Response[str]:
    """Show a person's own account."""
    return await _account(visit)


@post("/account/name", operation=Operation.OWN_ACCOUNT)
async def post_name(visit: NamedDependency[Visit]) -> Response[str]:
    """Change one's name."""
    try:
        name = visit.form.name("name")
    except Wrong as wrong:
        return await _account(visit, wrong)
    await rename_person(visit.parts.postgres, visit.session.person.id, name)
    await visit.note("person.renamed", _self(visit), before=visit.session.person.name, after=name)
    return visit.go("/account", "name_changed")


@post("/account/password", operation=Operation.OWN_ACCOUNT)
async def post_password(visit: NamedDependency[Visit]) -> Response[str]:
    """Change one's password: all other sessions end, and this one gets another name."""
    form, parts, person = visit.form, visit.parts, visit.session.person
    try:
        new = _new_password(form, "new_password")
    except Wrong as wrong:
        return await _account(visit, wrong)
    await check(parts.limits, visit.address, person.email, Door.CODE)
    is_changed = await change_password(
        parts.postgres,
        parts.passwords,
        person.id,
        form.typed("password"),
        new,
        but=visit.text,
        address=visit.address,
    )
    if not is_changed:
        await visit.note("password.refused", _self(visit))
        return await _account(visit, NOT_PRESENT)
    parts.mailer.post(changed_letter(parts.dashboard_url, person.email, "the password was changed"))
    text = await turn(parts.postgres, visit.text)
    return visit.go("/sign-in") if text is None else visit.enter(text, "/account", "password_changed")


@get("/prove", operation=Operation.OWN_ACCOUNT)
async def show_prove(visit: NamedDependency[Visit]) -> Response[str]:
    """Ask for the password once more, and for a code, before what shows a secret or destroys for good."""
    return await _prove(visit, _then(visit.request.query_params.get("then", "")))


@post("/prove", operation=Operation.OWN_ACCOUNT)
async def post_prove(visit: NamedDependency[Visit]) -> Response[str]:
    """Take password and code, give the session another name, and go back to what they were asked for."""
    parts, person, then = visit.parts, visit.session.person, _then(visit.form.text("then"))
    await check(parts.limits, visit.address, person.email, Door.CODE)
    if not await is_password_of(parts.postgres, parts.passwords, person.id, visit.form.typed("password")):
        await visit.note("proof.refused", _self(visit))
        return await _prove(visit, then, is_wrong=True)
    code = visit.form.typed("code")
    if not await second_factors.passes(parts.postgres, parts.master_keys, person, code, address=visit.address):
        return await _prove(visit, then, is_wrong=True)
    await prove(parts.postgres, visit.text)
    text = await turn(parts.postgres, visit.text)
    return visit.go("/sign-in") if text is None else visit.enter(text, then)


@post("/account/organisation", operation=Operation.OWN_ACCOUNT)
async def post_organisation(visit: NamedDependency[Visit]) -> Response[str]:
    """Go on in another organisation of one's own: the session moves there under another name, and is no younger for it."""
    postgres, person = visit.parts.postgres, visit.session.person
    wanted = parse_tenant_name(visit.form.text("organisation"))
    if wanted is None or wanted not in await organisations_of(postgres, person.id):
        raise NotFound
    text = await turn(postgres, visit.text, wanted)
    if text is None:
        return visit.go("/sign-in")
    await note(postgres, wanted, person, "session.begun", _self(visit), visit.address)
    return visit.enter(text, "/apps")


@post("/account/sessions/{session_id:str}/end", operation=Operation.OWN_ACCOUNT)
async def post_session_end(session_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """End one of one's own sessions."""
    if not await end_one(visit.parts.postgres, visit.session.person.id, session_id):
        raise NotFound
    await visit.note("session.ended", _self(visit), session=session_id)
    return visit.go("/account", "session_ended")


@get("/forgotten")
async def show_forgotten(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Ask for the address to write to."""
    return visitor.page("forgotten.html")


@post("/forgotten")
async def post_forgotten(visitor: NamedDependency[Visitor]) -> Response[str]:
    """Send a link to whoever has an account; the answer is the same for everybody."""
    parts = visitor.parts
    try:
        email = visitor.form.email()
    except Wrong as wrong:
        return visitor.page("forgotten.html", 400, wrong=wrong)
    await check(parts.limits, visitor.address, email, Door.RESET)
    token = await ask_reset(parts.postgres, email)
    if token is not None:
        parts.mailer.post(reset_letter(parts.dashboard_url, email, token))
    return visitor.go("/forgotten", "reset_asked")


@get("/reset/{token:str}")
async def show_reset(token: FromPath[str], visitor: NamedDependency[Visitor]) -> Response[str]:
    """Ask for a new password; whether the link still holds is told once there is one."""
    del token
    return visitor.page("reset.html")


@post("/reset/{token:str}")
async def post_reset(token: FromPath[str], visitor: NamedDependency[Visitor]) -> Response[str]:
    """Set a new password by a mail's link, which holds once; all sessions of the person end."""
    parts = visitor.parts
    try:
        password = _new_password(visitor.form)
    except Wrong as wrong:
        return visitor.page("reset.html", 400, wrong=wrong)
    await check(parts.limits, visitor.address, None, Door.RESET)
    if not await reset(parts.postgres, parts.passwords, token, password, address=visitor.address):
        return visitor.page("stale_link.html", 404)
    return visitor.leave("/sign-in", "password_reset")


@get("/invitation/{token:str}")
async def show_invitation(token: FromPath[str], visitor: NamedDependency[Visitor]) -> Response[str]:
    """Ask somebody who is invited for name and password, or for the password of the account that there is."""
    return await _invitation(visitor, token)


@post("/invitation/{token:str}")
async def post_invitation(token: FromPath[str], visitor: NamedDependency[Visitor]) -> Response[str]:
    """Join the team that a mail's link is for, and begin a session there."""
    parts, form = visitor.parts, visitor.form
    await check(parts.limits, visitor.address, None, Door.INVITE)
    found = await find_invite(parts.postgres, token)
    if found is None:
        return visitor.page("stale_link.html", 404)
    if found.has_account:
        await check(parts.limits, visitor.address, found.invite.email, Door.CODE)
    try:
        name = "" if found.has_account else form.name("name")
        password = form.typed("password") if found.has_account else _new_password(form)
    except Wrong as wrong:
        return await _invitation(visitor, token, wrong)
    member = await accept_invite(
        parts.postgres,
        parts.passwords,
        parts.master_keys,
        token,
        name,
        password,
        code=form.typed("code"),
        address=visitor.address,
    )
    if member is None:
        return await _invitation(visitor, token, NOT_BOTH_OF_ACCOUNT if found.has_second_factor else NOT_OF_ACCOUNT)
    return await _begin(visitor, member, "joined")


@get("/enter/{token:str}")
async def show_entrance(token: FromPath[str], visitor: NamedDependency[Visitor]) -> Response[str]:
    """Exchange a session that `dev` has begun for one of the browser's own; the link holds once."""
    parts = visitor.parts
    session = await session_of(parts.postgres, token)
    if session is None:
        return visitor.page("stale_link.html", 404)
    await end(parts.postgres, token)
    return await _begin(visitor, session)


ROUTES = [
    show_start,
    show_sign_up,
    post_sign_up,
    show_sign_in,
    post_sign_in,
    show_code,
    post_code,
    post_sign_out,
    post_sign_out_everywhere,
    show_account,
    post_name,
    post_password,
    show_prove,
    post_prove,
    post_organisation,
    post_session_end,
    show_forgotten,
    post_forgotten,
    show_reset,
    post_reset,
    show_invitation,
    post_invitation,
]
ENTRANCE = show_entrance


async def _account(visit: Visit, wrong: Wrong | None = None) -> Response[str]:
    person, postgres = visit.session.person, visit.parts.postgres
    sessions = await sessions_of(postgres, person.id, this=visit.text)
    organisations = [
        {"id": tenant_name(tenant), "name": name}
        for tenant, name in (await organisations_of(postgres, person.id)).items()
        if tenant != visit.session.tenant
    ]
    factor = await second_factors.find(postgres, person.id)
    shown = {"sessions": sessions, "organisations": organisations, "factor": factor}
    return visit.page("account.html", 400 if wrong else 200, wrong=wrong, **shown)


async def _prove(visit: Visit, then: str, *, is_wrong: bool = False) -> Response[str]:
    has_factor = await second_factors.find(visit.parts.postgres, visit.session.person.id) is not None
    wrong = (NOT_BOTH if has_factor else NOT_PRESENT) if is_wrong else None
    return visit.page("prove.html", 400 if is_wrong else 200, then=then, has_factor=has_factor, wrong=wrong)


async def _invitation(visitor: Visitor, token: str, wrong: Wrong | None = None) -> Response[str]:
    found = await find_invite(visitor.parts.postgres, token)
    if found is None:
        return visitor.page("stale_link.html", 404)
    return visitor.page("invitation.html", 400 if wrong else 200, found=found, wrong=wrong)


async def _begin(visitor: Visitor, doing: Doing, done: str | None = None) -> Response[str]:
    """Begin a session; the one that the browser came with ends, whosever it was."""
    postgres, address = visitor.parts.postgres, visitor.address
    before = visitor.session_text
    if before is not None:
        await end(postgres, before)
    text = await begin(postgres, doing, address=address, agent=visitor.agent)
    await note(postgres, doing.tenant, doing.person, "session.begun", person_name(doing.person.id), address)
    return visitor.enter(text, "/apps", done)


def _then(path: str) -> str:
    """Give a page of ours to go on to; for anything else, the apps."""
    if path == FACTOR_PAGE or path.startswith(FACTOR_PAGE + "/"):
        return FACTOR_PAGE
    return path if _APP_PAGE.fullmatch(path) else "/apps"


def _self(visit: Visit) -> str:
    return person_name(visit.session.person.id)


def _new_password(form: Form, field: str = "password") -> str:
    password = form.typed(field)
    try:
        check_password(password)
    except BadPassword as error:
        raise Wrong(field, str(error)) from error
    return password
