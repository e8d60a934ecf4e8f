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
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.apps import get_app
from tenants.audit_log import By, inside
from tenants.clock import now, to_rfc3339
from tenants.controls import KeyRevoked, KeyRotated, send_control
from tenants.errors import NotFound
from tenants.grants import ALL, Grant
from tenants.hashing import Pepper
from tenants.ids import APP_WIDTH, KEY_WIDTH, AppId, KeyNumber, TenantId, app_name, from_base62, to_base62
from tenants.policies import Environment
from tenants.postgres import Postgres
from tenants.scope import Scope

SECRET_WIDTH = 43
"""Base 62 digits of 256 bits."""
CHECK_WIDTH = 6
SHAPE = re.compile(r"rl_(live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", re.ASCII)

INSERT = text("""
INSERT INTO api_keys (app_id, key_number, label, secret_hash, pepper_version, grants, expires_at, made_by)
SELECT :app, coalesce(max(key_number), 0) + 1, :label, :hash, :version, CAST(:grants AS text[]), :expires_at, :made_by
  FROM api_keys WHERE app_id = :app
RETURNING *
""")
# Two creations at once must not take the same number: the app's row is the queue.
QUEUE = text("SELECT 1 FROM apps WHERE app_id = :app FOR NO KEY UPDATE")
LIST = text("SELECT * FROM api_keys WHERE app_id = :app ORDER BY key_number")
FIND = text("""
SELECT k.secret_hash, k.previous_hash, k.previous_until, k.grants, k.expires_at, a.tenant_id,
       a.suspended_at IS NOT NULL AS is_suspended
  FROM api_keys k JOIN apps a ON a.app_id = k.app_id
 WHERE k.app_id = :app AND k.key_number = :key AND k.revoked_at IS NULL AND a.deleted_at IS NULL
""")
TOUCH = text("""
UPDATE api_keys SET last_used_on = current_date
 WHERE app_id = :app AND key_number = :key AND last_used_on IS DISTINCT FROM current_date
""")
REVOKE = text("""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE app_id = :app AND key_number = :key
RETURNING label, revoked_at = now() AS is_new
""")
ROTATE = text("""
UPDATE api_keys SET previous_hash = secret_hash, previous_until = :until, secret_hash = :hash, pepper_version = :version
 WHERE app_id = :app AND key_number = :key AND revoked_at IS NULL
RETURNING *
""")
# The text is known once the key has its number.
SET_LAST_FOUR = text("UPDATE api_keys SET last_four = :last_four WHERE app_id = :app AND key_number = :key")
# Tickets made with the old secret, for all that we know, end with it.
END_TICKETS = text("""
UPDATE tickets SET ends_at = least(ends_at, :until) WHERE app_id = :app AND key_number = :key
""")
# Kept for as long as the app: the page of a form can be loaded anew at any time.
TAKE_REQUEST = text("""
INSERT INTO key_requests (app_id, key_hash, key_number) VALUES (:app, :request, :key) ON CONFLICT DO NOTHING RETURNING app_id
""")
SEEN_IN_BROWSER = text("""
UPDATE api_keys SET seen_in_browser_at = now() WHERE app_id = :app AND key_number = :key
""")


class AskedAlready(Exception):
    """The same request has made a key, or given one a new secret: nothing is done twice, and no secret shown twice."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be shown of a key at any time."""

    number: KeyNumber
    id: str
    label: str
    grants: frozenset[Grant]
    created_at: str
    expires_at: str | None
    last_used_on: date | None
    revoked_at: str | None
    seen_in_browser_at: str | None
    """When it last came with an Origin header: every visitor of that page can read it."""
    made_by: str
    """A person's address, another key's id, `operator`, or nothing if that is not known any more."""
    last_four: str
    """How its text ends, or nothing if that is not known any more."""


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """Whose key it is, what it may do, and until when this secret of it holds (Unix time; None: until revoked)."""

    scope: Scope
    grants: frozenset[Grant] | None
    expires_at: float | None
    is_suspended: bool


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


