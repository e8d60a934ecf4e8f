"""Users' tokens: JWTs that an app's signing keys issue and verify.

The algorithm is a property of the signing key's row, never of a token's header; a header that names keys of its own or
demands what we do not know is refused.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import jwt
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.clock import now, to_rfc3339
from tenants.controls import SigningKeyRetired, send_control
from tenants.errors import NotFound
from tenants.grants import Grant, read_grants
from tenants.ids import AppId, TenantId, UserId, UserNumber, app_name, parse_app_name, to_base62
from tenants.postgres import Postgres
from tenants.scope import Scope, User

AUDIENCE = "roomlog"
TYPE = "roomlog+jwt"
ALGORITHM = "HS256"
DEFAULT_TTL_S = 3_600
MAX_TTL_S = 86_400
LEEWAY_S = 30
MAX_TOKEN_BYTES = 4_096
MAX_USER_ID = 128
MAX_ROOMS = 50
"""Of a token that is for certain rooms only; more would not fit its 4 KiB."""
REQUIRED = ["exp", "iat", "sub", "iss", "aud"]
FOREIGN_HEADERS = frozenset({"jku", "x5u", "jwk", "x5c", "x5t", "crit"})

INSERT_KEY = text("""
INSERT INTO signing_keys (app_id, key_id, algorithm, secret) VALUES (:app, :key_id, :algorithm, :secret)
RETURNING created_at
""")
LIST_KEYS = text("""
SELECT key_id, algorithm, created_at, retired_at FROM signing_keys WHERE app_id = :app
 ORDER BY created_at, key_id
""")
SIGNING_KEY = text("""
SELECT key_id, algorithm, secret FROM signing_keys WHERE app_id = :app AND retired_at IS NULL
 ORDER BY created_at DESC, key_id LIMIT 1
""")
RETIRE_KEY = text("""
UPDATE signing_keys SET retired_at = coalesce(retired_at, now()) WHERE app_id = :app AND key_id = :key_id
RETURNING key_id
""")
FIND_KEY = text("""
SELECT k.algorithm, k.secret, a.tenant_id FROM signing_keys k JOIN apps a ON a.app_id = k.app_id
 WHERE k.app_id = :app AND k.key_id = :key_id AND k.retired_at IS NULL AND a.deleted_at IS NULL
""")
FIND_USER = text("""
SELECT user_number, created_at FROM users WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL
""")
MAKE_USER = text("""
INSERT INTO users (app_id, user_id, name) VALUES (:app, :user, :user) ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What may be shown of a signing key."""

    id: str
    algorithm: str
    created_at: str
    retired_at: str | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and when it ends."""

    text: str
    user: UserId
    expires_at: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What a token is narrowed to; None: all that its user may do, and all rooms that the user reaches."""

    grants: frozenset[Grant] | None = None
    rooms: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Whose token it is, and until when it holds (Unix time)."""

    scope: Scope
    user: User
    reach: Reach
    expires_at: float


EVERYTHING = Reach()


async def insert_signing_key(connection: AsyncConnection, scope: Scope) -> SigningKey:
    """Make a signing key within a transaction; the newest one signs, all that are not retired verify."""
    key_id = to_base62(secrets.randbits(64), 11)
    values = {
        "app": scope.app,
        "key_id": key_id,
        "algorithm": ALGORITHM,
        "secret": secrets.token_bytes(32),
    }
    row = (await connection.execute(INSERT_KEY, values)).one()
    return SigningKey(key_id, ALGORITHM, to_rfc3339(row.created_at), None)


async def create_signing_key(postgres: Postgres, scope: Scope) -> SigningKey:
    """Make a signing key; tokens of the older ones go on to hold."""
    async with postgres.transaction(scope) as connection:
        return await insert_signing_key(connection, scope)


async def list_signing_keys(postgres: Postgres, scope: Scope) -> list[SigningKey]:
    """Give an app's signing keys without their secrets."""
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(LIST_KEYS, {"app": scope.app})).all()
    return [
        SigningKey(
            row.key_id,
            row.algorithm,
            to_rfc3339(row.created_at),
            None if row.retired_at is None else to_rfc3339(row.retired_at),
        )
        for row in rows
    ]


