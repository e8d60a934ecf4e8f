"""Other sites, other hosts, other tenants: what they get is nothing."""

import re
import secrets
from html import escape

import httpx2
import pytest

from api.dashboard.app import ROUTES
from api.dashboard.permissions import PROVED
from api.dashboard.rendering import FILES, VERSION
from tests.support.dashboard import PASSWORD, Browser, dashboard_url, link_to, mail_to
from tests.support.processes import Service

FOREIGN = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
    {"Origin": "", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null", "Sec-Fetch-Site": ""},
    {"Origin": "", "Sec-Fetch-Site": ""},
]
POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
}
PATHS = sorted({path for route in ROUTES for path in route.paths})
CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "<!--",
    "\u202eevil",
]


@pytest.mark.parametrize("said", FOREIGN, ids=lambda said: "/".join(said.values()))
async def test_a_form_from_elsewhere_does_nothing(owner: Browser, said: dict[str, str]) -> None:
    """Not even with the session and its right token: it is refused with 403."""
    answer = await owner.post("/apps", {"name": "Forged", "environment": "test"}, **said)
    assert answer.status_code == 403
    assert "Forged" not in (await owner.get("/apps")).text
    assert (await owner.post("/sign-out", **said)).status_code == 403
    assert (await owner.get("/apps")).status_code == 200


@pytest.mark.parametrize("said", FOREIGN, ids=lambda said: "/".join(said.values()))
async def test_nobody_is_signed_in_by_another_site(service: Service, owner: Browser, said: dict[str, str]) -> None:
    """Forms that need no session are refused likewise, so nobody is brought into somebody else's account."""
    answer = await Browser(service).post("/sign-in", {"email": owner.email, "password": "any"}, **said)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_form_without_its_session_s_token_does_nothing(owner: Browser, service: Service) -> None:
    """None, a wrong one, and that of another session are refused."""
    other = Browser(service)
    await other.sign_up()
    await other.sign_in()
    for token in (None, "", "0" * 64, other.token):
        answer = await owner.post("/apps", {"form_token": token, "name": "Forged", "environment": "test"})
        assert answer.status_code == 403, token
    assert "Forged" not in (await owner.get("/apps")).text


async def test_a_session_from_before_signing_in_is_never_taken_on(owner: Browser, service: Service) -> None:
    """Neither an invented one nor one of somebody else: who signs in gets a new one, and what was brought ends."""
    planted = secrets.token_urlsafe(32)
    victim = Browser(service, owner.email, session=planted)
    await victim.sign_in()
    assert victim.session not in {planted, None}
    assert (await Browser(service, session=planted).get("/apps")).status_code == 303

    attacker = Browser(service)
    await attacker.sign_up()
    await attacker.sign_in()
    victim = Browser(service, owner.email, session=attacker.session)
    await victim.sign_in()
    assert victim.session != attacker.session
    assert (await attacker.get("/apps")).status_code == 303


async def test_after_signing_out_a_session_holds_no_more(owner: Browser) -> None:
    """Not for whoever has kept its text."""
    kept = owner.session
    assert (await owner.post("/sign-out")).headers["location"] == "/sign-in?done=signed_out"
    assert owner.session is None
    owner.session = kept
    assert (await owner.get("/apps")).headers["location"] == "/sign-in"


async def test_signing_out_everywhere_ends_every_session(owner: Browser, service: Service) -> None:
    """On other devices too."""
    other = Browser(service, owner.email)
    await other.sign_in()
    await owner.post("/sign-out-everywhere")
    assert (await other.get("/apps")).status_code == 303


