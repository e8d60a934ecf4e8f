"""The whole way: from signing up to a key that works."""

import asyncio
import json
import os
import re
import sys
from html import unescape
from typing import Any

from tests.support.dashboard import PASSWORD, Browser, key_in, link_to, text_of
from tests.support.plain import plain_client
from tests.support.processes import ROOT, Service

WITHIN_S = 30.0


async def mint(service: Service, key: str) -> int:
    async with plain_client(service.url) as http:
        headers = {"Authorization": f"Bearer {key}"}
        return (await http.post("/v1/tokens", json={"user": "alice"}, headers=headers)).status_code


async def until_refused(service: Service, key: str) -> None:
    async with asyncio.timeout(5):
        while await mint(service, key) != 401:
            await asyncio.sleep(0.02)


async def test_from_signing_up_to_a_key_that_works(service: Service) -> None:
    """Somebody new signs up, signs in, makes an app and a key, and the key works on the API."""
    browser = Browser(service)
    await browser.sign_up()
    assert (await browser.sign_in()).headers["location"] == "/apps"
    assert "Your first app" in (await browser.get("/apps")).text
    app = await browser.make_app()
    page = text_of((await browser.get(f"/apps/{app}")).text)
    for step in ("Install", "Mint a token", "Send", "Subscribe"):
        assert step in page
    assert page.count(app) >= 4
    _, key = await browser.make_key(app)
    assert await mint(service, key) == 201


async def test_a_key_is_shown_once(owner: Browser) -> None:
    """Its secret stands on the page that made it, with a snippet that has it in its place, and on no other."""
    app = await owner.make_app()
    answer = await owner.post(f"/apps/{app}/keys", {"label": "s", "grants": "tokens:create", "expires": "never"})
    key_id, key = key_in(answer.text)
    assert f"Authorization: Bearer {key}" in text_of(answer.text)
    for path in (f"/apps/{app}/keys", f"/apps/{app}", f"/apps/{app}/keys/{key_id}/rotate", "/audit"):
        page = await owner.get(path)
        assert page.status_code == 200
        assert key not in page.text
        assert key[-49:] not in page.text


async def test_a_rotated_key_holds_for_the_overlap_and_a_revoked_one_no_more(owner: Browser, service: Service) -> None:
    """Old and new secret hold together; rotated at once, the one before ends; revoked, none holds."""
    app = await owner.make_app()
    key_id, first = await owner.make_key(app)
    answer = await owner.post(f"/apps/{app}/keys/{key_id}/rotate", {"overlap": "3600"})
    _, second = key_in(answer.text)
    assert (await mint(service, first), await mint(service, second)) == (201, 201)
    answer = await owner.post(f"/apps/{app}/keys/{key_id}/rotate", {"overlap": "0"})
    _, third = key_in(answer.text)
    await until_refused(service, second)
    assert await mint(service, third) == 201
    assert (await owner.post(f"/apps/{app}/keys/{key_id}/revoke")).status_code == 303
    await until_refused(service, third)


async def test_a_key_does_what_it_was_given(owner: Browser, service: Service) -> None:
    """Only the grants that were chosen; a key with none cannot be made."""
    app = await owner.make_app()
    _, key = await owner.make_key(app, grants="rooms:read")
    assert await mint(service, key) == 403
    refused = await owner.post(f"/apps/{app}/keys", {"label": "s", "expires": "never"})
    assert refused.status_code == 400
    assert "at least one" in text_of(refused.text)


async def test_settings_are_kept_and_faults_are_said(owner: Browser) -> None:
    """Origins and retention come back as they were saved; what cannot be is told beside its field, with what was typed."""
    app = await owner.make_app(environment="live")
    path = f"/apps/{app}/settings"
    wish = {"name": "Renamed", "origins": "https://a.example\nhttps://b.example:8443/", "retention_days": "30"}
    assert (await owner.post(path, wish)).status_code == 303
    page = (await owner.get(path)).text
    assert "https://a.example\nhttps://b.example:8443</textarea>" in page
    assert 'value="30"' in page
    refused = await owner.post(path, wish | {"origins": "not an origin", "name": "Typed"})
    assert refused.status_code == 400
    assert "not an origin is no origin" in refused.text
    assert 'value="Typed"' in refused.text
    assert "Renamed" in (await owner.get(path)).text


async def test_an_app_is_deleted_by_its_name_alone(owner: Browser, service: Service) -> None:
    """Another name deletes nothing; then its keys hold no more."""
    app = await owner.make_app("My chat")
    _, key = await owner.make_key(app)
    assert (await owner.post(f"/apps/{app}/delete", {"confirmation": "my chat"})).status_code == 400
    assert await mint(service, key) == 201
    assert (await owner.post(f"/apps/{app}/delete", {"confirmation": "My chat"})).status_code == 303
    await until_refused(service, key)
    assert (await owner.get(f"/apps/{app}")).status_code == 404


