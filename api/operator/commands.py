"""The operator's verbs on the command line; they work on the database itself."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from api.keys.schemas import KeyView
from api.names import user_id
from api.operator.schemas import AppView, TenantView
from api.settings import Settings
from api.tokens.schemas import TokenView
from tenants import second_factors
from tenants.accounts import create_tenant, list_tenants
from tenants.apps import create_app, get_app, list_apps
from tenants.errors import NotFound
from tenants.hashing import Pepper
from tenants.ids import AppId, TenantId, parse_app_name, parse_tenant_name, person_name
from tenants.keys import create_key, list_keys, parse_key_id, revoke_key
from tenants.people import person_of
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys
from tenants.signing import reseal
from tenants.tokens import DEFAULT_TTL_S, mint_token

# argparse has no public name for what `add_subparsers` gives.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
Shown = list[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class Tools:
    """What the verbs work with."""

    postgres: Postgres
    pepper: Pepper
    master_keys: MasterKeys


Verb = Callable[[argparse.Namespace, Tools], Awaitable[Shown]]
"""Does what is asked, and gives what is to be shown."""


class PersonView(msgspec.Struct):
    """A person, and whether a code is asked for when that person signs in."""

    id: str
    email: str
    has_second_factor: bool


class Resealed(msgspec.Struct):
    """How many secrets have been put under the newest master key, and which that is."""

    resealed: int
    master_key: str


def add_verbs(verbs: Verbs, settings: Callable[[], Settings]) -> None:
    """Add `tenant`, `app`, `key`, `token`, `person` and `reseal`; `settings` is asked for when one of them runs."""
    adding = _Adding(settings)
    tenant = _group(verbs, "tenant", "the paying accounts")
    adding.add(tenant, "create", _create_tenant, "make a tenant", "name")
    adding.add(tenant, "list", _list_tenants, "show all tenants")
    app = _group(verbs, "app", "a tenant's isolated chat worlds")
    create = adding.add(app, "create", _create_app, "make an app", "tenant", "name")
    create.add_argument("--environment", choices=("live", "test"), default="live")
    adding.add(app, "list", _list_apps, "show a tenant's apps", "tenant")
    key = _group(verbs, "key", "an app's API keys")
    adding.add(key, "create", _create_key, "make a key, shown once", "app", "label")
    adding.add(key, "list", _list_keys, "show an app's keys", "app")
    adding.add(key, "revoke", _revoke_key, "revoke a key", "app", "key")
    token = _group(verbs, "token", "users' tokens")
    mint = adding.add(token, "mint", _mint_token, "issue a token", "app", "user")
    mint.add_argument("--ttl", type=int, default=DEFAULT_TTL_S, help="seconds")
    person = _group(verbs, "person", "people who sign in to the dashboard")
    without = "let somebody in by the password alone, who has lost authenticator and recovery codes"
    adding.add(person, "remove-second-factor", _remove_second_factor, without, "email")
    adding.add(verbs, "reseal", _reseal, "put all secrets under the newest master key, while the service runs")


class _Adding:
    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def add(
        self,
        group: Verbs,
        name: str,
        verb: Verb,
        text: str,
        *arguments: str,
    ) -> argparse.ArgumentParser:
        parser = group.add_parser(name, help=text)
        for argument in arguments:
            parser.add_argument(argument)
        parser.add_argument("--json", action="store_true", help="print JSON, an object a line")

        def run(options: argparse.Namespace) -> int:
            return asyncio.run(self._run(options, verb))

        parser.set_defaults(run=run)
        return parser

    async def _run(self, options: argparse.Namespace, verb: Verb) -> int:
        settings = self._settings()
        async with Postgres.open(settings.database_url, fence_all=settings.db_fence == "all") as postgres:
            shown = await verb(options, Tools(postgres, Pepper(settings.pepper), settings.master_keys))
        for struct in shown:
            members = json.loads(msgspec.json.encode(struct))
            text = json.dumps(members) if options.json else _line(members)
            print(text)  # noqa: T201 - what the command is for
        return 0


def _group(verbs: Verbs, name: str, text: str) -> Verbs:
    return verbs.add_parser(name, help=text).add_subparsers(required=True, metavar="VERB")


def _line(members: dict[str, object]) -> str:
    return "  ".join(f"{name}={value}" for name, value in members.items() if value is not None)


async def _create_tenant(options: argparse.Namespace, tools: Tools) -> Shown:
    return [TenantView.of(await create_tenant(tools.postgres, options.name))]


async def _list_tenants(_: argparse.Namespace, tools: Tools) -> Shown:
    return [TenantView.of(tenant) for tenant in await list_tenants(tools.postgres)]


async def _create_app(options: argparse.Namespace, tools: Tools) -> Shown:
    tenant = _tenant(options.tenant)
    return [AppView.of(await create_app(tools.postgres, tools.master_keys, tenant, options.name, options.environment))]


async def _list_apps(options: argparse.Namespace, tools: Tools) -> Shown:
    return [AppView.of(app) for app in await list_apps(tools.postgres, _tenant(options.tenant))]


async def _create_key(options: argparse.Namespace, tools: Tools) -> Shown:
    key, text = await create_key(tools.postgres, tools.pepper, _app(options.app), options.label)
    return [KeyView.of(key, text)]


async def _list_keys(options: argparse.Namespace, tools: Tools) -> Shown:
    return [KeyView.of(key) for key in await list_keys(tools.postgres, _app(options.app))]


async def _revoke_key(options: argparse.Namespace, tools: Tools) -> Shown:
    app = await get_app(tools.postgres, _app(options.app))
    number = parse_key_id(app.scope, options.key)
    if number is None:
        raise NotFound
    await revoke_key(tools.postgres, app.scope.app, number)
    keys = await list_keys(tools.postgres, app.scope.app)
    return [KeyView.of(key) for key in keys if key.number == number]


async def _mint_token(options: argparse.Namespace, tools: Tools) -> Shown:
    app = await get_app(tools.postgres, _app(options.app))
    token = await mint_token(tools.postgres, tools.master_keys, app.scope, user_id(options.user), options.ttl)
    return [TokenView(token.text, token.user, token.expires_at)]


async def _remove_second_factor(options: argparse.Namespace, tools: Tools) -> Shown:
    person = await person_of(tools.postgres, options.email)
    if person is None:
        raise NotFound(f"Nobody has the address {options.email}.")
    if not await second_factors.remove(tools.postgres, person, by=None, address="operator"):
        raise NotFound(f"{person.email} has no second factor.")
    return [PersonView(person_name(person.id), person.email, has_second_factor=False)]


async def _reseal(_: argparse.Namespace, tools: Tools) -> Shown:
    resealed = 0
    while batch := await reseal(tools.postgres, tools.master_keys):
        resealed += batch
    while batch := await second_factors.reseal(tools.postgres, tools.master_keys):
        resealed += batch
    return [Resealed(resealed, tools.master_keys.newest)]


def _tenant(name: str) -> TenantId:
    tenant = parse_tenant_name(name)
    if tenant is None:
        raise NotFound(f"{name} is no tenant's id; tenant list shows them.")
    return tenant


def _app(name: str) -> AppId:
    app = parse_app_name(name)
    if app is None:
        raise NotFound(f"{name} is no app's id; app list shows them.")
    return app
