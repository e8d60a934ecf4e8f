"""Door 1: PostgreSQL. Hot paths get asyncpg connections, the control plane SQLAlchemy transactions inside a scope.

Each connection assumes a role of `tenants.roles` as it opens, so that no statement, however wrong, can do more than that
role may; the control plane's is bound, row by row, to the scope that its transaction names first.
"""

from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tenants.errors import Unavailable
from tenants.ids import AppId, TenantId
from tenants.roles import Role, missing_roles
from tenants.scope import Scope

READ_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
POOL_SIZE = 8
CALL_POOL_SIZE = 2
CONTROL_POOL_SIZE = 4
GROUND_POOL_SIZE = 2
PEOPLE_POOL_SIZE = 2
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

# Each statement of ours looks rows up by a key, or goes along one in its order, and so costs the same at any size of the tables.
# Left to itself, PostgreSQL reads them whole with a plan that it made while they were small, or plans for the values at hand,
# of which it has too few samples in a large table. The other half of this stands in migrations/sql/0010_1_spread.sql.
BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

# What row-level security compares rows with; both end with the transaction, and then nothing is in scope.
ENTER = "SELECT set_config('roomlog.apps', $1, true), set_config('roomlog.tenants', $2, true)"
ENTER_SCOPE = text("SELECT set_config('roomlog.apps', :apps, true), set_config('roomlog.tenants', :tenants, true)")


class RolesMissing(Exception):
    """The database has no such roles, or its user may not assume them; the message says what to run."""


@contextmanager
def away_is_unavailable() -> Generator[None]:
    """Turn the many faces of a database out of reach into `Unavailable`, which callers may retry."""
    try:
        yield
    except (*AWAY, PoolTimeout) as error:
        raise Unavailable(retry_after_s=RETRY_AFTER_S) from error
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or isinstance(cause, AWAY):
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from error
        raise


class Postgres:
    """The primary: never a replica, for a replica that lags would break "subscribe, then read"."""

    def __init__(self, url: str, pools: "_Pools", *, fence_all: bool) -> None:
        """Hold open pools; use `Postgres.open`."""
        self._url = url
        self._pools = pools
        self._fence_all = fence_all

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, fence_all: bool = False) -> AsyncGenerator["Postgres"]:
        """Open the door for the length of a context.

        With `fence_all` hot reads go through row-level security too: slower, and blind to what a statement that forgot
        to name its app would have shown. Raises `Unavailable` if the server cannot be reached, `RolesMissing`.
        """
        with away_is_unavailable():
            await _check_roles(url)
            reads = await _open_pool(
                url, Role.RLS if fence_all else Role.READER, application="roomlog-read", size=POOL_SIZE
            )
            calls = await _open_pool(url, Role.LANE, application="roomlog-call", size=CALL_POOL_SIZE)
        pools = _Pools(
            reads,
            calls,
            _open_engine(url, Role.RLS, application="roomlog-control", size=CONTROL_POOL_SIZE),
            _open_engine(url, Role.GROUND, application="roomlog-ground", size=GROUND_POOL_SIZE),
            _open_engine(url, Role.PEOPLE, application="roomlog-people", size=PEOPLE_POOL_SIZE),
        )
        try:
            yield cls(url, pools, fence_all=fence_all)
        finally:
            reads.terminate()
            calls.terminate()
            await pools.control.dispose()
            await pools.ground.dispose()
            await pools.people.dispose()

    async def fetch(
        self,
        apps: Collection[AppId],
        statement: str,
        *arguments: Any,  # noqa: ANN401 - what asyncpg takes
    ) -> list[asyncpg.Record]:
        """Run one reading statement of a hot path, which concerns `apps` and names them itself.

        Raises `Unavailable` after 5 s or without a server.
        """
        with away_is_unavailable():
            async with self._pools.reads.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                if not self._fence_all:
                    return await connection.fetch(statement, *arguments)
                async with connection.transaction():
                    await connection.fetch(ENTER, _list(apps), "")
                    return await connection.fetch(statement, *arguments)

    async def call(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:  # noqa: ANN401 - what asyncpg takes
        """Call one of the functions that write logs, once and outside the lanes; raises `Unavailable`."""
        with away_is_unavailable():
            async with self._pools.calls.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                return await connection.fetch(statement, *arguments)

    async def survey(
        self,
        role: Role,
        statement: str,
        *arguments: Any,  # noqa: ANN401 - what asyncpg takes
    ) -> list[asyncpg.Record]:
        """Read across all apps, now and then and for upkeep; what is done about it is done inside a scope again."""
        with away_is_unavailable():
            connection = await self.connect(
                role, application="roomlog-survey", statement_timeout_ms=5000, lock_timeout_ms=2000
            )
            try:
                return await connection.fetch(statement, *arguments, timeout=READ_TIMEOUT_S)
            finally:
                connection.terminate()

    async def connect(
        self, role: Role, *, application: str, statement_timeout_ms: int, lock_timeout_ms: int
    ) -> "asyncpg.Connection[asyncpg.Record]":
        """Open a connection of one's own, as lanes and the audit need; raises what `AWAY` lists."""
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            target_session_attrs=SessionAttribute.read_write,
            server_settings=_session(
                role,
                application=application,
                statement_timeout_ms=statement_timeout_ms,
                lock_timeout_ms=lock_timeout_ms,
            ),
        )

    @asynccontextmanager
    async def transaction(self, scope: Scope | AppId) -> AsyncGenerator[AsyncConnection]:
        """Open a control-plane transaction inside a scope; commits at the end, rolls back on an error.

        Nothing else is there for it. The app alone is enough for all but what belongs to the tenant itself.
        """
        apps, tenants = ([scope.app], [scope.tenant]) if isinstance(scope, Scope) else ([scope], [])
        async with self._inside(apps, tenants) as connection:
            yield connection

    @asynccontextmanager
    async def across(self, apps: Collection[AppId]) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction inside several apps: for what the service itself does for all of them at once."""
        async with self._inside(apps, []) as connection:
            yield connection

    @asynccontextmanager
    async def tenancy(self, tenant: TenantId) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction inside a tenant and outside all of its apps."""
        async with self._inside([], [tenant]) as connection:
            yield connection

    @asynccontextmanager
    async def ground(self) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction outside any scope, to find tenants and apps; it writes nothing and sees nothing else."""
        with away_is_unavailable():
            async with self._pools.ground.begin() as connection:
                yield connection

    @asynccontextmanager
    async def people(self, tenants: Collection[TenantId] = ()) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction for people, their sessions and their mail tokens; no other door leads there.

        It sees and writes memberships and audit entries of these tenants alone. Without any it sees all memberships, for
        whoever signs in is known by the person, and writes none.
        """
        with away_is_unavailable():
            async with self._pools.people.begin() as connection:
                if tenants:
                    await connection.execute(ENTER_SCOPE, {"apps": "", "tenants": _list(tenants)})
                yield connection

    @asynccontextmanager
    async def _inside(self, apps: Collection[AppId], tenants: Collection[TenantId]) -> AsyncGenerator[AsyncConnection]:
        with away_is_unavailable():
            async with self._pools.control.begin() as connection:
                await connection.execute(ENTER_SCOPE, {"apps": _list(apps), "tenants": _list(tenants)})
                yield connection


