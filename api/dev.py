"""`roomlog-server dev`: the service on private servers, migrated and seeded, with something to try printed."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from api.embedded import servers
from api.migrate import migrate
from api.serve import check_port, die_with_parent
from api.settings import kept_master_key, kept_secret
from api.shipped import own_command
from tenants.ids import tenant_name
from tenants.passwords import Passwords
from tenants.people import Member, find_person, sign_up
from tenants.postgres import Postgres
from tenants.sessions import begin

START_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 5.0
TOKEN_TTL_S = 86_400
ROOM = "general"
USERS = ("alice", "bob")
INTERNAL_OFFSET = 1_000
OWNER = "owner@demo.example"
"""Who owns the demo's tenant."""


class DevFailed(Exception):
    """The service did not come up; the message says why."""


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What the command line says."""

    port: int
    dashboard_port: int
    """0: no dashboard."""
    data: Path
    workers: int
    migrations: Path


@dataclass(frozen=True, slots=True)
class Demo:
    """What is seeded, as `dev.json` tells it to scripts."""

    url: str
    internal_url: str
    api_key: str
    app_id: str
    room_id: str
    redis_url: str
    dashboard_url: str | None
    users: list[dict[str, str]]


def run_dev(options: DevOptions, environ: dict[str, str]) -> int:
    """Run until told to stop; gives the exit status. Raises `PortTaken`, `NoServer`, `DevFailed`."""
    internal_port = options.port + INTERNAL_OFFSET
    check_port("127.0.0.1", options.port)
    check_port("127.0.0.1", options.dashboard_port)
    for number in range(options.workers):
        check_port("127.0.0.1", internal_port + number)
    options.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if not ("DATABASE_URL" in environ and "REDIS_URL" in environ):
            private = stack.enter_context(servers(options.data / "servers", environ, durable=True, keep=True))
            environ = {
                "DATABASE_URL": private.database_url,
                "REDIS_URL": private.redis_url,
            } | environ
        migrate(environ["DATABASE_URL"], options.migrations)
        environ = environ | {
            "ROOMLOG_PEPPER": kept_secret(options.data, "pepper"),
            "ROOMLOG_MASTER_KEYS": kept_master_key(options.data),
            "ROOMLOG_OPERATOR_TOKEN": kept_secret(options.data, "operator-token"),
            "ROOMLOG_PORT": str(options.port),
            "ROOMLOG_INTERNAL_PORT": str(internal_port),
            "ROOMLOG_DASHBOARD_PORT": str(options.dashboard_port),
            "ROOMLOG_WORKERS": str(options.workers),
            "ROOMLOG_DRAIN_S": environ.get("ROOMLOG_DRAIN_S", "0"),
            "ROOMLOG_DRAIN_DELAY_S": environ.get("ROOMLOG_DRAIN_DELAY_S", "0"),
            "ROOMLOG_LOG_LEVEL": environ.get("ROOMLOG_LOG_LEVEL", "info"),  # mails stand in it
        }
        service = subprocess.Popen(own_command("serve"), env=environ, preexec_fn=die_with_parent)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            service.send_signal(signal.SIGTERM)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        try:
            url = f"http://127.0.0.1:{options.port}"
            internal_url = f"http://127.0.0.1:{internal_port}"
            _await_ready(service, internal_url)
            owner, entrance = asyncio.run(_owner(options.data, environ["DATABASE_URL"]))
            dashboard_url = f"http://127.0.0.1:{options.dashboard_port}" if options.dashboard_port else None
            demo = _seed(options.data, url, internal_url, environ, owner, dashboard_url)
            _write(options.data / "dev.json", demo)
            print(_greeting(demo, options.data, entrance), flush=True)  # noqa: T201 - what the command is for
            return service.wait()
        finally:
            if service.poll() is None:
                service.terminate()
            service.wait()


def _await_ready(service: "subprocess.Popen[bytes]", internal_url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise DevFailed(f"The service has ended with status {service.returncode}.")
        try:
            urllib.request.urlopen(internal_url + "/readyz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise DevFailed(f"The service was not ready within {START_TIMEOUT_S:.0f} s.")


async def _owner(data: Path, database_url: str) -> tuple[Member, str]:
    """Give who owns the demo, signed up on the first run, and the text of a session for a link that lets in once."""
    password, passwords = kept_secret(data, "owner-password"), Passwords()
    async with Postgres.open(database_url) as postgres:
        member = await sign_up(
            postgres, passwords, email=OWNER, name="Demo owner", password=password, organisation="Demo"
        )
        if member is None:
            member = next(iter(await find_person(postgres, passwords, OWNER, password)), None)
        if member is None:
            raise DevFailed(f"{OWNER} has another password than {data / 'owner-password'} says.")
        entrance = await begin(postgres, member, address="127.0.0.1", agent="dev")
    passwords.close()
    return member, entrance


def _seed(
    data: Path, url: str, internal_url: str, environ: dict[str, str], owner: Member, dashboard_url: str | None
) -> Demo:
    """Make an app, key, users and room over the service's own REST, or find those of an earlier run."""
    kept, tenant = data / "demo.json", tenant_name(owner.tenant)
    known: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    if known.get("tenant") != tenant:
        operator, operator_token = f"{internal_url}/operator", environ["ROOMLOG_OPERATOR_TOKEN"]
        wish = {"name": "Demo", "environment": "test"}
        app = _post(f"{operator}/tenants/{tenant}/apps", operator_token, wish)
        key = _post(f"{operator}/apps/{app['id']}/keys", operator_token, {"label": "dev"})
        known = {"tenant": tenant, "api_key": key["key"], "app_id": app["id"]}
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(known))
    api_key = known["api_key"]
    users: list[dict[str, str]] = []
    for user in USERS:
        token = _post(f"{url}/v1/tokens", api_key, {"user": user, "ttl_s": TOKEN_TTL_S})
        users.append({"id": user, "token": token["token"]})
    _post(f"{url}/v1/rooms", api_key, {"id": ROOM, "name": "General", "members": list(USERS)})
    return Demo(url, internal_url, api_key, known["app_id"], ROOM, environ["REDIS_URL"], dashboard_url, users)


