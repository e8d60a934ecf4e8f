"""Door 1: PostgreSQL. Hot paths get asyncpg connections, the control plane SQLAlchemy transactions inside a scope."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tenants.errors import Unavailable
from tenants.scope import Scope

READ_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
POOL_SIZE = 8
CONTROL_POOL_SIZE = 4
RETRY_AFTER_S = 1.0

# What PostgreSQL and asyncpg raise when the server is gone, going, not there yet, or promoted away beneath us.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # among them: no reachable server takes writes
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)


@contextmanager
def away_is_unavailable() -> Generator[None]:
    """Turn the many faces of a database out of reach into `Unavailable`, which callers may retry."""
    try:
        yield
    except AWAY as error:
        raise Unavailable(retry_after_s=RETRY_AFTER_S) from error
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or isinstance(cause, AWAY):
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from error
        raise


class Postgres:
    """The primary: never a replica, for a replica that lags would break "subscribe, then read"."""

    def __init__(self, url: str, pool: "asyncpg.Pool[asyncpg.Record]", engine: AsyncEngine) -> None:
        """Hold an open pool and engine; use `Postgres.open`."""
        self._url = url
        self._pool = pool
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncGenerator["Postgres"]:
        """Open the door for the length of a context; raises `Unavailable` if the server cannot be reached."""
        with away_is_unavailable():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=READ_TIMEOUT_S,
                # Our reads are single statements that leave nothing behind on a connection; the reset query that
                # asyncpg sends by default would double the cost of a small one.
                reset=_leave_as_it_is,
                target_session_attrs=SessionAttribute.read_write,
                server_settings=_session(application="roomlog-read", statement_timeout_ms=5000),
            )
        engine = create_async_engine(
            "postgresql+asyncpg://" + url.split("://", 1)[1],
            pool_size=CONTROL_POOL_SIZE,
            pool_timeout=CONNECT_TIMEOUT_S,
            pool_pre_ping=True,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": READ_TIMEOUT_S,
                "server_settings": _session(application="roomlog-control", statement_timeout_ms=5000),
            },
        )
        try:
            yield cls(url, pool, engine)
        finally:
            pool.terminate()
            await engine.dispose()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:  # noqa: ANN401 - what asyncpg takes
        """Run one reading statement of a hot path; raises `Unavailable` after 5 s or without a server."""
        with away_is_unavailable():
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                return await connection.fetch(statement, *arguments)

    async def connect(
        self, *, application: str, statement_timeout_ms: int, lock_timeout_ms: int
    ) -> "asyncpg.Connection[asyncpg.Record]":
        """Open a connection of one's own, as lanes and the audit need; raises what `AWAY` lists."""
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            target_session_attrs=SessionAttribute.read_write,
            server_settings=_session(
                application=application,
                statement_timeout_ms=statement_timeout_ms,
                lock_timeout_ms=lock_timeout_ms,
            ),
        )

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncGenerator[AsyncConnection]:
        """Open a control-plane transaction inside a scope; commits at the end, rolls back on an error."""
        # The scope is demanded here so that no store can be written without one in hand.
        del scope
        async with self.ground() as connection:
            yield connection

    @asynccontextmanager
    async def ground(self) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction outside any scope: for `tenants` itself, before it knows whose request it is."""
        with away_is_unavailable():
            async with self._engine.begin() as connection:
                yield connection


async def _leave_as_it_is(_: object) -> None:
    """Reset nothing."""


def _session(*, application: str, statement_timeout_ms: int, lock_timeout_ms: int = 2000) -> dict[str, str]:
    return {
        "application_name": application,
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "5000",
        # The update of one row by its key needs no just-in-time compiler, which costs tens of milliseconds.
        "jit": "off",
    }
