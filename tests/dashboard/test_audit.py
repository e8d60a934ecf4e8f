"""The audit log: each change leaves one entry, and so does what was refused."""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from tenants.accounts import list_tenants
from tenants.audit_log import Entry, entries, note
from tenants.ids import TenantId
from tenants.postgres import Postgres
from tests.support.dashboard import PASSWORD, Authenticator, Browser, link_to, secret_in, step_in
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

    async def confirm() -> httpx2.Response:
        phone = Authenticator(owner, secret_in((await owner.post("/account/second-factor")).text))
        return await owner.post("/account/second-factor/confirm", {"code": phone.code()})

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
        ("second_factor.added", confirm),
        ("recovery_codes.renewed", post("/account/second-factor/recovery-codes")),
        ("second_factor.removed", post("/account/second-factor/remove")),
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
    for digits in (30, 5_000):
        assert (await owner.get("/audit?before=" + "9" * digits)).status_code == 404


async def until_noted(postgres: Postgres, tenant: TenantId, action: str, times: int = 1) -> list[Entry]:
    """Give the entries of an action: what was refused is noted once the answer is out."""
    async with asyncio.timeout(15):
        while True:
            found = [entry for entry in await entries(postgres, tenant, None, 200) if entry.action == action]
            if len(found) >= times:
                return found
            await asyncio.sleep(0.02)


async def test_what_was_refused_is_noted_without_what_was_typed(
    owner: Browser, service: Service, postgres: Postgres
) -> None:
    """A wrong password at each place that asks for one, and a wrong code: who is known to have tried, and from where."""
    tenant = await tenant_of(postgres, owner)
    phone = await owner.set_up_factor()
    wrong = {"password": "not the right one", "new_password": "quite another one", "then": "/apps"}
    thief = Browser(service, owner.email)
    await thief.post("/sign-in", {"email": owner.email, "password": "not the right one"})
    answer = await thief.post("/sign-in", {"email": owner.email, "password": PASSWORD})
    await thief.post("/sign-in/code", {"step": step_in(answer.text), "code": "314159"})
    await owner.post("/account/password", wrong)
    await owner.post("/prove", wrong)
    expected = {
        "sign_in.refused": ("", thief.address),
        "code.refused": ("", thief.address),
        "password.refused": (owner.email, owner.address),
        "proof.refused": (owner.email, owner.address),
    }
    for action, (email, address) in expected.items():
        (entry,) = await until_noted(postgres, tenant, action)
        assert (entry.email, entry.address) == (email, address)
        assert entry.target.startswith("per_")
    kept = str(await entries(postgres, tenant, None, 200)) + service.log.read_text()
    for typed in (*wrong.values(), "314159", PASSWORD, *phone.recovery_codes):
        assert typed == "/apps" or typed not in kept


async def test_what_a_role_does_not_allow_is_noted_within_a_bound(owner: Browser, postgres: Postgres) -> None:
    """By whom, and what was asked for; whoever asks again and again fills nobody's log."""
    tenant = await tenant_of(postgres, owner)
    viewer, admin = await owner.invite("viewer"), await owner.invite("admin")
    assert (await admin.post("/team/invite", {"email": "a@example.com", "role": "owner"})).status_code == 403
    (entry,) = await until_noted(postgres, tenant, "operation.refused")
    assert (entry.email, entry.target, entry.detail) == (admin.email, "invite", {"role": "admin"})
    asked = 30
    for _ in range(asked):
        assert (await viewer.get("/audit")).status_code == 403
    noted = await until_noted(postgres, tenant, "operation.refused", 1 + 5)
    assert {entry.email for entry in noted} == {admin.email, viewer.email}
    assert len(noted) < asked


async def test_an_address_that_nobody_has_is_noted_nowhere(service: Service, postgres: Postgres) -> None:
    """No tenant's log is about it; the service's own has a line without the address that was typed."""
    stranger = Browser(service)
    before = [len(await entries(postgres, tenant.id, None, 200)) for tenant in await list_tenants(postgres)]
    await stranger.post("/sign-in", {"email": stranger.email, "password": "not the right one"})
    async with asyncio.timeout(15):
        while f'"address":"{stranger.address}"' not in service.log.read_text().replace(": ", ":"):
            await asyncio.sleep(0.02)
    assert [len(await entries(postgres, tenant.id, None, 200)) for tenant in await list_tenants(postgres)] == before
    assert stranger.email not in service.log.read_text()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
async def test_the_log_is_taken_away_as_a_file(owner: Browser, service: Service, postgres: Postgres, kind: str) -> None:
    """All of it, newest first, over many pages of the database; of this tenant alone, and no cell is a formula."""
    tenant, other = await tenant_of(postgres, owner), Browser(service)
    await other.sign_up()
    for number in range(450):
        await note(postgres, tenant, None, "key.made", f"=1+{number}", "::1", {"label": 'a, "b"\nc'})
    answer = await owner.get(f"/audit/export?kind={kind}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="audit-begin-now.{kind}"'
    rows = read_rows(kind, answer.text)
    apostrophe = "'" if kind == "csv" else ""
    assert [row["target"] for row in rows[:450]] == [f"{apostrophe}=1+{number}" for number in reversed(range(450))]
    assert [row["action"] for row in rows[450:]] == ["session.begun", "tenant.made"]
    assert other.organisation not in answer.text
    assert (await (await owner.invite("developer")).get(f"/audit/export?kind={kind}")).status_code == 403


async def test_of_the_log_some_days_are_taken(owner: Browser) -> None:
    """From the beginning of the first to the end of the last, in UTC; what is no day is told beside its field."""
    today = owner_day((await owner.get("/audit")).text)
    whole = read_rows("jsonl", (await owner.get("/audit/export?kind=jsonl")).text)
    asked = f"/audit/export?kind=jsonl&since={today}&until={today}"
    of_today = read_rows("jsonl", (await owner.get(asked)).text)
    assert of_today == [row for row in whole if row["at"][:10] == today]
    assert of_today
    for days in ("until=2020-01-01", "since=8999-01-01", "since=0001-01-01&until=0001-01-02"):
        assert (await owner.get(f"/audit/export?kind=jsonl&{days}")).text == ""
    for days in ("since=yesterday", "until=2026-13-01", "since=2026-W05-1", "until=9999-12-31"):
        refused = await owner.get(f"/audit/export?{days}")
        assert refused.status_code == 400
        assert 'aria-invalid="true"' in refused.text
    assert (await owner.get("/audit/export?kind=exe")).status_code == 404


def read_rows(kind: str, text: str) -> list[dict[str, str]]:
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def owner_day(page: str) -> str:
    """Give the day of the newest entry."""
    return page.partition('<time datetime="')[2][:10]
