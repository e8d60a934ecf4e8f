"""What a person does to apps and keys: the deed and its entry are there together, or neither is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy.exc import DBAPIError

from api.embedded import Servers
from tenants import apps, audit_log, keys, signing
from tenants.apps import App, AppSettings, change_app, create_app, delete_app
from tenants.audit_log import By
from tenants.errors import NotFound
from tenants.hashing import Pepper
from tenants.ids import KeyNumber, app_name, new_app_id
from tenants.keys import ApiKey, AskedAlready, create_key, revoke_key, rotate_key
from tenants.passwords import Passwords
from tenants.people import Member
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.signing import SigningKey, create_signing_key, list_signing_keys, retire_signing_key
from tests.support.people import KEYS, People

PEPPER = Pepper(b"p" * 32)
STATE = """
SELECT 'app ' || t::text FROM apps t WHERE tenant_id = :tenant
UNION ALL SELECT 'key ' || t::text FROM api_keys t JOIN apps a USING (app_id) WHERE tenant_id = :tenant
UNION ALL SELECT 'signing ' || t::text FROM signing_keys t JOIN apps a USING (app_id) WHERE tenant_id = :tenant
UNION ALL SELECT 'request ' || t::text FROM key_requests t JOIN apps a USING (app_id) WHERE tenant_id = :tenant
UNION ALL SELECT 'job ' || t::text FROM jobs t JOIN apps a USING (app_id) WHERE tenant_id = :tenant
UNION ALL SELECT 'entry ' || t::text FROM audit_entries t WHERE tenant_id = :tenant
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Here:
    """An app of somebody's, with a key and a signing key."""

    people: People
    owner: Member
    app: App
    key: ApiKey
    signing_key: SigningKey

    @property
    def postgres(self) -> Postgres:
        return self.people.postgres

    @property
    def scope(self) -> Scope:
        return self.app.scope

    @property
    def by(self) -> By:
        return By(self.owner.tenant, self.owner.person, "203.0.113.7")

    async def state(self) -> list[str]:
        """Give all that there is of the tenant's apps, and its log."""
        return [row[0] for row in await self.people.ask(STATE, tenant=self.owner.tenant)]

    async def entries(self) -> list[audit_log.Entry]:
        return await audit_log.entries(self.postgres, self.owner.tenant)


Deed = Callable[[Here, By | None], Awaitable[object]]
DEEDS: dict[str, Deed] = {
    "app.made": lambda here, by: create_app(here.postgres, KEYS, here.owner.tenant, "N", "test", by=by),
    "app.changed": lambda here, by: change_app(here.postgres, here.scope.app, AppSettings(name="M"), by=by),
    "app.suspended": lambda here, by: change_app(here.postgres, here.scope.app, AppSettings(suspended=True), by=by),
    "app.resumed": lambda here, by: change_app(here.postgres, here.scope.app, AppSettings(suspended=False), by=by),
    "app.deleted": lambda here, by: delete_app(here.postgres, here.scope.app, by=by),
    "key.made": lambda here, by: create_key(here.postgres, PEPPER, here.scope.app, "l", idempotency_key="k", by=by),
    "key.rotated": lambda here, by: rotate_key(
        here.postgres, PEPPER, here.scope.app, here.key.number, 60, idempotency_key="r", by=by
    ),
    "key.revoked": lambda here, by: revoke_key(here.postgres, here.scope.app, here.key.number, by=by),
    "signing_key.made": lambda here, by: create_signing_key(here.postgres, KEYS, here.scope, by=by),
    "signing_key.retired": lambda here, by: retire_signing_key(here.postgres, here.scope, here.signing_key.id, by=by),
}
ONCE = {"app.deleted", "key.revoked", "signing_key.retired"}
"""What changes nothing the second time."""


@pytest.fixture
async def here(stores: Servers, postgres: Postgres) -> AsyncIterator[Here]:
    """A new tenant's app."""
    passwords = Passwords()
    people = People(postgres, passwords, stores.database_url)
    owner = await people.owner()
    app = await create_app(postgres, KEYS, owner.tenant, "Chat", "test")
    key, _ = await create_key(postgres, PEPPER, app.scope.app, "server")
    (signing_key,) = await list_signing_keys(postgres, app.scope)
    yield Here(people, owner, app, key, signing_key)
    passwords.close()


@pytest.mark.parametrize("action", DEEDS)
async def test_a_deed_leaves_its_entry(here: Here, action: str) -> None:
    """One, by whom and from where; done by nobody in the team it leaves none, nor where it changes nothing any more."""
    await DEEDS[action](here, here.by)
    first, *others = await here.entries()
    assert [entry.action for entry in others] == ["tenant.made"]
    assert (first.action, first.email, first.address) == (action, here.owner.person.email, "203.0.113.7")
    if action in ONCE:
        await DEEDS[action](here, here.by)
    elif action not in {"key.made", "key.rotated"}:
        await DEEDS[action](here, None)
    assert len(await here.entries()) == 2


