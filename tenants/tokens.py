"""Users' tokens: JWTs that an app's signing keys sign and verify, be they issued by us or by the customer.

The algorithm is a property of the signing key's row, never of a token's header; a header that names keys of its own or
demands what we do not know is refused.

The dashboard's inspector has tokens of its own type: they name no user, read every room of one app, and do nothing else.
Only keys that the customer cannot sign with sign and verify them.
"""

import hashlib
import math
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import jwt
from sqlalchemy import text

from tenants.clock import now, to_rfc3339
from tenants.grants import Grant, read_grants
from tenants.ids import AppId, PersonId, UserId, UserNumber, app_name, parse_app_name, person_name
from tenants.postgres import Postgres
from tenants.scope import Scope, User
from tenants.sealing import MasterKeys
from tenants.signing import Signer, Verifier, find_signer, find_verifier

AUDIENCE = "roomlog"
TYPE = "roomlog+jwt"
INSPECTOR_TYPE = "roomlog-inspector+jwt"
CUSTOMERS_TYPES = (TYPE, "JWT", None)
"""Libraries write `JWT` unless told otherwise: let be under keys that only the app's own tokens are signed with."""
DEFAULT_TTL_S = 3_600
MAX_TTL_S = 86_400
INSPECTOR_TTL_S = 120
"""For so long at most somebody goes on to see who has just lost the role for it."""
LEEWAY_S = 30
"""How far a signer's clock may be ahead of ours; the end of a token has no leeway."""
MAX_TOKEN_BYTES = 4_096
MAX_USER_ID = 128
MAX_ID = 128
MAX_ROOMS = 50
"""Of a token that is for certain rooms only; more would not fit its 4 KiB."""
REQUIRED = ["exp", "iat", "sub", "iss", "aud"]
FOREIGN_HEADERS = frozenset({"jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit"})
MICROS = 1_000_000

MAKE_USER = text("""
INSERT INTO users (app_id, user_id, name) VALUES (:app, :user, :user) ON CONFLICT DO NOTHING
""")
# One clock, the database's, tells what came first: a token's issue, a user's making and end, a revocation.
ISSUE = text("""
SELECT created_at, clock_timestamp() AS issued_at FROM users
 WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL
""")
ISSUE_INSPECTOR = text("SELECT clock_timestamp() AS issued_at")
REVOKED = text("SELECT EXISTS (SELECT FROM revoked_tokens WHERE app_id = :app AND token = :token)")
STANDING = text("""
SELECT u.user_number, u.created_at, u.tokens_valid_from,
       (SELECT max(d.deleted_at) FROM users d
         WHERE d.app_id = :app AND d.user_id = :user AND d.deleted_at IS NOT NULL) AS predecessor_until,
       EXISTS (SELECT FROM revoked_tokens r WHERE r.app_id = :app AND r.token = :token) AS is_revoked
  FROM users u WHERE u.app_id = :app AND u.user_id = :user AND u.deleted_at IS NULL
""")


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
    """Whose token it is, what for, from when and until when (Unix time), and by what it can be revoked."""

    scope: Scope
    user: User | None
    """None for the inspector's."""
    reach: Reach
    issued_at: float
    expires_at: float
    mark: str
    signing_key: str
    is_suspended: bool


EVERYTHING = Reach()


async def mint_token(
    postgres: Postgres, master_keys: MasterKeys, scope: Scope, user: UserId, ttl_s: int, reach: Reach = EVERYTHING
) -> Token:
    """Issue a token for a user, who is made if new; raises `NotFound` if the app has no key that signs."""
    values = {"app": scope.app, "user": user}
    async with postgres.transaction(scope) as connection:
        await connection.execute(MAKE_USER, values)
        row = (await connection.execute(ISSUE, values)).one()
        signer = await find_signer(connection, master_keys, scope)
    claims: dict[str, Any] = {
        "sub": user,
        # A user of the same id who is made after this one's end was made at another moment.
        "user_since": _micros(row.created_at.timestamp()),
    }
    if reach.grants is not None:
        claims["grants"] = sorted(reach.grants)
    if reach.rooms is not None:
        claims["rooms"] = sorted(reach.rooms)
    token, expires_at = _sign(signer, scope, claims, row.issued_at, ttl_s, TYPE)
    return Token(token, user, expires_at)


async def mint_inspector(
    postgres: Postgres, master_keys: MasterKeys, scope: Scope, person: PersonId
) -> tuple[str, str]:
    """Issue a token with which the dashboard reads every room of an app for a person; gives when it ends, too.

    It ends with whatever ends tokens of the app. Raises `NotFound` if the customer has every key that signs.
    """
    async with postgres.transaction(scope) as connection:
        issued_at = (await connection.execute(ISSUE_INSPECTOR)).scalar_one()
        signer = await find_signer(connection, master_keys, scope, is_ours_alone=True)
    return _sign(signer, scope, {"sub": person_name(person)}, issued_at, INSPECTOR_TTL_S, INSPECTOR_TYPE)


