"""A person's own second factor: set up, and given up again."""

import textwrap

import segno
from litestar import Response, get, post
from litestar.di import NamedDependency
from markupsafe import Markup

from api.dashboard.forms import Wrong
from api.dashboard.letters import changed_letter
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.second_factors import AlreadyOn, begin, begun, confirm, find, remove, renew_recovery_codes
from tenants.sessions import turn
from tenants.throttle import Door, check
from tenants.totp import provisioning_uri, spell_secret

PAGE = "/account/second-factor"
ISSUER = "Roomlog"
GROUP = 4
NOT_ITS_CODE = Wrong("code", "That is not its code. Look whether the clock of your authenticator is right.")


@get(PAGE, operation=Operation.SECOND_FACTOR)
async def show_factor(visit: NamedDependency[Visit]) -> Response[str]:
    """Show whether there is a second factor, and what can be done about it."""
    return visit.page("second_factor.html", factor=await find(visit.parts.postgres, visit.session.person.id))


@post(PAGE, operation=Operation.SECOND_FACTOR)
async def post_factor(visit: NamedDependency[Visit]) -> Response[str]:
    """Draw a secret and show it; it counts once a code of it has come back."""
    try:
        secret = await begin(visit.parts.postgres, visit.parts.master_keys, visit.session.person.id)
    except AlreadyOn:
        return visit.go(PAGE)
    return _drawn(visit, secret)


@post(f"{PAGE}/confirm", operation=Operation.SECOND_FACTOR)
async def post_confirm(visit: NamedDependency[Visit]) -> Response[str]:
    """Have the secret count, and show the recovery codes: on this page and never again."""
    parts, person = visit.parts, visit.session.person
    await check(parts.limits, visit.address, person.email, Door.CODE)
    secret = await begun(parts.postgres, parts.master_keys, person.id)
    if secret is None:
        return visit.go(PAGE)
    code = visit.form.typed("code")
    try:
        codes = await confirm(parts.postgres, parts.master_keys, person, code, but=visit.text, address=visit.address)
    except AlreadyOn:
        return visit.go(PAGE)
    if not codes:
        return _drawn(visit, secret, NOT_ITS_CODE)
    parts.mailer.post(changed_letter(parts.dashboard_url, person.email, "a second factor was set up"))
    text = await turn(parts.postgres, visit.text)
    if text is None:
        return visit.go("/sign-in")
    return visit.name(visit.turned(text).page("recovery_codes.html", codes=codes), text)


@post(f"{PAGE}/recovery-codes", operation=Operation.SECOND_FACTOR)
async def post_recovery_codes(visit: NamedDependency[Visit]) -> Response[str]:
    """Draw other recovery codes and show them: on this page and never again."""
    parts, person = visit.parts, visit.session.person
    codes = await renew_recovery_codes(parts.postgres, person, address=visit.address)
    parts.mailer.post(changed_letter(parts.dashboard_url, person.email, "new recovery codes were drawn"))
    return visit.page("recovery_codes.html", codes=codes)


@post(f"{PAGE}/remove", operation=Operation.SECOND_FACTOR)
async def post_remove(visit: NamedDependency[Visit]) -> Response[str]:
    """Have the password alone be enough from now on."""
    parts, person = visit.parts, visit.session.person
    if await remove(parts.postgres, person, by=person, address=visit.address):
        parts.mailer.post(changed_letter(parts.dashboard_url, person.email, "the second factor was removed"))
    return visit.go("/account", "factor_removed")


ROUTES = [show_factor, post_factor, post_confirm, post_recovery_codes, post_remove]


def _drawn(visit: Visit, secret: bytes, wrong: Wrong | None = None) -> Response[str]:
    uri = provisioning_uri(secret, ISSUER, visit.session.person.email)
    shown = {"uri": uri, "picture": _picture(uri), "secret": " ".join(textwrap.wrap(spell_secret(secret), GROUP))}
    return visit.page("second_factor_new.html", 400 if wrong else 200, wrong=wrong, **shown)


def _picture(text: str) -> Markup:
    """Draw a QR code; always dark on light, for cameras look for that."""
    drawn = segno.make(text, error="m").svg_inline(omitsize=True, light="#fff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - shapes and numbers, drawn here
