"""The audit log: each change leaves one entry."""

from collections.abc import Awaitable, Callable

import httpx2

from tenants.accounts import list_tenants
from tenants.audit_log import Entry, entries
from tenants.ids import TenantId
from tenants.postgres import Postgres
from tests.support.dashboard import PASSWORD, Browser, link_to
from tests.support.processes import Service


async def tenant_of(postgres: Postgres, browser: Browser) -> TenantId:
    return next(tenant.id for tenant in await list_tenants(postgres) if tenant.name == browser.organisation)


async def test_each_change_leaves_one_entry(owner: Browser, service: Service, postgres: Postgres) -> None:
    """It says what, by whom and to what; what is refused or only looked at leaves none."""
    tenant = await tenant_of(postgres, owner)
    app = await owner.make_app()
    key_id, _ = await owner.make_key(app)
    bob = await owner.invite("viewer")
    team = (await owner.get("/team")).text
    person = team.partition(bob.email)[2].partition("/team/per_")[2][:8]
    signing = (await owner.get(f"/apps/{app}/signing")).text.partition(f"/apps/{app}/signing/")[2].partition("/")[0]
    other = Browser(service, owner.email)
    await other.sign_in()
    session = (await owner.get("/account")).text.partition("/account/sessions/")[2].partition("/")[0]

    def post(path: str, **fields: object) -> Callable[[], Awaitable[httpx2.Response]]:
        return lambda: owner.post(path, fields)

    changes: list[tuple[str, Callable[[], Awaitable[httpx2.Response]]]] = [
        ("app.made", post("/apps", name="N", environment="live")),
        ("app.changed", post(f"/apps/{app}/settings", name="M", origins="*")),
        ("app.suspended", post(f"/apps/{app}/suspend")),
        ("app.resumed", post(f"/apps/{app}/resume")),
        ("key.made", post(f"/apps/{app}/keys", label="l", grants="rooms:read", expires="30")),
        ("key.rotated", post(f"/apps/{app}/keys/{key_id}/rotate", overlap="0")),
        ("key.revoked", post(f"/apps/{app}/keys/{key_id}/revoke")),
        ("signing_key.made", post(f"/apps/{app}/signing", algorithm="ES256")),
        ("signing_key.retired", post(f"/apps/{app}/signing/{signing}/retire")),
        ("member.role_changed", post(f"/team/per_{person}/role", role="developer")),
        ("member.removed", post(f"/team/per_{person}/remove")),
        ("member.invited", post("/team/invite", email="zoe@example.com", role="viewer")),
        ("invite.withdrawn", post("/team/withdraw", email="zoe@example.com")),
        ("person.renamed", post("/account/name", name="Anna")),
        ("session.ended", post(f"/account/sessions/{session}/end")),
        ("password.changed", post("/account/password", password=PASSWORD, new_password="another one altogether")),
        ("app.deleted", post(f"/apps/{app}/delete", confirmation="M")),
        ("sessions.ended", post("/sign-out-everywhere")),
        ("session.begun", lambda: owner.sign_in("another one altogether")),
        ("session.ended", post("/sign-out")),
    ]
    for action, change in changes:
        before = await entries(postgres, tenant, None, 200)
        answer = await change()
        assert answer.status_code in {200, 201, 303}, (action, answer.text)
        after = await entries(postgres, tenant, None, 200)
        added: list[Entry] = after[: len(after) - len(before)]
        assert [entry.action for entry in added] == [action]
        assert added[0].email == owner.email
        assert added[0].address == owner.address


async def test_what_is_refused_leaves_no_entry_of_a_change(owner: Browser, postgres: Postgres) -> None:
    """Nor does looking at every page."""
    app = await owner.make_app()
    tenant = await tenant_of(postgres, owner)
    before = await entries(postgres, tenant, None, 200)
    for path in ("/apps", f"/apps/{app}", f"/apps/{app}/keys", "/team", "/account", "/audit", "/apps/app_00000001"):
        await owner.get(path)
    assert (await owner.post("/apps", {"name": "", "environment": "test"})).status_code == 400
    assert (await owner.post(f"/apps/{app}/keys", {"label": "x"})).status_code == 400
    assert (await owner.post(f"/apps/{app}/delete", {"confirmation": "no"})).status_code == 400
    assert (
        await owner.post("/apps", {"name": "F", "environment": "test"}, Origin="https://evil.example")
    ).status_code == 403
    assert await entries(postgres, tenant, None, 200) == before


async def test_a_reset_leaves_an_entry(owner: Browser, service: Service, postgres: Postgres) -> None:
    """By whoever had the link, in the log of the person's tenant."""
    await Browser(service).post("/forgotten", {"email": owner.email})
    path = await link_to(service, owner.email, "/reset/")
    await Browser(service).post(path, {"password": "another password"})
    newest = (await entries(postgres, await tenant_of(postgres, owner), None, 1))[0]
    assert (newest.action, newest.email) == ("password.reset", owner.email)


async def test_the_log_is_shown_in_pages_without_any_secret(owner: Browser) -> None:
    """Fifty entries a page, newest first, to the oldest; no password, key or session stands in it."""
    app = await owner.make_app()
    keys = [(await owner.make_key(app, f"label {number}"))[1] for number in range(55)]
    first = (await owner.get("/audit")).text
    assert first.count("<time") == 50
    older = first.partition('href="/audit?before=')[2].partition('"')[0]
    second = (await owner.get(f"/audit?before={older}")).text
    assert "tenant.made" in second
    assert "label 54" in first
    assert "label 54" not in second
    for secret in (PASSWORD, owner.session or "", *(key[-49:] for key in keys)):
        assert secret not in first + second
    assert (await owner.get("/audit?before=x")).status_code == 404
    assert (await owner.get("/audit?before=" + "9" * 30)).status_code == 404