async def verify_token(postgres: Postgres, master_keys: MasterKeys, token: str) -> VerifiedToken | None:
    """Give whose token it is; None for one that does not hold, whatever the reason."""
    named = _named_key(token)
    if named is None:
        return None
    app = named.app
    async with postgres.transaction(app) as connection:
        verifier = await find_verifier(connection, master_keys, app, named.key)
        if verifier is None or named.type not in _types_under(verifier):
            return None
        claims = _verified_claims(token, verifier)
        if claims is None:
            return None
        mark, user, reach = token_mark(token, claims), None, _reach(claims)
        if named.type == INSPECTOR_TYPE:
            is_revoked = (await connection.execute(REVOKED, {"app": app, "token": mark})).scalar_one()
            if is_revoked or reach is None or _has_ended(claims, verifier.tokens_valid_from):
                return None
        else:
            values = {"app": app, "user": claims["sub"], "token": mark}
            row = (await connection.execute(STANDING, values)).one_or_none()
            if row is None or row.is_revoked or reach is None or not _is_valid_since(claims, row, verifier):
                return None
            user = User(UserNumber(row.user_number), UserId(claims["sub"]))
    return VerifiedToken(
        scope=verifier.scope,
        user=user,
        reach=reach,
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        mark=mark,
        signing_key=verifier.id,
        is_suspended=verifier.is_suspended,
    )


def token_mark(token: str, claims: dict[str, Any]) -> str:
    """Give the name by which a token is revoked: its `jti`, or else the digest of what is signed."""
    if "jti" in claims:
        return str(claims["jti"])
    # Without the signature, of which base64 can spell the same in several ways.
    return "sha256:" + hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def read_unverified(token: str) -> dict[str, Any] | None:
    """Read a token's claims, believing nothing; None if there are none to be read."""
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        return None
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None


def _sign(
    signer: Signer, scope: Scope, own: dict[str, Any], issued_at: datetime, ttl_s: int, token_type: str
) -> tuple[str, str]:
    """Give a token of these claims, and when it ends."""
    expires_s = int(issued_at.timestamp()) + ttl_s
    claims = {
        "iss": app_name(scope.app),
        "aud": AUDIENCE,
        "iat": issued_at.timestamp(),
        "exp": expires_s,
        "jti": secrets.token_urlsafe(12),
        **own,
    }
    headers = {"kid": signer.id, "typ": token_type}
    token = jwt.encode(claims, signer.key, algorithm=signer.algorithm.value, headers=headers)
    return token, to_rfc3339(datetime.fromtimestamp(expires_s, UTC))


def _is_valid_since(claims: dict[str, Any], row: Any, verifier: Verifier) -> bool:  # noqa: ANN401 - a row has no better type
    """Tell whether a token was issued to this very user, and not before what ends those issued before it."""
    issued, created = _micros(claims["iat"]), _micros(row.created_at.timestamp())
    own_end = None if row.tokens_valid_from is None else row.tokens_valid_from.timestamp()
    if _has_ended(claims, own_end, verifier.tokens_valid_from):
        return False
    if "user_since" in claims:
        return bool(claims["user_since"] == created)
    # The customer's own: issued before the user was made, it may be an earlier bearer's of the same id.
    if row.predecessor_until is not None:
        return issued > max(created, _micros(row.predecessor_until.timestamp()))
    return issued + LEEWAY_S * MICROS >= created


def _has_ended(claims: dict[str, Any], *ends: float | None) -> bool:
    """Tell whether a token was issued before one of the moments that end those issued before them."""
    issued = _micros(claims["iat"])
    return any(end is not None and issued < _micros(end) for end in ends)


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


@dataclass(frozen=True, slots=True)
class _Named:
    """Which app's which key a token claims to be signed by, and what it calls itself."""

    app: AppId
    key: str
    type: object


def _named_key(token: str) -> _Named | None:
    """Read what a token claims of itself, believing nothing yet."""
    claims = read_unverified(token)
    if claims is None:
        return None
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    key_id, issuer = header.get("kid"), claims.get("iss")
    if FOREIGN_HEADERS & header.keys():
        return None
    if not isinstance(key_id, str) or not isinstance(issuer, str) or "\0" in key_id:
        return None
    app = parse_app_name(issuer)
    return None if app is None else _Named(app, key_id, header.get("typ"))


def _types_under(verifier: Verifier) -> Collection[object]:
    """Give the types of tokens that a key may sign: no key that the customer signs with makes an inspector."""
    return CUSTOMERS_TYPES if verifier.customer_signs else (TYPE, INSPECTOR_TYPE)


def _verified_claims(token: str, verifier: Verifier) -> dict[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            cast("Any", verifier.key),
            algorithms=[verifier.algorithm.value],
            audience=AUDIENCE,
            issuer=app_name(verifier.scope.app),
            options={"require": REQUIRED, "strict_aud": True, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError, TypeError):
        return None
    return claims if _are_documented(claims) else None


def _are_documented(claims: dict[str, Any]) -> bool:
    """Tell whether the claims are of their types, and the token neither of the future nor too long."""
    issued, expires, subject, token_id = claims["iat"], claims["exp"], claims["sub"], claims.get("jti", "-")
    begins = claims.get("nbf", issued)
    if not (_is_moment(issued) and _is_moment(expires) and _is_moment(begins)):
        return False
    latest = now().timestamp() + LEEWAY_S
    is_timely = issued <= latest and begins <= latest and 0 < expires - issued <= MAX_TTL_S
    return is_timely and _is_name(subject, MAX_USER_ID) and _is_name(token_id, MAX_ID)


def _is_moment(claim: object) -> bool:
    # Compared, not converted: JSON knows integers that no float can hold.
    return isinstance(claim, int | float) and not isinstance(claim, bool) and 0 <= claim < math.inf


def _is_name(claim: object, longest: int) -> bool:
    return isinstance(claim, str) and 0 < len(claim) <= longest and "\0" not in claim


def _micros(moment: float) -> int:
    """Give a moment as PostgreSQL keeps it; a double holds it exactly to the microsecond until 2106."""
    return round(moment * MICROS)
