"""The second factor: set up, asked for, and no way around it."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping

import httpx2
import pytest

from tests.support.dashboard import PASSWORD, Authenticator, Browser, link_to, secret_in, step_in, text_of
from tests.support.processes import ROOT, Service

PAGE = "/account/second-factor"
NEXT = "the next one, please"


@pytest.fixture
async def phone(owner: Browser) -> Authenticator:
    """What the owner's second factor shows."""
    phone = await owner.set_up_factor()
    await phone.later()
    return phone


async def password_of(owner: Browser, password: str = PASSWORD) -> tuple[Browser, httpx2.Response]:
    """Show the owner's password from another browser."""
    browser = Browser(owner.service, owner.email)
    return browser, await browser.post("/sign-in", {"email": owner.email, "password": password})


async def show_code(browser: Browser, step: str, code: str) -> httpx2.Response:
    return await browser.post("/sign-in/code", {"step": step, "code": code})


def is_in(answer: httpx2.Response) -> bool:
    return answer.status_code == 303 and "set-cookie" in answer.headers and answer.headers["location"] == "/apps"


async def test_it_is_set_up_by_a_code_of_it(owner: Browser, service: Service) -> None:
    """A picture, the secret in groups and an address of it; another code sets nothing up and shows the same secret again."""
    other = Browser(service, owner.email)
    await other.sign_in()
    assert "Set it up" in (await owner.get("/account")).text
    answer = await owner.post(PAGE)
    secret = secret_in(answer.text)
    assert '<svg viewBox="0 0 ' in answer.text
    assert "otpauth://totp/Roomlog%3A" in answer.text
    assert "style=" not in answer.text
    wrong = await owner.post(f"{PAGE}/confirm", {"code": "000000"})
    assert wrong.status_code == 400
    assert secret_in(wrong.text) == secret
    assert is_in(await other.post("/sign-in", {"email": owner.email, "password": PASSWORD}))
    before = owner.session
    right = await owner.post(f"{PAGE}/confirm", {"code": Authenticator(owner, secret).code()})
    assert right.status_code == 200
    assert "10 recovery codes are left" in text_of((await owner.get("/account")).text)
    assert owner.session != before
    assert (await other.get("/apps")).headers["location"] == "/sign-in"
    # What the page itself sends works: its token is that of the session's new name.
    assert (await owner.post("/account/name", {"name": "Anna"})).status_code == 303


async def test_recovery_codes_are_shown_once(owner: Browser, phone: Authenticator) -> None:
    """The page loaded anew shows none, and nothing is drawn again: the secret neither."""
    for path, fields in ((f"{PAGE}/confirm", {"code": phone.code()}), (PAGE, {})):
        again = await owner.post(path, fields)
        assert (again.status_code, again.headers["location"]) == (303, PAGE)
    for path in ("/account", PAGE, "/audit"):
        page = (await owner.get(path)).text
        assert not any(code in page for code in phone.recovery_codes)
        assert "otpauth" not in page


async def test_signing_in_asks_for_a_code_before_there_is_a_session(owner: Browser, phone: Authenticator) -> None:
    """The password alone gives no cookie; with the code it is one as always."""
    browser, answer = await password_of(owner)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert browser.session is None
    step = step_in(answer.text)
    for text in (step, step.rpartition(".")[2], step.split(".")[2]):
        assert (await Browser(owner.service, session=text).get("/apps")).headers["location"] == "/sign-in"
    assert is_in(await show_code(browser, step, phone.code()))
    assert (await browser.get("/apps")).status_code == 200
    assert (await Browser(owner.service).get("/sign-in/code")).headers["location"] == "/sign-in"


async def test_a_wrong_code_is_not_told_from_a_used_one(owner: Browser, phone: Authenticator) -> None:
    """Nor from a right one that comes with a password that was shown before; the answer is the same, and takes no code."""
    browser, answer = await password_of(owner)
    first, code = step_in(answer.text), phone.code()
    assert is_in(await show_code(browser, first, code))
    other, answer = await password_of(owner)
    second = step_in(answer.text)
    assert second != first
    told = set()
    for step, typed in ((second, code), (second, "000000"), (first, phone.recovery_codes[0])):
        refused = await show_code(other, step, typed)
        assert refused.status_code == 400
        assert "set-cookie" not in refused.headers
        told.add(text_of(refused.text))
    assert len(told) == 1
    assert "10 recovery codes are left" in text_of((await browser.get("/account")).text)


async def test_a_shown_password_is_good_for_one_person_s_one_sign_in(owner: Browser, phone: Authenticator) -> None:
    """Not for another person, not twice, and not if it was never shown."""
    thief = Browser(owner.service)
    await thief.sign_up()
    await thief.sign_in()
    theirs = await thief.set_up_factor()
    await theirs.later()
    browser, answer = await password_of(owner)
    step, their_step = step_in(answer.text), step_in((await password_of(thief))[1].text)
    for forged in ("", "x", step[:-1] + ("0" if step[-1] != "0" else "1"), their_step):
        assert (await show_code(browser, forged, phone.code())).status_code == 400
    assert (await show_code(browser, step, theirs.code())).status_code == 400
    assert is_in(await show_code(browser, step, phone.recovery_codes[0]))
    again = await show_code(browser, step, phone.recovery_codes[1])
    assert again.status_code == 400
    assert "set-cookie" not in again.headers


