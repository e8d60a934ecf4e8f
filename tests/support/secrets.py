"""Secrets of the service as nobody but a test takes them: opened straight from the database."""

import asyncpg

from tenants.ids import AppId, TenantId, parse_app_name
from tenants.sealing import MasterKeys, Owner, Sealed
from tests.support.world import App

KEY = """
SELECT k.key_id, k.sealed, k.sealed_key, k.master_version, a.tenant_id FROM signing_keys k JOIN apps a USING (app_id)
 WHERE k.app_id = $1 ORDER BY k.created_at LIMIT 1
"""


async def signing_secret(environment: dict[str, str], app: App) -> tuple[str, bytes]:
    """Give the id and the secret of an app's first signing key."""
    number = parse_app_name(app.id)
    assert number is not None
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    row = await connection.fetchrow(KEY, number)
    await connection.close()
    owner = Owner(TenantId(row["tenant_id"]), AppId(number), row["key_id"])
    sealed = Sealed(row["sealed"], row["sealed_key"], row["master_version"])
    return row["key_id"], MasterKeys.parse(environment["ROOMLOG_MASTER_KEYS"]).open(sealed, owner)
