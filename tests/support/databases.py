"""Databases of a test's own."""

import asyncpg

from api.embedded import Servers


async def new_database(stores: Servers, name: str, *statements: str) -> str:
    """Make an empty database on this worker's server, in place of one of that name, and give its URL."""
    connection = await asyncpg.connect(stores.database_url)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name}")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
    return stores.database_url.replace("/postgres?", f"/{name}?")