async def test_a_password_that_has_been_changed_was_shown_for_nothing(owner: Browser, phone: Authenticator) -> None:
    """Whoever had shown the old one, and has a right code, begins again."""
    browser, answer = await password_of(owner)
    wish = {"password": PASSWORD, "new_password": NEXT}
    assert (await owner.post("/account/password", wish)).status_code == 303
    refused = await show_code(browser, step_in(answer.text), phone.code())
    assert refused.status_code == 400
    assert "set-cookie" not in refused.headers
    assert "the password was changed" in await letters(owner)


async def test_codes_are_tried_slower_and_slower(owner: Browser, phone: Authenticator) -> None:
    """From whatever addresses; the right one has to wait as well, and the audit log has each try that was let through."""
    _, answer = await password_of(owner)
    step = step_in(answer.text)
    before = (await owner.get("/audit")).text.count("code.refused")
    # One has been taken when the second factor was set up.
    tries = [(await show_code(Browser(owner.service), step, "000000")).status_code for _ in range(5)]
    assert tries == [400] * 4 + [429]
    refused = await show_code(Browser(owner.service), step, phone.code())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await owner.get("/audit")).text.count("code.refused") - before == 4


async def test_a_lost_phone_is_no_lost_account(owner: Browser, phone: Authenticator) -> None:
    """A recovery code lets in once; from there the second factor can be removed, and the password is enough again."""
    browser, answer = await password_of(owner)
    assert is_in(await show_code(browser, step_in(answer.text), phone.recovery_codes[0].lower()))
    assert "9 recovery codes are left" in text_of((await browser.get("/account")).text)
    assert (await browser.post(f"{PAGE}/remove")).headers["location"] == "/account?done=factor_removed"
    assert is_in((await password_of(owner))[1])
    assert "the second factor was removed" in await letters(owner)


async def test_new_recovery_codes_take_the_place_of_the_old(owner: Browser, phone: Authenticator) -> None:
    """Those before hold no more."""
    page = (await owner.post(f"{PAGE}/recovery-codes")).text
    assert not any(code in page for code in phone.recovery_codes)
    browser, answer = await password_of(owner)
    assert (await show_code(browser, step_in(answer.text), phone.recovery_codes[0])).status_code == 400
    new = page.partition("<code>")[2].split()[0]
    assert is_in(await show_code(browser, step_in(answer.text), new))


async def test_the_password_alone_proves_nothing_any_more(owner: Browser, phone: Authenticator) -> None:
    """Where it is asked for once more a code is, too; what lets people in is seen to after that alone."""
    await owner.wait_for_proof()
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("POST", "/confirm"),
        ("POST", "/recovery-codes"),
        ("POST", "/remove"),
    ):
        answer = await (owner.get(PAGE + path) if method == "GET" else owner.post(PAGE + path))
        assert answer.headers["location"] == f"/prove?then={PAGE}{path}"
    assert 'name="code"' in (await owner.get(f"/prove?then={PAGE}/remove")).text
    for fields in ({}, {"code": "000000"}, {"password": "a wrong one", "code": phone.code()}):
        refused = await owner.post("/prove", {"password": PASSWORD, "then": PAGE, **fields})
        assert refused.status_code == 400
    assert (await owner.get(PAGE)).status_code == 303
    answer = await owner.post("/prove", {"password": PASSWORD, "code": phone.code(), "then": f"{PAGE}/remove"})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert (await owner.get(PAGE)).status_code == 200
    log = (await owner.get("/audit")).text
    assert (log.count("code.refused"), log.count("proof.refused")) == (2, 1)


async def test_an_invitation_and_a_reset_are_no_way_around_it(
    owner: Browser, phone: Authenticator, service: Service
) -> None:
    """Neither begins a session without a code."""
    host = Browser(service)
    await host.sign_up()
    await host.sign_in()
    await host.post("/team/invite", {"email": owner.email, "role": "viewer"})
    path = await link_to(service, owner.email, "/invitation/")
    guest = Browser(service, owner.email)
    assert 'name="code"' in (await guest.get(path)).text
    for code in ("", "000000"):
        refused = await guest.post(path, {"password": PASSWORD, "code": code})
        assert refused.status_code == 400
        assert "set-cookie" not in refused.headers
    await guest.post("/forgotten", {"email": owner.email})
    reset = await link_to(service, owner.email, "/reset/")
    assert (await guest.post(reset, {"password": NEXT})).headers["location"] == "/sign-in?done=password_reset"
    assert guest.session is None
    _, answer = await password_of(owner, NEXT)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert is_in(await show_code(guest, step_in(answer.text), phone.recovery_codes[0]))
    joined = await guest.post(path, {"password": NEXT, "code": phone.recovery_codes[1]})
    assert joined.headers["location"] == "/apps?done=joined"


async def test_the_operator_lets_somebody_in_who_has_lost_everything(
    owner: Browser, phone: Authenticator, environment: Mapping[str, str]
) -> None:
    """By a verb of the command line, which the person's audit log tells of."""
    assert phone.recovery_codes
    command = [sys.executable, "-m", "api", "person", "remove-second-factor"]

    async def run(email: str) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(
            subprocess.run,
            [*command, email],
            env=dict(environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    done = await run(owner.email)
    assert done.returncode == 0, done.stderr
    assert "has_second_factor=False" in done.stdout
    assert is_in((await password_of(owner))[1])
    assert "operator" in (await owner.get("/audit")).text
    for unknown in (owner.email, "nobody@example.com"):
        assert (await run(unknown)).returncode == 1


async def letters(owner: Browser) -> str:
    """Give all that has been written to the owner, once somebody has been written to thereafter."""
    other = Browser(owner.service)
    await other.post("/forgotten", {"email": owner.email})
    await link_to(owner.service, owner.email, "/reset/")
    return owner.service.log.read_text()
