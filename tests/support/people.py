"""People who have signed up, for tests of what the dashboard stands on."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from tenants import mails
from tenants.passwords import Passwords
from tenants.people import Member, PersonRole, sign_up
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys

KEYS = MasterKeys({"1": bytes(32)})
PASSWORD = "as they typed it, once"
TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"


@dataclass(frozen=True, slots=True)
class People:
    """What makes people, and what looks at all that is kept of them."""

    postgres: Postgres
    passwords: Passwords
    database_url: str

    async def owner(self, email: str | None = None) -> Member:
        made = await sign_up(
            self.postgres,
            self.passwords,
            email=email or new_email(),
            name="Ann",
            password=PASSWORD,
            organisation="Ann & Co",
        )
        assert made is not None
        return made

    async def joined(self, by: Member, role: PersonRole, email: str | None = None) -> Member:
        token = await mails.invite(self.postgres, by, email or new_email(), role)
        made = await mails.accept_invite(self.postgres, self.passwords, KEYS, token, "Ben", PASSWORD)
        assert made is not None
        return made

    async def ask(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement as a superuser, whom no wall binds."""
        url = "postgresql+asyncpg://" + self.database_url.split("://", 1)[1]
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def everything(self) -> str:
        """Give all rows of all tables as text."""
        found: list[str] = []
        for (table,) in await self.ask(TABLES):
            found += [row[0] for row in await self.ask(f'SELECT t::text FROM "{table}" t')]
        return "\n".join(found)


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.org"