def _post(url: str, credential: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {credential}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise DevFailed(f"POST {url} answered {error.code}: {error.read().decode()}") from error


def _write(file: Path, demo: Demo) -> None:
    """Write for scripts, at once or not at all."""
    members = {name: getattr(demo, name) for name in demo.__slots__}
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(members, indent=2))
    draft.rename(file)


def _greeting(demo: Demo, data: Path, entrance: str) -> str:
    link = f"\nThe dashboard, as the demo's owner (this link lets in once): {demo.dashboard_url}/enter/{entrance}"
    dashboard = "" if demo.dashboard_url is None else link
    alice, bob = demo.users
    python = shlex.quote(os.path.relpath(sys.executable))
    connect = demo.url.replace("http", "ws", 1) + "/v1/connect"
    return f"""
Roomlog runs at {demo.url}  (health and metrics: {demo.internal_url})
App {demo.app_id}, room {demo.room_id}, users alice and bob; credentials in {data / "dev.json"}{dashboard}

1. Follow the room as bob:
   {python} -m websockets {connect}
   > {{"op":"auth","token":"{bob["token"]}"}}
   > {{"op":"subscribe","rooms":[{{"room":"{demo.room_id}"}}]}}

2. Say something as alice:
   curl -s {demo.url}/v1/rooms/{demo.room_id}/messages -H 'Authorization: Bearer {alice["token"]}' \\
     -H 'Content-Type: application/json' -d '{{"parts":[{{"type":"text","text":"Hello, bob"}}]}}'

3. Read the last messages:
   curl -s {demo.url}/v1/rooms/{demo.room_id}/messages -H 'Authorization: Bearer {bob["token"]}'

Ctrl-C stops everything; the data stays in {data}.
"""
