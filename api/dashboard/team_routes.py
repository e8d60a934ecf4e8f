"""The team: who is in it, with which role, and who is invited."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.forms import Form, Wrong
from api.dashboard.letters import invitation_letter
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.errors import Forbidden, NotFound
from tenants.ids import PersonId, parse_person_name, person_name
from tenants.mails import AlreadyMember, invite, invites_of, withdraw_invite
from tenants.people import LastOwner, NotPermitted, PersonRole, change_role, members_of, remove_member

ALREADY_THERE = Wrong("email", "Whoever has that address is in the team already.")
LAST_OWNER = Wrong("members", "A team keeps at least one owner: make somebody else an owner first.")


@get("/team", operation=Operation.SEE_TEAM)
async def show_team(visit: NamedDependency[Visit]) -> Response[str]:
    """Show the members."""
    return await _team(visit)


@post("/team/invite", operation=Operation.INVITE)
async def post_invite(visit: NamedDependency[Visit]) -> Response[str]:
    """Send an invitation by mail."""
    session, parts = visit.session, visit.parts
    try:
        email, role = visit.form.email(), _role(visit.form)
        token = await invite(parts.postgres, visit.session, email, role, address=visit.address)
    except Wrong as wrong:
        return await _team(visit, wrong)
    except AlreadyMember:
        return await _team(visit, ALREADY_THERE)
    except NotPermitted as error:
        raise Forbidden from error
    inviter, organisation = session.person.name, session.tenant_name
    parts.mailer.post(invitation_letter(parts.dashboard_url, email, inviter, organisation, token))
    return visit.go("/team", "invited")


@post("/team/withdraw", operation=Operation.INVITE)
async def post_withdraw(visit: NamedDependency[Visit]) -> Response[str]:
    """Take an invitation back."""
    try:
        email = visit.form.email()
        await withdraw_invite(visit.parts.postgres, visit.session, email, address=visit.address)
    except Wrong as wrong:
        return await _team(visit, wrong)
    except NotPermitted as error:
        raise Forbidden from error
    return visit.go("/team", "withdrawn")


@post("/team/{person_id:str}/role", operation=Operation.CHANGE_ROLE)
async def post_role(person_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Give a member another role."""
    try:
        role = _role(visit.form)
        await change_role(visit.parts.postgres, visit.session, _person(person_id), role, address=visit.address)
    except Wrong as wrong:
        return await _team(visit, wrong)
    except LastOwner:
        return await _team(visit, LAST_OWNER)
    except NotPermitted as error:
        raise Forbidden from error
    return visit.go("/team", "role_changed")


@post("/team/{person_id:str}/remove", operation=Operation.REMOVE_MEMBER)
async def post_remove(person_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Take a member out of the team."""
    try:
        await remove_member(visit.parts.postgres, visit.session, _person(person_id), address=visit.address)
    except LastOwner:
        return await _team(visit, LAST_OWNER)
    except NotPermitted as error:
        raise Forbidden from error
    return visit.go("/team", "member_removed")


ROUTES = [show_team, post_invite, post_withdraw, post_role, post_remove]


async def _team(visit: Visit, wrong: Wrong | None = None) -> Response[str]:
    own = visit.session.role
    members = [
        {
            "id": person_name(member.person.id),
            "name": member.person.name,
            "email": member.person.email,
            "role": member.role.value,
            "since": member.since,
            "is_self": member.person.id == visit.session.person.id,
            "may_change": own.may_give(member.role),
        }
        for member in await members_of(visit.parts.postgres, visit.session.tenant)
    ]
    roles = [role.value for role in reversed(PersonRole) if own.may_give(role)]
    invites = await invites_of(visit.parts.postgres, visit.session.tenant)
    shown = {"members": members, "invites": invites, "roles": roles}
    return visit.page("team.html", 400 if wrong else 200, wrong=wrong, **shown)


def _person(name: str) -> PersonId:
    person = parse_person_name(name)
    if person is None:
        raise NotFound
    return person


def _role(form: Form) -> PersonRole:
    try:
        return PersonRole(form.text("role"))
    except ValueError as error:
        raise Wrong("role", "Choose a role.") from error
