"""Revocations of users' tokens: one token, all of a user's, all of an app's. Within a second they hold nowhere."""

from datetime import timedelta

from sqlalchemy import text

from tenants.clock import now
from tenants.controls import TokenRevoked, TokensRevoked, UserRevoked, send_control
from tenants.errors import NotAToken, UserNotFound
from tenants.ids import UserId, app_name
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.tokens import LEEWAY_S, MAX_TTL_S, read_unverified, token_mark

KEEP = timedelta(seconds=MAX_TTL_S + 2 * LEEWAY_S)
"""After so long any token has ended by itself."""

REVOKE_TOKEN = text("""
INSERT INTO revoked_tokens (app_id, token, until) VALUES (:app, :token, :until)
    ON CONFLICT (app_id, token) DO UPDATE SET until = excluded.until
""")
TRIM = text("DELETE FROM revoked_tokens WHERE app_id = :app AND until < now()")
REVOKE_USER = text("""
UPDATE users SET tokens_valid_from = clock_timestamp()
 WHERE app_id = :app AND user_id = :user AND deleted_at IS NULL
RETURNING user_number, tokens_valid_from
""")
REVOKE_ALL = text("""
UPDATE apps SET tokens_valid_from = clock_timestamp() WHERE app_id = :app
RETURNING tokens_valid_from
""")


def mark_of(scope: Scope, token: str) -> str:
    """Give the name by which a token is revoked; raises `NotAToken` for what is none of this app."""
    claims = read_unverified(token)
    if claims is None or claims.get("iss") != app_name(scope.app):
        raise NotAToken
    return token_mark(token, claims)


async def revoke_token(postgres: Postgres, scope: Scope, mark: str) -> None:
    """Revoke the tokens of a `jti`, or the one whose digest this is, whether or not there are any."""
    async with postgres.transaction(scope) as connection:
        await connection.execute(TRIM, {"app": scope.app})
        await connection.execute(REVOKE_TOKEN, {"app": scope.app, "token": mark, "until": now() + KEEP})
        await send_control(connection, TokenRevoked(scope.app, mark))


async def revoke_user(postgres: Postgres, scope: Scope, user: UserId) -> None:
    """Revoke all tokens that a user has been issued so far; raises `UserNotFound`."""
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(REVOKE_USER, {"app": scope.app, "user": user})).one_or_none()
        if row is None:
            raise UserNotFound
        control = UserRevoked(scope.app, row.user_number, before=row.tokens_valid_from.timestamp())
        await send_control(connection, control)


async def revoke_all(postgres: Postgres, scope: Scope) -> None:
    """Revoke all tokens that the app's users have been issued so far."""
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(REVOKE_ALL, {"app": scope.app})).one()
        await send_control(connection, TokensRevoked(scope.app, row.tokens_valid_from.timestamp()))
