"""Who may do what: each role against each route."""

import inspect
from typing import Any

import pytest

from api.dashboard.app import ROUTES
from api.dashboard.permissions import LEAST, Operation
from tests.support.dashboard import Browser

LOOKS = {"own_account", "second_factor", "see_apps", "see_keys", "see_signing_keys", "see_usage"}
KEYS = {"create_key", "rotate_key", "revoke_key", "create_signing_key", "retire_signing_key", "see_requests"}
SEES = {"see_rooms", "see_users", "use_playground"}
MANAGES = {"create_app", "change_app", "delete_app", "see_team", "invite", "change_role", "remove_member", "see_audit"}
MAY = {
    "viewer": LOOKS,
    "developer": LOOKS | KEYS | SEES,
    "admin": LOOKS | KEYS | SEES | MANAGES,
    "owner": LOOKS | KEYS | SEES | MANAGES,
}
"""As it was promised, apart from the table that the code goes by."""
FOR_ANYBODY = {
    "/",
    "/sign-up",
    "/sign-in",
    "/sign-in/code",
    "/forgotten",
    "/reset/{token:str}",
    "/invitation/{token:str}",
    "/static/{version:str}/{name:str}",
}


def operations() -> list[tuple[str, str, Operation]]:
    """Give all routes that name an operation, those that end the session last."""
    found = [
        (method, path, route.opt["operation"])
        for route in ROUTES
        if "operation" in route.opt
        for method in route.http_methods
        if method in {"GET", "POST"}
        for path in route.paths
    ]
    return sorted(found, key=lambda named: ("/sign-out" in named[1], "everywhere" in named[1], named[1]))


def test_every_route_names_its_operation_or_is_for_anybody() -> None:
    """None is open by having been forgotten, and every operation has a route."""
    for route in ROUTES:
        needs: Any = route.opt.get("operation")
        assert (needs is None) == (set(route.paths) <= FOR_ANYBODY), route.paths
        if needs is not None:
            assert "visit" in inspect.signature(route.fn).parameters, route.paths
    assert {operation for _, _, operation in operations()} == set(Operation) == set(LEAST)


@pytest.mark.parametrize("role", MAY)
async def test_a_role_may_do_what_was_promised_and_nothing_else(owner: Browser, role: str) -> None:
    """Each route answers 403 to whoever may not, before it looks at what is named; to others it answers something else."""
    app = await owner.make_app()
    person = await owner.invite(role)
    for method, path, operation in operations():
        address = path.replace("{app_id:str}", app).replace("{person_id:str}", "per_00000001")
        address = address.replace("{key_id:str}", "0" * 12).replace("{session_id:str}", "0" * 16)
        address = address.replace("{room_id:str}", "general").replace("{user_id:str}", "alice")
        answer = await (person.get(address) if method == "GET" else person.post(address))
        assert (answer.status_code == 403) == (operation.value not in MAY[role]), (method, path, answer.status_code)
        assert answer.status_code < 500, (method, path)


async def test_a_viewer_changes_nothing(owner: Browser) -> None:
    """No page shows a viewer a button for it either."""
    app = await owner.make_app("Chat")
    key_id, _ = await owner.make_key(app)
    viewer = await owner.invite("viewer")
    keys = f"/apps/{app}/keys"
    before = (await owner.get(keys)).text
    await viewer.post(f"/apps/{app}/keys/{key_id}/revoke")
    await viewer.post(f"/apps/{app}/settings", {"name": "Mine", "origins": ""})
    await viewer.post(f"/apps/{app}/suspend")
    assert (await owner.get(keys)).text.count("<tr") == before.count("<tr")
    log = (await owner.get("/audit")).text
    assert not any(action in log for action in ("key.revoked", "app.changed", "app.suspended"))
    for path in ("/apps", f"/apps/{app}", f"/apps/{app}/keys", f"/apps/{app}/signing", f"/apps/{app}/settings"):
        page = await viewer.get(path)
        assert page.status_code == 200
        assert page.text.count('method="post"') == 1 + (path.endswith("/settings")), (
            path
        )  # that of signing out; a disabled one
        assert "/revoke" not in page.text


async def test_owners_are_made_and_unmade_by_owners_alone(owner: Browser) -> None:
    """An admin can neither invite one, nor become one, nor touch one."""
    admin = await owner.invite("admin", "Admin")
    team = (await owner.get("/team")).text
    ids = {
        email: team.partition(f"<td>{email}</td>")[2].partition("/team/per_")[2][:8]
        for email in (owner.email, admin.email)
    }
    assert (await admin.post("/team/invite", {"email": "new@example.com", "role": "owner"})).status_code == 403
    assert (await admin.post(f"/team/per_{ids[admin.email]}/role", {"role": "owner"})).status_code == 403
    assert (await admin.post(f"/team/per_{ids[owner.email]}/role", {"role": "viewer"})).status_code == 403
    assert (await admin.post(f"/team/per_{ids[owner.email]}/remove")).status_code == 403
    assert (await owner.post(f"/team/per_{ids[admin.email]}/role", {"role": "owner"})).status_code == 303


async def test_a_role_that_was_taken_holds_no_more(owner: Browser) -> None:
    """At once, in sessions that are open."""
    admin = await owner.invite("admin")
    team = (await owner.get("/team")).text
    person = team.partition(admin.email)[2].partition("/team/per_")[2][:8]
    assert (await admin.get("/audit")).status_code == 200
    await owner.post(f"/team/per_{person}/role", {"role": "developer"})
    assert (await admin.get("/audit")).status_code == 403
