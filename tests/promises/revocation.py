"""`python -m tests.promises.revocation`: how long after its acknowledgement a revocation holds everywhere, Redis dead.

For each kind of credential: two processes that know it and have a socket open with it; Redis killed; one revocation by the
first process; and the times until the other request is refused and the socket closed, on each.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from websockets.asyncio.client import ClientConnection

from tests.promises.cluster import Cluster, running_cluster
from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.sockets import connect
from tests.support.world import App, new_app

PROMISED_S = 1.0
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Times:
    """Seconds from the acknowledgement, by process."""

    kind: str
    refused: list[float]
    closed: list[float]

    @property
    def worst(self) -> float:
        return max(*self.refused, *self.closed)


Revoke = Callable[[], Awaitable[httpx2.Response]]
Prepare = Callable[[App, httpx2.AsyncClient], Awaitable[tuple[str, Revoke]]]
"""Makes a credential, and what ends it."""


async def a_token(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    token = (await app.mint("ann"))["token"]
    return token, lambda: app.ask("POST", "/v1/tokens/revoke", {"token": token})


async def a_user(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    return (await app.mint("ann"))["token"], lambda: app.ask("POST", "/v1/users/ann/revoke")


async def a_deleted_user(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    return (await app.mint("ann"))["token"], lambda: app.ask("DELETE", "/v1/users/ann")


async def a_key(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    made = (await app.ask("POST", "/v1/keys", {"label": "second"})).json()
    return made["key"], lambda: app.ask("DELETE", f"/v1/keys/{made['id']}")


async def a_signing_key(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    keys = (await app.ask("GET", "/v1/signing-keys")).json()["signing_keys"]
    return (await app.mint("ann"))["token"], lambda: app.ask("DELETE", f"/v1/signing-keys/{keys[0]['id']}")


async def a_suspended_app(app: App, operator: httpx2.AsyncClient) -> tuple[str, Revoke]:
    token = (await app.mint("ann"))["token"]
    return token, lambda: operator.patch(f"/operator/apps/{app.id}", json={"suspended": True})


async def a_deleted_app(app: App, _: httpx2.AsyncClient) -> tuple[str, Revoke]:
    return (await app.mint("ann"))["token"], lambda: app.ask("DELETE", "/v1/app")


KINDS: dict[str, Prepare] = {
    "token": a_token,
    "user": a_user,
    "user deleted": a_deleted_user,
    "API key": a_key,
    "signing key": a_signing_key,
    "app suspended": a_suspended_app,
    "app deleted": a_deleted_app,
}


async def measure(cluster: Cluster) -> list[Times]:
    """Kill Redis, then end one credential of each kind; gives how long each took to end everywhere."""
    cluster.kill_redis()
    first = cluster.services[0]
    headers = {"Authorization": f"Bearer {first.operator_token}"}
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(public_client(first.url))
        operator = await stack.enter_async_context(plain_client(first.internal_url, headers=headers))
        found: list[Times] = []
        for kind, prepare in KINDS.items():
            app = await new_app(first, http)
            credential, revoke = await prepare(app, operator)
            found.append(await _time(cluster.services, kind, credential, revoke))
        return found


async def _time(services: list[Service], kind: str, credential: str, revoke: Revoke) -> Times:
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(service.socket_url, credential)) for service in services]
        clients = [await stack.enter_async_context(public_client(service.url)) for service in services]
        for client in clients:
            assert (await _ask(client, credential)) == 200
        answer = await revoke()
        acked_at = time.monotonic()
        assert answer.status_code < 300, answer.text
        async with asyncio.timeout(PATIENCE_S):
            ends = await asyncio.gather(
                *(_until_refused(client, credential, acked_at) for client in clients),
                *(_until_closed(socket.raw, acked_at) for socket in sockets),
            )
    return Times(kind, ends[: len(services)], ends[len(services) :])


async def _ask(client: httpx2.AsyncClient, credential: str) -> int:
    return (await client.get("/v1/rooms", headers={"Authorization": f"Bearer {credential}"})).status_code


async def _until_refused(client: httpx2.AsyncClient, credential: str, since: float) -> float:
    while await _ask(client, credential) == 200:
        await asyncio.sleep(0.01)
    return time.monotonic() - since


async def _until_closed(raw: ClientConnection, since: float) -> float:
    await raw.wait_closed()
    return time.monotonic() - since


def table(found: list[Times]) -> str:
    """Show the times in milliseconds, by process."""
    lines = ["ended, Redis dead   refused, ms        socket closed, ms"]
    for times in found:
        cells = "".join(f"{second * 1000:8.0f}" for second in (*times.refused, *times.closed))
        lines.append(f"{times.kind:16}{cells}{'' if times.worst <= PROMISED_S else '   TOO LATE'}")
    return "\n".join(lines)


def main() -> int:
    """Run it; gives 1 if a promise was broken."""
    with (
        tempfile.TemporaryDirectory(prefix="roomlog-revocation-") as folder,
        running_cluster(Path(folder), 2, {}) as cluster,
    ):
        found = asyncio.run(measure(cluster))
    print(table(found))
    return int(any(times.worst > PROMISED_S for times in found))


if __name__ == "__main__":
    sys.exit(main())
