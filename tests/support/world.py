"""Apps, users and rooms for tests, made over the service's own REST."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

from tenants.budgets import Allowance, Allowed
from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.sockets import Socket, connect

LIMITS = [field.name for field in msgspec.structs.fields(Allowance) if field.type is Allowed]


@dataclass
class App:
    """An app with its API key; clients of it speak as the server or as a user."""

    id: str
    key: str
    service: Service
    http: httpx2.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        user: str | None = None,
        acting: str | None = None,
        key: str | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Ask as the server, as a user with a token of their own, or as the server acting as a user."""
        credential = self.key if user is None else await self.token(user)
        sent = {"Authorization": f"Bearer {credential}", **(headers or {})}
        if acting is not None:
            sent["Roomlog-As"] = acting
        if key is not None:
            sent["Idempotency-Key"] = key
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
            return await self.http.request(method, path, content=content, headers=sent)
        if body is None:
            return await self.http.request(method, path, headers=sent)
        return await self.http.request(method, path, json=body, headers=sent)

    async def token(self, user: str) -> str:
        if user not in self.tokens:
            self.tokens[user] = (await self.mint(user))["token"]
        return self.tokens[user]

    async def mint(self, user: str, ttl_s: int = 3600) -> dict[str, Any]:
        answer = await self.ask("POST", "/v1/tokens", {"user": user, "ttl_s": ttl_s})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def room(self, id: str, members: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:  # noqa: A002
        for user in members:
            await self.token(user)
        wish = {"id": id, "members": list(members), **more}
        answer = await self.ask("POST", "/v1/rooms", wish)
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    async def say(self, room: str, text: str, user: str, key: str | None = None) -> dict[str, Any]:
        body = {"parts": [{"type": "text", "text": text}]}
        answer = await self.ask("POST", f"/v1/rooms/{room}/messages", body, user=user, key=key)
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    @contextlib.asynccontextmanager
    async def socket(self, user: str | None = None) -> AsyncIterator[Socket]:
        credential = self.key if user is None else await self.token(user)
        async with connect(self.service.socket_url, credential) as opened:
            yield opened


@dataclass
class World:
    """Two apps of two tenants."""

    app: App
    other: App


@contextlib.asynccontextmanager
async def new_world(service: Service) -> AsyncIterator[World]:
    async with public_client(service.url) as http:
        yield World(await new_app(service, http), await new_app(service, http))


async def new_app(
    service: Service,
    http: httpx2.AsyncClient,
    environment: str = "test",
    limits: Mapping[str, object] | None = None,
) -> App:
    """Make an app of a new tenant, with limits that tests do not meet unless they name others."""
    headers = {"Authorization": f"Bearer {service.operator_token}"}
    async with plain_client(service.internal_url, headers=headers) as operator:
        made = await operator.post("/operator/tenants", json={"name": "T"})
        assert made.status_code == 201, made.text
        tenant = made.json()
        wish: dict[str, object] = {"name": "A", "environment": environment}
        app = (await operator.post(f"/operator/tenants/{tenant['id']}/apps", json=wish)).json()
        # What tests do in a second, a user does in a day.
        plenty = {"per_s": 1_000_000, "burst": 1_000_000}
        wish = {"limits": {**dict.fromkeys(LIMITS, plenty), **(limits or {})}}
        changed = await operator.patch(f"/operator/apps/{app['id']}", json=wish)
        assert changed.status_code == 200, changed.text
        key = (await operator.post(f"/operator/apps/{app['id']}/keys", json={"label": "k"})).json()
    return App(app["id"], key["key"], service, http)