@dataclass(frozen=True, slots=True)
class _Pools:
    reads: "asyncpg.Pool[asyncpg.Record]"
    calls: "asyncpg.Pool[asyncpg.Record]"
    control: AsyncEngine
    ground: AsyncEngine
    people: AsyncEngine


def _list(numbers: Collection[int]) -> str:
    return ",".join(map(str, set(numbers)))


async def _check_roles(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, target_session_attrs=SessionAttribute.read_write)
    try:
        missing = await missing_roles(connection)
    finally:
        connection.terminate()
    if missing:
        msg = f"The database's user cannot assume {', '.join(missing)}. Run: roomlog-server migrate"
        raise RolesMissing(msg)


async def _open_pool(url: str, role: Role, *, application: str, size: int) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(
        url,
        # One that is to hold connections even while nobody asks tells of each that it cannot open, past all logging.
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=READ_TIMEOUT_S,
        # Our statements leave nothing behind on a connection; the reset query that asyncpg sends by default would
        # double the cost of a small one.
        reset=_leave_as_it_is,
        target_session_attrs=SessionAttribute.read_write,
        server_settings=_session(role, application=application, statement_timeout_ms=5000),
    )


def _open_engine(url: str, role: Role, *, application: str, size: int) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+asyncpg://" + url.split("://", 1)[1],
        pool_size=size,
        # Beyond its size a pool would open a connection for one transaction and close it again, which costs more than
        # to wait for one of those that stand.
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": READ_TIMEOUT_S,
            "server_settings": _session(role, application=application, statement_timeout_ms=5000),
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(adapted: Any, _: object, __: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter has no public type
    """Have a connection opened anew whose server has hung up: asking it, as SQLAlchemy can, would cost three trips."""
    if adapted.driver_connection.is_closed():
        raise DisconnectionError


async def _leave_as_it_is(_: object) -> None:
    """Reset nothing."""


def _session(role: Role, *, application: str, statement_timeout_ms: int, lock_timeout_ms: int = 2000) -> dict[str, str]:
    return {
        "role": role.value,
        "application_name": application,
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "5000",
        # The update of one row by its key needs no just-in-time compiler, which costs tens of milliseconds.
        "jit": "off",
    } | BY_KEY
