"""API keys: the credentials of an app's own servers.

A key is `rl_<env>_<key id><…>`: `rl_live_` or `rl_test_`, a key id of twelve characters (eight of the app, four of the key,
so that a key leads to its app without any index across apps), `_`, a secret of 43 and a checksum of 6. The checksum lets
scanners and this service tell a key from noise without asking anybody; the secret is shown once and stored nowhere.
"""

import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from tenants.apps import get_app
from tenants.clock import to_rfc3339
from tenants.controls import KeyRevoked, send_control
from tenants.errors import NotFound
from tenants.hashing import Pepper
from tenants.ids import APP_WIDTH, KEY_WIDTH, AppId, KeyNumber, TenantId, from_base62, to_base62
from tenants.policies import Environment
from tenants.postgres import Postgres
from tenants.scope import Scope

SECRET_WIDTH = 43
"""Base 62 digits of 256 bits."""
CHECK_WIDTH = 6
SHAPE = re.compile(r"rl_(live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", re.ASCII)

INSERT = text("""
INSERT INTO api_keys (app_id, key_number, label, secret_hash, pepper_version)
SELECT :app, coalesce(max(key_number), 0) + 1, :label, :hash, :version FROM api_keys WHERE app_id = :app
RETURNING key_number, created_at
""")
# Two creations at once must not take the same number: the app's row is the queue.
QUEUE = text("SELECT 1 FROM apps WHERE app_id = :app FOR NO KEY UPDATE")
LIST = text("""
SELECT key_number, label, created_at, last_used_on, revoked_at FROM api_keys
 WHERE app_id = :app ORDER BY key_number
""")
FIND = text("""
SELECT k.secret_hash, a.tenant_id FROM api_keys k JOIN apps a ON a.app_id = k.app_id
 WHERE k.app_id = :app AND k.key_number = :key AND k.revoked_at IS NULL
""")
TOUCH = text("""
UPDATE api_keys SET last_used_on = current_date
 WHERE app_id = :app AND key_number = :key AND last_used_on IS DISTINCT FROM current_date
""")
REVOKE = text("""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE app_id = :app AND key_number = :key
RETURNING key_number
""")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be shown of a key at any time."""

    number: KeyNumber
    id: str
    label: str
    created_at: str
    last_used_on: date | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key's text, taken apart; that it has the right shape says nothing of whether it holds."""

    environment: str
    app: AppId
    number: KeyNumber
    secret: str


def parse_key(key: str) -> ParsedKey | None:
    """Take a key apart; None unless shape and checksum are right."""
    match = SHAPE.fullmatch(key)
    if match is None or _checksum(key[:-CHECK_WIDTH]) != match[4]:
        return None
    app, number = match[2][:APP_WIDTH], match[2][APP_WIDTH:]
    return ParsedKey(match[1], AppId(from_base62(app)), KeyNumber(from_base62(number)), match[3])


def key_id(app: AppId, number: KeyNumber) -> str:
    """Spell a key's public id."""
    return to_base62(app, APP_WIDTH) + to_base62(number, KEY_WIDTH)


def parse_key_id(scope: Scope, name: str) -> KeyNumber | None:
    """Read a public key id of this app; None for any other."""
    if len(name) != APP_WIDTH + KEY_WIDTH:
        return None
    try:
        app, number = from_base62(name[:APP_WIDTH]), from_base62(name[APP_WIDTH:])
    except ValueError:
        return None
    return KeyNumber(number) if app == scope.app else None


async def create_key(postgres: Postgres, pepper: Pepper, app: AppId, label: str) -> tuple[ApiKey, str]:
    """Make a key and give it with its text, which nobody can give again; raises `NotFound` without such an app."""
    environment: Environment = (await get_app(postgres, app)).environment
    secret = to_base62(secrets.randbits(256), SECRET_WIDTH)
    values = {
        "app": app,
        "label": label,
        "hash": pepper.secret_hash(secret),
        "version": pepper.version,
    }
    async with postgres.ground() as connection:
        await connection.execute(QUEUE, {"app": app})
        row = (await connection.execute(INSERT, values)).one()
    number = KeyNumber(row.key_number)
    public = key_id(app, number)
    prefix = f"rl_{environment}_{public}_{secret}"
    made = ApiKey(number, public, label, to_rfc3339(row.created_at), None, None)
    return made, prefix + _checksum(prefix)


async def list_keys(postgres: Postgres, app: AppId) -> list[ApiKey]:
    """Give an app's keys, revoked ones too, without their secrets."""
    async with postgres.ground() as connection:
        rows = (await connection.execute(LIST, {"app": app})).all()
    return [
        ApiKey(
            KeyNumber(row.key_number),
            key_id(app, KeyNumber(row.key_number)),
            row.label,
            to_rfc3339(row.created_at),
            row.last_used_on,
            None if row.revoked_at is None else to_rfc3339(row.revoked_at),
        )
        for row in rows
    ]


async def revoke_key(postgres: Postgres, app: AppId, number: KeyNumber) -> None:
    """Revoke a key: within a second no process takes it any more. Repeating it changes nothing; raises `NotFound`."""
    async with postgres.ground() as connection:
        if (await connection.execute(REVOKE, {"app": app, "key": number})).one_or_none() is None:
            raise NotFound
        await send_control(connection, KeyRevoked(app, number))


async def verify_key(postgres: Postgres, pepper: Pepper, key: ParsedKey) -> Scope | None:
    """Give the scope of a key that holds; None for one that does not, be it unknown, wrong or revoked."""
    values = {"app": key.app, "key": key.number}
    async with postgres.ground() as connection:
        row = (await connection.execute(FIND, values)).one_or_none()
        known = bytes(32) if row is None else row.secret_hash
        # Compared in either case, so that an unknown key costs what a wrong one does.
        holds = hmac.compare_digest(known, pepper.secret_hash(key.secret))
        if row is None or not holds:
            return None
        await connection.execute(TOUCH, values)
    return Scope(TenantId(row.tenant_id), key.app)


def _checksum(prefix: str) -> str:
    return to_base62(zlib.crc32(prefix.encode()), CHECK_WIDTH)