async def create_key(
    postgres: Postgres,
    pepper: Pepper,
    app: AppId,
    label: str,
    *,
    grants: frozenset[Grant] | None = None,
    expires_at: datetime | None = None,
    idempotency_key: str | None = None,
    made_by: str = "operator",
    by: By | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and give it with its text, which nobody can give again; raises `NotFound` without such an app.

    Without `grants` it may do everything, without `expires_at` it holds until it is revoked. `made_by` names who is no person.
    Raises `AskedAlready` if the app has seen this idempotency key before.
    """
    environment: Environment = (await get_app(postgres, app)).environment
    secret = _new_secret()
    values = {
        "app": app,
        "label": label,
        "hash": pepper.secret_hash(secret),
        "version": pepper.version,
        "grants": None if grants is None else sorted(grants),
        "expires_at": expires_at,
        "made_by": made_by if by is None else by.person.email,
    }
    async with postgres.transaction(inside(app, by)) as connection:
        await connection.execute(QUEUE, {"app": app})
        key = _key(app, (await connection.execute(INSERT, values)).one())
        spelt = await _spell(connection, app, environment, key, secret)
        await _take_request(connection, pepper, app, key, idempotency_key)
        if by is not None:
            detail = {"label": label, "grants": sorted(key.grants), "expires": key.expires_at}
            await by.note(connection, "key.made", key.id, app=app_name(app), **detail)
    return key, spelt


async def rotate_key(
    postgres: Postgres,
    pepper: Pepper,
    app: AppId,
    number: KeyNumber,
    overlap_s: int,
    *,
    idempotency_key: str | None = None,
    by: By | None = None,
) -> tuple[ApiKey, str]:
    """Give a key a new secret, shown once; the one before holds for `overlap_s` more. Raises `NotFound`.

    What the old secret has opened is closed at the end of the overlap. Raises `AskedAlready` if the app has seen this idempotency
    key before.
    """
    environment: Environment = (await get_app(postgres, app)).environment
    secret = _new_secret()
    until = now() + timedelta(seconds=overlap_s)
    values = {
        "app": app,
        "key": number,
        "hash": pepper.secret_hash(secret),
        "version": pepper.version,
        "until": until,
    }
    async with postgres.transaction(inside(app, by)) as connection:
        row = (await connection.execute(ROTATE, values)).one_or_none()
        if row is None:
            raise NotFound
        key = _key(app, row)
        spelt = await _spell(connection, app, environment, key, secret)
        await _take_request(connection, pepper, app, key, idempotency_key)
        await connection.execute(END_TICKETS, values)
        await send_control(connection, KeyRotated(app, number, until.timestamp()))
        if by is not None:
            detail = {"label": key.label, "overlap_s": overlap_s}
            await by.note(connection, "key.rotated", key.id, app=app_name(app), **detail)
    return key, spelt


async def list_keys(postgres: Postgres, app: AppId) -> list[ApiKey]:
    """Give an app's keys, revoked ones too, without their secrets."""
    async with postgres.transaction(app) as connection:
        rows = (await connection.execute(LIST, {"app": app})).all()
    return [_key(app, row) for row in rows]


async def revoke_key(postgres: Postgres, app: AppId, number: KeyNumber, *, by: By | None = None) -> None:
    """Revoke a key: within a second no process takes it any more. Repeating it changes nothing; raises `NotFound`."""
    async with postgres.transaction(inside(app, by)) as connection:
        row = (await connection.execute(REVOKE, {"app": app, "key": number})).one_or_none()
        if row is None:
            raise NotFound
        await send_control(connection, KeyRevoked(app, number))
        if by is not None and row.is_new:
            await by.note(connection, "key.revoked", key_id(app, number), app=app_name(app), label=row.label)


async def note_in_browser(postgres: Postgres, app: AppId, number: KeyNumber) -> None:
    """Note that a key came from a browser, for its owner to see."""
    async with postgres.transaction(app) as connection:
        await connection.execute(SEEN_IN_BROWSER, {"app": app, "key": number})


async def verify_key(postgres: Postgres, pepper: Pepper, key: ParsedKey) -> VerifiedKey | None:
    """Tell what a key is good for; None for one that does not hold: unknown, wrong, expired or revoked."""
    values = {"app": key.app, "key": key.number}
    given = pepper.secret_hash(key.secret)
    async with postgres.transaction(key.app) as connection:
        row = (await connection.execute(FIND, values)).one_or_none()
        # Compared in either case, so that an unknown key costs what a wrong one does.
        current, previous = (bytes(32), bytes(32)) if row is None else (row.secret_hash, row.previous_hash or bytes(32))
        is_current, is_previous = hmac.compare_digest(current, given), hmac.compare_digest(previous, given)
        if row is None or not (is_current or is_previous):
            return None
        ends = [row.expires_at, None if is_current else row.previous_until]
        end = min((moment for moment in ends if moment is not None), default=None)
        if end is not None and end <= now():
            return None
        await connection.execute(TOUCH, values)
    grants = None if row.grants is None else frozenset(Grant(name) for name in row.grants)
    return VerifiedKey(
        scope=Scope(TenantId(row.tenant_id), key.app),
        grants=grants,
        expires_at=None if end is None else end.timestamp(),
        is_suspended=row.is_suspended,
    )


async def _take_request(
    connection: AsyncConnection, pepper: Pepper, app: AppId, key: ApiKey, idempotency_key: str | None
) -> None:
    """Note what asked for this, in the transaction that does it; raises `AskedAlready`, which takes it back."""
    if idempotency_key is None:
        return
    values = {"app": app, "request": pepper.key_hash(idempotency_key), "key": key.number}
    if (await connection.execute(TAKE_REQUEST, values)).one_or_none() is None:
        raise AskedAlready


def _key(app: AppId, row: Any) -> ApiKey:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    number = KeyNumber(row.key_number)
    return ApiKey(
        number=number,
        id=key_id(app, number),
        label=row.label,
        grants=ALL if row.grants is None else frozenset(Grant(name) for name in row.grants),
        created_at=to_rfc3339(row.created_at),
        expires_at=_moment(row.expires_at),
        last_used_on=row.last_used_on,
        revoked_at=_moment(row.revoked_at),
        seen_in_browser_at=_moment(row.seen_in_browser_at),
        made_by=row.made_by,
        last_four=row.last_four,
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else to_rfc3339(moment)


def _new_secret() -> str:
    return to_base62(secrets.randbits(256), SECRET_WIDTH)


async def _spell(connection: AsyncConnection, app: AppId, environment: Environment, key: ApiKey, secret: str) -> str:
    """Give a key's text, and keep how it ends."""
    prefix = f"rl_{environment}_{key.id}_{secret}"
    spelt = prefix + _checksum(prefix)
    await connection.execute(SET_LAST_FOUR, {"app": app, "key": key.number, "last_four": spelt[-4:]})
    return spelt


def _checksum(prefix: str) -> str:
    return to_base62(zlib.crc32(prefix.encode()), CHECK_WIDTH)
