"""Browsers without a window: what people do on the dashboard, by its forms alone."""

import asyncio
import base64
import json
import random
import re
import secrets
import time
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx2

from tenants.totp import code_at, step_at
from tests.support.plain import plain_client
from tests.support.processes import Service

MAIL_S = 10.0
PASSWORD = "correct horse battery staple"


def dashboard_url(service: Service) -> str:
    return f"http://127.0.0.1:{service.environment['ROOMLOG_DASHBOARD_PORT']}"


@dataclass
class Browser:
    """Keeps a session as browsers do, sends forms with what browsers say of them, and comes from an address of its own."""

    service: Service
    email: str = field(default_factory=lambda: f"{secrets.token_hex(6)}@example.com")
    organisation: str = field(default_factory=lambda: f"Org {secrets.token_hex(4)}")
    session: str | None = None
    token: str = ""
    address: str = field(default_factory=lambda: f"10.{random.randrange(256)}.{random.randrange(256)}.7")

    @property
    def url(self) -> str:
        return dashboard_url(self.service)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
        """Send a form as a page of ours does."""
        if self.session is not None and not self.token:
            await self.get("/account")
        sent = {"form_token": self.token, **(fields or {})}
        body = urlencode({name: value for name, value in sent.items() if value is not None}, doseq=True)
        said = {"Origin": self.url, "Sec-Fetch-Site": "same-origin", **headers}
        said["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.ask("POST", path, headers={k: v for k, v in said.items() if v}, content=body)

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str], content: str | None = None
    ) -> httpx2.Response:
        said = {"X-Forwarded-For": self.address, **headers}
        if self.session is not None:
            said.setdefault("Cookie", f"roomlog={self.session}")
        async with plain_client(self.url) as http:
            answer = await http.request(method, path, headers=said, content=content)
        if "set-cookie" in answer.headers:
            value = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
            # The forms of pages from before are of another session.
            self.session, self.token = value or None, ""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', answer.text)
        if token is not None:
            self.token = token[1]
        return answer

    async def sign_up(self, name: str = "Ann") -> None:
        wish = {"organisation": self.organisation, "name": name, "email": self.email, "password": PASSWORD}
        answer = await self.post("/sign-up", wish)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?done=signed_up"), answer.text

    async def sign_in(self, password: str = PASSWORD) -> httpx2.Response:
        answer = await self.post("/sign-in", {"email": self.email, "password": password})
        if answer.status_code == 303:
            await self.get("/account")
        return answer

    async def make_app(self, name: str = "Chat", environment: str = "test") -> str:
        answer = await self.post("/apps", {"name": name, "environment": environment})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].removeprefix("/apps/").partition("?")[0]

    async def make_key(self, app: str, label: str = "server", **more: Any) -> tuple[str, str]:
        """Give the key's id and its text."""
        wish = {"label": label, "grants": ["rooms:read", "tokens:create", "users:write"], "expires": "never", **more}
        answer = await self.post(f"/apps/{app}/keys", wish)
        assert answer.status_code == 201, answer.text
        return key_in(answer.text)

    async def invite(self, role: str, name: str = "Bob") -> "Browser":
        """Have somebody join the team."""
        email = f"{secrets.token_hex(6)}@example.com"
        answer = await self.post("/team/invite", {"email": email, "role": role})
        assert answer.status_code == 303, answer.text
        invited = Browser(self.service, email, self.organisation)
        path = await link_to(self.service, email, "/invitation/")
        answer = await invited.post(path, {"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        await invited.get("/account")
        return invited

    async def run_sql(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Run a statement as a superuser, whom no wall binds; `$1` is this browser's person."""
        connection = await asyncpg.connect(self.service.environment["DATABASE_URL"])
        try:
            person = await connection.fetchval("SELECT person_id FROM people WHERE email = $1", self.email)
            return await connection.fetch(statement, person, *values)
        finally:
            await connection.close()

    async def wait_for_proof(self) -> None:
        """Have the password not been shown of late."""
        await self.run_sql("UPDATE sessions SET proved_at = now() - interval '16 minutes' WHERE person_id = $1")

    async def set_up_factor(self) -> "Authenticator":
        """Set up a second factor."""
        page = (await self.post("/account/second-factor")).text
        phone = Authenticator(self, secret_in(page))
        answer = await self.post("/account/second-factor/confirm", {"code": phone.code()})
        assert answer.status_code == 200, answer.text
        phone.recovery_codes = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){5}", answer.text)
        assert len(phone.recovery_codes) == 10
        return phone


@dataclass
class Authenticator:
    """What somebody's phone shows."""

    owner: Browser
    secret: bytes
    recovery_codes: list[str] = field(default_factory=list)

    def code(self) -> str:
        return code_at(self.secret, step_at(time.time()))

    async def later(self) -> None:
        """Let time pass: the code that is shown has not been taken."""
        await self.owner.run_sql("UPDATE people SET totp_step = totp_step - 10 WHERE person_id = $1")


def secret_in(page: str) -> bytes:
    found = re.search(r"<code>((?:[A-Z2-7]{4} ?){8})</code>", page)
    assert found is not None, page
    return base64.b32decode(found[1].replace(" ", ""))


def step_in(page: str) -> str:
    """Give what says that the password was right, from the page that asks for the code."""
    found = re.search(r'name="step" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def key_in(page: str) -> tuple[str, str]:
    found = re.search(r"rl_(?:test|live)_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}", page)
    assert found is not None, page
    return found[1], found[0]


async def mail_to(service: Service, email: str, path: str) -> dict[str, str]:
    """Give the last mail to an address with such a link, from the log: it comes after the answer that it goes with."""
    async with asyncio.timeout(MAIL_S):
        while True:
            lines = [line for line in service.log.read_text().splitlines() if line.startswith("{")]
            mails = [entry for entry in map(json.loads, lines) if entry["event"] == "mail" and entry["to"] == email]
            for mail in reversed(mails):
                if path in mail["text"]:
                    return dict(mail)
            await asyncio.sleep(0.02)


async def link_to(service: Service, email: str, path: str) -> str:
    """Give the path of the link in the last such mail to an address."""
    text = (await mail_to(service, email, path))["text"]
    found = re.search(rf"https?://[^/\s]+({re.escape(path)}\S+)", text)
    assert found is not None, text
    return found[1]


def text_of(page: str) -> str:
    """Give what a page shows, without its tags."""
    return unescape(re.sub(r"<[^>]+>", "", page))