async def test_the_session_is_kept_from_scripts_and_other_sites(owner: Browser) -> None:
    """HttpOnly, SameSite=Lax, for the whole host; and a second one of that name is believed as little as the first."""
    answer = await owner.sign_in()
    assert set(answer.headers["set-cookie"].split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=Lax"}
    both = f"roomlog={owner.session}; roomlog={secrets.token_urlsafe(32)}"
    assert (await owner.get("/apps", Cookie=both)).status_code == 303


async def test_every_answer_says_what_browsers_may_do_with_it(owner: Browser) -> None:
    """Each route, signed in or not, and whether or not there is such a thing; what is refused in whatever way; each file."""
    viewer = await owner.invite("viewer")
    statuses = set()
    for path in PATHS:
        address = re.sub(r"\{\w+:str\}", "app_00000001", path)
        for answer in (
            await owner.get(address),
            await Browser(owner.service).get(address),
            await Browser(owner.service).post(address),
        ):
            say_what_they_must(answer)
            statuses.add(answer.status_code)
    form = {"Origin": owner.url, "Content-Type": "application/json"}
    for answer in (
        await owner.get("/nothing/of/the/kind"),
        await viewer.get("/audit"),
        await owner.post("/apps", Origin="https://evil.example"),
        await owner.ask("POST", "/apps", headers=form, content="{}"),
        await owner.ask("PUT", "/apps", headers={}),
        await owner.ask("HEAD", "/apps", headers={}),
        await owner.get("/apps", Host="evil.example"),
    ):
        say_what_they_must(answer)
        statuses.add(answer.status_code)
    assert statuses >= {200, 303, 400, 403, 404, 405, 421}
    for name in FILES:
        answer = await owner.get(f"/static/{VERSION}/{name}")
        assert answer.status_code == 200
        say_what_they_must(answer, keeps=True)


def say_what_they_must(answer: httpx2.Response, *, keeps: bool = False) -> None:
    headers, path = answer.headers, answer.request.url.path
    assert set(headers["content-security-policy"].split("; ")) >= POLICY, path
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert (headers["cache-control"] == "no-store") is not keeps, path
    assert "server" not in headers


async def test_scripts_carry_the_answer_s_own_nonce(owner: Browser) -> None:
    """It is new with every answer, and nothing on a page would run without it."""
    seen = set()
    for path in ("/apps", "/account", "/team", "/audit", "/apps/new"):
        answer = await owner.get(path)
        nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert f'nonce="{nonce}"' in answer.text
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts
        assert all(f' nonce="{nonce}"' in script for script in scripts)
        assert re.search(r"<[^>]*\son\w+\s*=", answer.text) is None
        assert "style=" not in answer.text
        seen.add(nonce)
    assert len(seen) == 5


async def test_styles_and_scripts_are_kept_for_as_long_as_they_are_the_same(service: Service) -> None:
    """Their address changes with what they hold; by another there is nothing."""
    browser = Browser(service)
    page = (await browser.get("/sign-in")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await browser.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (
        (await browser.get(address.replace("site.css", "main.js")))
        .headers["content-type"]
        .startswith("text/javascript")
    )
    for wrong in ("../app.py", "%2e%2e%2fapp.py", "site.css.map"):
        assert (await browser.get(address.replace("site.css", wrong))).status_code == 404
    assert (await browser.get("/static/0000000000000000/site.css")).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:8070", "127.0.0.1:1", ""])
async def test_by_another_host_s_name_there_is_no_answer(service: Service, host: str) -> None:
    """421, and nothing of a page."""
    answer = await Browser(service).get("/sign-in", Host=host)
    assert answer.status_code in {400, 421}
    assert "<" not in answer.text


async def test_a_link_in_a_mail_begins_with_the_configured_url(owner: Browser, service: Service) -> None:
    """Whatever host a request names: what is forwarded changes nothing, another Host sends no mail."""
    said = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Original-Host": "evil.example"}
    assert (await Browser(service).post("/forgotten", {"email": owner.email}, **said)).status_code == 303
    mail = await mail_to(service, owner.email, "/reset/")
    assert "evil" not in mail["text"]
    assert dashboard_url(service) + await link_to(service, owner.email, "/reset/") in mail["text"]
    poisoned = await Browser(service).post("/forgotten", {"email": owner.email}, Host="evil.example")
    assert poisoned.status_code == 421
    assert await mail_to(service, owner.email, "/reset/") == mail


async def test_another_tenant_s_app_is_the_404_of_none(owner: Browser, service: Service) -> None:
    """On every route that names an app, for reading and changing; so is a key of another app of one's own."""
    other = Browser(service)
    await other.sign_up()
    await other.sign_in()
    theirs = await other.make_app("Theirs")
    their_key, _ = await other.make_key(theirs)
    mine = await owner.make_app("Mine")
    my_key, _ = await owner.make_key(mine)
    second = await owner.make_app("Second")
    await owner.make_key(second)
    tried = 0
    for path in PATHS:
        if "{app_id:str}" not in path:
            continue
        for app, key in ((theirs, their_key), (second, my_key), (second, their_key)):
            if app == second and "{key_id:str}" not in path:
                continue
            address = path.replace("{key_id:str}", key)
            for ask in (owner.get, owner.post):
                nothing = await ask(address.replace("{app_id:str}", "app_00000001"))
                answer = await ask(address.replace("{app_id:str}", app))
                if nothing.status_code == 405:
                    continue
                assert (nothing.status_code, answer.status_code) == (404, 404), address
                assert nonceless(answer) == nonceless(nothing)
                tried += 1
    assert tried > 20
    assert "suspended" not in (await other.get(f"/apps/{theirs}")).text


def nonceless(answer: httpx2.Response) -> str:
    nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    return answer.text.replace(nonce, "")


@pytest.mark.parametrize("name", CORPUS)
async def test_what_people_write_stays_text(service: Service, name: str) -> None:
    """As name of a person, organisation, app and key, on every page that shows it."""
    browser = Browser(service, organisation=name)
    await browser.sign_up(name)
    await browser.sign_in()
    app = await browser.make_app(name)
    key_id, _ = await browser.make_key(app, name)
    pages = [
        "/apps",
        f"/apps/{app}",
        f"/apps/{app}/settings",
        f"/apps/{app}/keys",
        f"/apps/{app}/delete",
        "/team",
        "/audit",
    ]
    pages += [
        "/account",
        f"/apps/{app}/keys/{key_id}/revoke",
        f"/apps/{app}/keys/{key_id}/rotate",
        f"/apps/{app}/signing",
    ]
    for path in pages:
        page = (await browser.get(path)).text
        if "<" in name or '"' in name or "'" in name:
            assert name not in page.replace("&lt;!--", ""), path
        assert escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page, path


async def test_what_shows_or_destroys_asks_for_the_password_again(owner: Browser) -> None:
    """A quarter of an hour after it was last shown, on each route of such an operation and on no other.

    Then the session has another name, and goes on where it was.
    """
    app = await owner.make_app()
    key_id, _ = await owner.make_key(app)
    await owner.wait_for_proof()
    path = f"/apps/{app}/keys/{key_id}/rotate"
    asked_for = set()
    for route in ROUTES:
        operation = route.opt.get("operation")
        ends = any("/sign-out" in path for path in route.paths)
        if operation is None or ends:
            continue
        for method in route.http_methods & {"GET", "POST"}:
            for template in route.paths:
                address = template.replace("{app_id:str}", app).replace("{key_id:str}", "0" * 12)
                address = re.sub(r"\{\w+:str\}", "x", address)
                answer = await (owner.get(address) if method == "GET" else owner.post(address))
                is_asked = answer.headers.get("location") == f"/prove?then={address}"
                assert is_asked == (operation in PROVED), (method, address)
                asked_for |= {operation} if is_asked else set()
    assert asked_for == PROVED
    assert (await owner.get(f"/apps/{app}")).status_code == 200
    assert (await owner.post("/prove", {"password": "wrong password", "then": path})).status_code == 400
    before = owner.session
    answer = await owner.post("/prove", {"password": PASSWORD, "then": path})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert owner.session != before
    assert (await owner.get(path)).status_code == 200
    for elsewhere in ("https://evil.example", "//evil.example", "/apps/../../evil", "/account"):
        assert f'value="{elsewhere}"' not in (await owner.get(f"/prove?then={elsewhere}")).text
    answer = await owner.post("/prove", {"password": PASSWORD, "then": "//evil.example"})
    assert answer.headers["location"] == "/apps"


async def test_a_body_that_no_form_sends_is_refused(owner: Browser) -> None:
    """JSON, multipart, bytes that are no text, NUL, and far too much."""
    own = {"Origin": owner.url, "Sec-Fetch-Site": "same-origin"}
    form = "application/x-www-form-urlencoded"
    bodies = [
        ("application/json", "{}"),
        ("text/plain", "a=b"),
        (form, "a=%ff"),
        (form, "a=%00"),
        (form, "a=" + "b" * 70_000),
    ]
    for media_type, body in bodies:
        answer = await owner.ask("POST", "/apps", headers={**own, "Content-Type": media_type}, content=body)
        assert answer.status_code == 400, (media_type, body[:10])


async def test_a_sentence_is_told_by_its_name_alone(owner: Browser) -> None:
    """A link cannot bring words of its own onto our pages."""
    page = (await owner.get("/apps?done=<b>Call+0900</b>")).text
    assert "0900" not in page
    assert "Your app is ready." in (await owner.get("/apps?done=app_created")).text


async def test_a_password_is_taken_as_it_was_typed(service: Service) -> None:
    """8 to 128 characters of any kind, with its spaces, and by no rule of what it must be made of; fields let it be pasted."""
    nfc, nfd = "pâssw\u00f6rd " * 2, "pâssw\u006f\u0308rd " * 2
    for password in ("a lowercase one", "  spaces  ", "x" * 128, nfc, "🔑🔑🔑🔑🔑🔑🔑🔑", "<b>&\"'%00"):
        browser = Browser(service)
        wish = {"organisation": "X", "name": "X", "email": browser.email, "password": password}
        assert (await browser.post("/sign-up", wish)).status_code == 303, password
        for other in (password.strip() + "!", password[:-1], nfd if password == nfc else password.swapcase() + "?"):
            refused = await Browser(service).post("/sign-in", {"email": browser.email, "password": other})
            assert refused.status_code == 400, other
        assert (await browser.sign_in(password)).status_code == 303
    for password, sentence in (
        ("7 chars", "at least 8"),
        ("x" * 129, "at most 128"),
        ("Password123", "among the first"),
    ):
        refused = await browser.post("/sign-up", wish | {"password": password})
        assert refused.status_code == 400
        assert sentence in refused.text
        assert f'value="{password}"' not in refused.text
    for path in ("/sign-up", "/sign-in", "/account"):
        page = (await (browser.get(path) if path == "/account" else Browser(service).get(path))).text
        fields = re.findall(r'<input[^>]*type="password"[^>]*>', page)
        assert fields
        for password_field in fields:
            assert re.search(r'autocomplete="(new|current)-password"', password_field)
            assert not re.search(r"maxlength|pattern|onpaste|readonly", password_field)


async def test_a_field_that_a_form_does_not_have_changes_nothing(owner: Browser, service: Service) -> None:
    """Whatever a form brings beside its own fields: ids, roles, tenants, moments and hashes are not its to set."""
    more = {
        "role": "owner",
        "tenant_id": "1",
        "app_id": "app_00000001",
        "person_id": "1",
        "created_at": "2000-01-01",
        "secret_hash": "x",
        "limits": '{"rooms": 1}',
        "suspended": "true",
        "environment": "live",
        "totp_since": "now",
    }
    stranger = Browser(service)
    wish = {"organisation": "Mine", "name": "S", "email": stranger.email, "password": PASSWORD}
    assert (await stranger.post("/sign-up", more | wish)).status_code == 303
    assert (await stranger.sign_in()).status_code == 303
    app = await owner.make_app("Chat", "test")
    settings = f"/apps/{app}/settings"
    before = await owner.run_sql("SELECT * FROM apps WHERE name = 'Chat' AND $1::bigint IS NOT NULL ORDER BY app_id")
    changed = {"name": "Chat", "origins": "*", "retention_days": ""}
    assert (await owner.post(settings, more | changed)).status_code == 303
    after = await owner.run_sql("SELECT * FROM apps WHERE name = 'Chat' AND $1::bigint IS NOT NULL ORDER BY app_id")
    assert after == before
    viewer = await owner.invite("viewer")
    person = "SELECT email, password_hash, totp_since, created_at FROM people WHERE person_id = $1"
    kept = await viewer.run_sql(person)
    assert (await viewer.post("/account/name", more | {"name": "V", "email": "other@example.com"})).status_code == 303
    assert await viewer.run_sql(person) == kept
    role = "SELECT role FROM memberships WHERE person_id = $1"
    assert [row["role"] for row in await viewer.run_sql(role)] == ["viewer"]
    assert [row["role"] for row in await stranger.run_sql(role)] == ["owner"]