async def retire_signing_key(postgres: Postgres, scope: Scope, key_id: str) -> None:
    """Retire a signing key: within a second its tokens hold nowhere. Raises `NotFound`."""
    values = {"app": scope.app, "key_id": key_id}
    async with postgres.transaction(scope) as connection:
        if (await connection.execute(RETIRE_KEY, values)).one_or_none() is None:
            raise NotFound
        await send_control(connection, SigningKeyRetired(scope.app, key_id))


async def mint_token(postgres: Postgres, scope: Scope, user: UserId, ttl_s: int, reach: Reach = EVERYTHING) -> Token:
    """Issue a token for a user, who is made if new; raises `NotFound` if the app has no signing key."""
    async with postgres.transaction(scope) as connection:
        await connection.execute(MAKE_USER, {"app": scope.app, "user": user})
        key = (await connection.execute(SIGNING_KEY, {"app": scope.app})).one_or_none()
    if key is None:
        raise NotFound("This app has no signing key; make one with POST /v1/signing-keys.")
    issued_s = int(now().timestamp())
    expires_s = issued_s + ttl_s
    claims: dict[str, Any] = {
        "iss": app_name(scope.app),
        "aud": AUDIENCE,
        "sub": user,
        "iat": issued_s,
        "exp": expires_s,
        "jti": secrets.token_urlsafe(12),
    }
    if reach.grants is not None:
        claims["grants"] = sorted(reach.grants)
    if reach.rooms is not None:
        claims["rooms"] = sorted(reach.rooms)
    headers = {"kid": key.key_id, "typ": TYPE}
    token = jwt.encode(claims, key.secret, algorithm=key.algorithm, headers=headers)
    expires_at = to_rfc3339(datetime.fromtimestamp(expires_s, UTC))
    return Token(token, user, expires_at)


async def verify_token(postgres: Postgres, token: str) -> VerifiedToken | None:
    """Give whose token it is; None for one that does not hold, whatever the reason."""
    named = _named_key(token)
    if named is None:
        return None
    app, key_id = named
    async with postgres.ground() as connection:
        key = (await connection.execute(FIND_KEY, {"app": app, "key_id": key_id})).one_or_none()
        if key is None:
            return None
        claims = _verified_claims(token, key.secret, key.algorithm, app)
        if claims is None:
            return None
        user = claims["sub"]
        row = (await connection.execute(FIND_USER, {"app": app, "user": user})).one_or_none()
    # A token older than its user was issued to an earlier bearer of the same id.
    if row is None or claims["iat"] + LEEWAY_S < int(row.created_at.timestamp()):
        return None
    reach = _reach(claims)
    if reach is None:
        return None
    scope = Scope(TenantId(key.tenant_id), app)
    return VerifiedToken(scope, User(UserNumber(row.user_number), UserId(user)), reach, claims["exp"])


def _reach(claims: dict[str, Any]) -> Reach | None:
    """Read what a token is narrowed to; None if that is not as documented: then it must not pass for unbounded."""
    grants = read_grants(claims["grants"]) if "grants" in claims else None
    if "grants" in claims and grants is None:
        return None
    if "rooms" not in claims:
        return Reach(grants, None)
    rooms = claims["rooms"]
    if not isinstance(rooms, list) or not all(isinstance(room, str) for room in cast("list[object]", rooms)):
        return None
    return Reach(grants, frozenset(cast("list[str]", rooms)))


def _named_key(token: str) -> tuple[AppId, str] | None:
    """Find which app's which key the token claims to be signed by, believing nothing yet."""
    if len(token) > MAX_TOKEN_BYTES:
        return None
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    key_id, issuer = header.get("kid"), claims.get("iss")
    if header.get("typ") != TYPE or FOREIGN_HEADERS & header.keys():
        return None
    if not isinstance(key_id, str) or not isinstance(issuer, str) or "\0" in key_id:
        return None
    app = parse_app_name(issuer)
    return None if app is None else (app, key_id)


def _verified_claims(token: str, secret: bytes, algorithm: str, app: AppId) -> dict[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=app_name(app),
            leeway=LEEWAY_S,
            options={"require": REQUIRED, "strict_aud": True},
        )
    except (jwt.InvalidTokenError, ValueError):
        return None
    issued, expires, subject = claims["iat"], claims["exp"], claims["sub"]
    if not isinstance(issued, int) or not isinstance(expires, int):
        return None
    is_short = 0 < expires - issued <= MAX_TTL_S
    is_name = isinstance(subject, str) and 0 < len(subject) <= MAX_USER_ID and "\0" not in subject
    return claims if is_short and is_name else None