async def test_a_suspended_app_is_refused_until_it_is_resumed(owner: Browser, service: Service) -> None:
    """Suspension ends an app's use, and loses nothing."""
    app = await owner.make_app()
    _, key = await owner.make_key(app)
    await owner.post(f"/apps/{app}/suspend")
    async with asyncio.timeout(5):
        while await mint(service, key) != 403:
            await asyncio.sleep(0.02)
    await owner.post(f"/apps/{app}/resume")
    async with asyncio.timeout(5):
        while await mint(service, key) != 201:
            await asyncio.sleep(0.02)


async def test_signing_keys_are_made_and_retired(owner: Browser) -> None:
    """The new one signs, the one before verifies until it is retired."""
    app = await owner.make_app()
    assert (await owner.post(f"/apps/{app}/signing", {"algorithm": "EdDSA"})).status_code == 303
    page = (await owner.get(f"/apps/{app}/signing")).text
    assert (page.count(">signs<"), page.count(">verifies<")) == (1, 1)
    retire = [part.partition('"')[0] for part in page.split(f'href="/apps/{app}/signing/')[1:]]
    assert (await owner.post(f"/apps/{app}/signing/{retire[0]}")).status_code == 303
    assert ">retired<" in (await owner.get(f"/apps/{app}/signing")).text


async def test_a_forgotten_password_is_replaced_by_a_link_that_holds_once(owner: Browser, service: Service) -> None:
    """The old password and all sessions end with it; used again, the link does nothing."""
    stranger = Browser(service)
    assert (await stranger.post("/forgotten", {"email": owner.email})).status_code == 303
    path = await link_to(service, owner.email, "/reset/")
    assert (await stranger.post(path, {"password": "another password"})).status_code == 303
    assert (await owner.get("/apps")).headers["location"] == "/sign-in"
    assert (await owner.sign_in()).status_code == 400
    assert (await owner.sign_in("another password")).status_code == 303
    assert (await stranger.post(path, {"password": "a third password"})).status_code == 404
    assert (await owner.sign_in("another password")).status_code == 303


async def test_whether_there_is_an_account_is_told_to_its_mailbox_alone(owner: Browser, service: Service) -> None:
    """Signing up, a wrong password and a forgotten one have the same answers for an address that is known and one that is not."""
    known, unknown = Browser(service, owner.email), Browser(service)
    answers = []
    for browser in (known, unknown):
        up = {"organisation": "X", "name": "X", "email": browser.email, "password": "some password"}
        if browser is unknown:
            up["email"] = Browser(service).email
        signed_up = await browser.post("/sign-up", up)
        wrong = await browser.post("/sign-in", {"email": browser.email, "password": "wrong password"})
        forgotten = await browser.post("/forgotten", {"email": browser.email})
        shown = text_of(wrong.text).replace(browser.email, "")
        answers.append((signed_up.status_code, dict(signed_up.headers)["location"], wrong.status_code, shown))
        answers[-1] += (forgotten.status_code, forgotten.headers["location"])
    assert answers[0] == answers[1]
    assert (await owner.sign_in(PASSWORD)).status_code == 303


async def test_somebody_invited_joins_and_is_removed(owner: Browser) -> None:
    """With the role of the invitation; removed, the session ends."""
    bob = await owner.invite("developer", "Bob")
    assert (await bob.get("/apps")).status_code == 200
    team = (await owner.get("/team")).text
    assert bob.email in team
    person = team.partition(bob.email)[2].partition("/team/per_")[2][:8]
    assert (await owner.post(f"/team/per_{person}/role", {"role": "viewer"})).status_code == 303
    assert (await bob.post("/apps/app_00000001/keys")).status_code == 403
    assert (await owner.post(f"/team/per_{person}/remove")).status_code == 303
    assert (await bob.get("/apps")).headers["location"] == "/sign-in"


async def test_the_last_owner_stays(owner: Browser) -> None:
    """An organisation is never without one; the page says what to do first."""
    person = (await owner.get("/team")).text.partition("/team/per_")[2][:8]
    for path, fields in ((f"/team/per_{person}/role", {"role": "viewer"}), (f"/team/per_{person}/remove", {})):
        refused = await owner.post(path, fields)
        assert refused.status_code == 400
        assert "at least one owner" in refused.text


async def test_a_new_password_ends_all_other_sessions(owner: Browser, service: Service) -> None:
    """The one that changed it goes on, under another name."""
    other = Browser(service, owner.email)
    await other.sign_in()
    before = owner.session
    wish = {"password": PASSWORD, "new_password": "quite another one"}
    assert (await owner.post("/account/password", wish)).status_code == 303
    assert owner.session != before
    assert (await owner.get("/apps")).status_code == 200
    assert (await other.get("/apps")).status_code == 303
    owner.session = before
    assert (await owner.get("/apps")).status_code == 303


def idempotency_key_in(page: str) -> str:
    return page.partition('name="idempotency_key" value="')[2].partition('"')[0]