@pytest.mark.parametrize("action", DEEDS)
async def test_what_cannot_be_noted_is_not_done(here: Here, action: str) -> None:
    """The log refuses the entry at the last step of the deed: nothing of the deed is left."""
    before = await here.state()
    elsewhere = await here.people.owner()
    stranger = replace(here.by, tenant=elsewhere.tenant)
    if action in {"app.made", "signing_key.made", "signing_key.retired"}:
        # Inside the tenant that the scope names, an entry of another is refused by the walls.
        with pytest.raises(DBAPIError):
            await DEEDS[action](here, stranger)
    else:
        nobody = replace(here.by, address="\x00")
        with pytest.raises(DBAPIError):
            await DEEDS[action](here, nobody)
    assert await here.state() == before


@pytest.mark.parametrize("action", sorted(DEEDS.keys() - {"app.made", "key.made", "signing_key.made"}))
async def test_what_is_not_done_is_not_noted(here: Here, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails when all processes are to be told of it has not been, and leaves no entry."""

    async def fail(*_: object) -> None:
        raise ConnectionError

    for module in (apps, keys, signing):
        monkeypatch.setattr(module, "send_control", fail)
    before = await here.state()
    with pytest.raises(Exception):  # noqa: B017, PT011 - the door says in its own words that the database is gone
        await DEEDS[action](here, here.by)
    assert await here.state() == before


async def test_what_is_done_to_nothing_is_not_noted(here: Here) -> None:
    """An app, a key or a signing key that there is not is not found, and the log is as before."""
    app, number = new_app_id(), KeyNumber(999)
    nothing = Scope(here.owner.tenant, app)
    for deed in (
        change_app(here.postgres, app, AppSettings(name="M"), by=here.by),
        delete_app(here.postgres, app, by=here.by),
        create_key(here.postgres, PEPPER, app, "l", by=here.by),
        rotate_key(here.postgres, PEPPER, here.scope.app, number, 0, by=here.by),
        revoke_key(here.postgres, here.scope.app, number, by=here.by),
        retire_signing_key(here.postgres, nothing, here.signing_key.id, by=here.by),
    ):
        with pytest.raises(NotFound):
            await deed
    assert [entry.action for entry in await here.entries()] == ["tenant.made"]


async def test_a_change_tells_what_was_before_and_after(here: Here) -> None:
    """Of what was changed alone, and never a secret."""
    settings = AppSettings(name="M", allowed_origins=["https://a.example"], retention_s=86_400)
    await change_app(here.postgres, here.scope.app, settings, by=here.by)
    await change_app(here.postgres, here.scope.app, AppSettings(name="M", limits='{"rooms": 5}'), by=here.by)
    key, text = await create_key(here.postgres, PEPPER, here.scope.app, "l", by=here.by)
    made, second, first, *_ = await here.entries()
    assert first.detail == {
        "name": {"before": "Chat", "after": "M"},
        "origins": {"before": ["*"], "after": ["https://a.example"]},
        "retention_s": {"before": None, "after": 86_400},
    }
    assert second.detail == {"limits": {"before": "{}", "after": '{"rooms": 5}'}}
    assert (made.target, made.detail["app"], made.detail["label"]) == (key.id, app_name(here.scope.app), "l")
    assert text[-49:] not in str(made)


async def test_a_request_makes_one_key(here: Here) -> None:
    """Asked again, by creating or rotating, it does nothing; another one, or the same of another app, is another request."""
    app = here.scope.app
    key, _ = await create_key(here.postgres, PEPPER, app, "l", idempotency_key="one", by=here.by)
    before = await here.state()
    for deed in (
        create_key(here.postgres, PEPPER, app, "l", idempotency_key="one", by=here.by),
        rotate_key(here.postgres, PEPPER, app, key.number, 0, idempotency_key="one", by=here.by),
    ):
        with pytest.raises(AskedAlready):
            await deed
    assert await here.state() == before
    await rotate_key(here.postgres, PEPPER, app, key.number, 60, idempotency_key="two")
    with pytest.raises(AskedAlready):
        await rotate_key(here.postgres, PEPPER, app, key.number, 60, idempotency_key="two")
    second = await create_app(here.postgres, KEYS, here.owner.tenant, "N", "test")
    await create_key(here.postgres, PEPPER, second.scope.app, "l", idempotency_key="one")