async def test_a_page_loaded_anew_makes_no_second_key(owner: Browser, service: Service) -> None:
    """Nor does it rotate one twice: it says that it was done, and shows no secret; a form that is opened anew works."""
    app = await owner.make_app()
    form = idempotency_key_in((await owner.get(f"/apps/{app}/keys/new")).text)
    assert form
    assert form != idempotency_key_in((await owner.get(f"/apps/{app}/keys/new")).text)
    key_id, first = await owner.make_key(app, idempotency_key=form)
    wish = {"label": "server", "grants": "tokens:create", "expires": "never", "idempotency_key": form}
    again = await owner.post(f"/apps/{app}/keys", wish)
    assert again.status_code == 409
    assert f'href="/apps/{app}/keys"' in again.text
    assert (await owner.get(f"/apps/{app}/keys")).text.count("/rotate") == 1
    path = f"/apps/{app}/keys/{key_id}/rotate"
    form = idempotency_key_in((await owner.get(path)).text)
    answers = [await owner.post(path, {"overlap": "3600", "idempotency_key": form}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    _, second = key_in(answers[0].text)
    assert second not in answers[1].text
    assert [await mint(service, key) for key in (first, second)] == [201, 201]
    refused = await owner.post(f"/apps/{app}/keys", wish | {"label": ""})
    assert idempotency_key_in(refused.text)
    await owner.make_key(app, idempotency_key=idempotency_key_in(refused.text))


async def test_one_goes_on_in_another_organisation_of_one_s_own(owner: Browser, service: Service) -> None:
    """It is listed by its name; the session that goes there is another one to the browser, and proves nothing anew."""
    host = Browser(service)
    await host.sign_up()
    await host.sign_in()
    await host.post("/team/invite", {"email": owner.email, "role": "admin"})
    guest = Browser(service, owner.email)
    await guest.post(await link_to(service, owner.email, "/invitation/"), {"password": PASSWORD})
    page = (await owner.get("/account")).text
    assert f"<p>{host.organisation}</p>" in page
    there = page.partition('name="organisation" value="')[2].partition('"')[0]
    for elsewhere in ("ten_00000001", "x", ""):
        assert (await owner.post("/account/organisation", {"organisation": elsewhere})).status_code == 404
    await owner.wait_for_proof()
    before = owner.session
    assert (await owner.post("/account/organisation", {"organisation": there})).status_code == 303
    assert owner.session != before
    assert host.organisation in (await owner.get("/apps")).text
    assert (await owner.get("/account/second-factor")).headers["location"].startswith("/prove")
    owner.session = before
    assert (await owner.get("/apps")).headers["location"] == "/sign-in"


async def test_a_key_is_told_from_others_without_its_secret(owner: Browser) -> None:
    """By how it ends, which is another end once it is rotated, and by who made it."""
    app = await owner.make_app()
    key_id, key = await owner.make_key(app)
    page = (await owner.get(f"/apps/{app}/keys")).text
    assert f"{key_id}_…{key[-4:]}" in page
    assert f"by {owner.email}" in page
    _, rotated = key_in((await owner.post(f"/apps/{app}/keys/{key_id}/rotate", {"overlap": "0"})).text)
    page = (await owner.get(f"/apps/{app}/keys")).text
    assert f"{key_id}_…{rotated[-4:]}" in page
    assert f"by {owner.email}" in page


async def test_the_public_keys_are_linked_to(owner: Browser) -> None:
    """The link of the page of signing keys leads to them."""
    app = await owner.make_app()
    await owner.post(f"/apps/{app}/signing", {"algorithm": "EdDSA"})
    url = re.search(r'href="([^"]+/jwks\.json)"', (await owner.get(f"/apps/{app}/signing")).text)
    assert url is not None
    async with plain_client() as http:
        assert [key["alg"] for key in (await http.get(url[1])).json()["keys"]] == ["EdDSA"]


def snippets_in(page: str, language: str) -> list[str]:
    found = re.findall(rf'<pre [^>]*data-language="{language}"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    return [unescape(text) for text in found]


async def test_what_a_new_app_s_page_shows_runs_as_it_stands(owner: Browser) -> None:
    """Its three programs, one after the other with the key alone, end in a room that is followed; so does curl as shown."""
    app = await owner.make_app()
    wish = {"label": "server", "grants": ["messages:write", "rooms:write", "tokens:create", "users:write"]}
    shown = (await owner.post(f"/apps/{app}/keys", wish | {"expires": "never"})).text
    (curl,) = snippets_in(shown, "sh")
    program = "\n".join(snippets_in((await owner.get(f"/apps/{app}")).text, "python"))
    environment = os.environ | {"ROOMLOG_API_KEY": key_in(shown)[1], "PYTHONPATH": str(ROOT / "sdk")}
    piped: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    running = await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", program, env=environment, **piped)
    assert running.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            assert b"alice [TextPart(text='Hello')]" in await running.stdout.readline()
    finally:
        running.kill()
        await running.wait()
    asked = await asyncio.create_subprocess_exec("sh", "-c", curl.replace("curl ", "curl -sS --fail ", 1), **piped)
    printed, _ = await asked.communicate()
    assert (asked.returncode, json.loads(printed)["user"]) == (0, "alice"), printed
