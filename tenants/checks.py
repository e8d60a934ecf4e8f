"""Checks of the two stores: whether each is one that the service can rely on, told in sentences with the way out."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from tenants.channels import probe_channel

TIMEOUT_S = 3.0
MIN_POSTGRES = 15
MIN_REDIS = 7
CONNECTIONS_PER_PROCESS = 20
"""The pools for reads (8), calls (2), the control plane (4 and 2) and people (2), a lane, and the audit."""
SPARE_CONNECTIONS = 10
"""For people, backups and monitoring."""
SKEW_WARNS_S = 1.0
SKEW_FAILS_S = 10.0
MIN_OUTPUT_BUFFER_BYTES = 16 * 1024 * 1024

ON = ("fsync", "full_page_writes")
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])"
TAKEN = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name NOT LIKE 'roomlog%'"


class Verdict(StrEnum):
    """What a check has found."""

    OK = "ok"
    WARN = "warn"
    """The service runs, but not as well or as safely as it should."""
    FAIL = "FAIL"
    """The service does not run, or must not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result: a sentence, and for what is wrong the way out."""

    name: str
    verdict: Verdict
    text: str


class _Findings(list[Finding]):
    def ok(self, name: str, text: str) -> None:
        self.append(Finding(name, Verdict.OK, text))

    def warn(self, name: str, text: str) -> None:
        self.append(Finding(name, Verdict.WARN, text))

    def fail(self, name: str, text: str) -> None:
        self.append(Finding(name, Verdict.FAIL, text))


@asynccontextmanager
async def reach_postgres(url: str, found: list[Finding]) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record] | None"]:
    """Connect for the length of a context; None, and a finding, where that fails."""
    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        text = f"PostgreSQL at {_place(url)} cannot be used: {_reason(error)}. Look at DATABASE_URL and the server."
        found.append(Finding("postgres", Verdict.FAIL, text))
        yield None
        return
    try:
        yield connection
    finally:
        connection.terminate()


async def check_postgres(connection: "asyncpg.Connection[asyncpg.Record]", processes: int) -> list[Finding]:
    """Check a server's version, part and settings, for so many processes of the service."""
    found = _Findings()
    major = connection.get_server_version().major
    if major < MIN_POSTGRES:
        found.fail("postgres", f"PostgreSQL {major} is too old: use {MIN_POSTGRES} or newer.")
    else:
        found.ok("postgres", f"PostgreSQL {major} answers.")
    await _check_part(connection, found)
    names = [
        *ON,
        "synchronous_commit",
        "max_connections",
        "synchronous_standby_names",
        "data_checksums",
        "track_counts",
    ]
    settings = {row["name"]: row["setting"] for row in await connection.fetch(SETTINGS, names)}
    _check_durability(settings, found)
    taken = await connection.fetchval(TAKEN)
    needed = processes * CONNECTIONS_PER_PROCESS
    allowed = int(settings["max_connections"])
    if needed + taken + SPARE_CONNECTIONS > allowed:
        found.warn(
            "postgres connections",
            f"This machine's {processes} workers take up to {needed} connections, others have {taken}, and "
            f"max_connections is {allowed}. Raise it, or lower ROOMLOG_WORKERS.",
        )
    else:
        found.ok("postgres connections", f"Up to {needed} of {allowed} are for this machine's workers.")
    return found


async def _check_part(connection: "asyncpg.Connection[asyncpg.Record]", found: _Findings) -> None:
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        found.fail("postgres primary", "This server is a standby. Let DATABASE_URL lead to the primary, or promote it.")
    elif await connection.fetchval("SELECT current_setting('transaction_read_only')") == "on":
        found.fail(
            "postgres primary",
            "Transactions are read-only here. Set default_transaction_read_only = off for this user and database.",
        )
    else:
        found.ok("postgres primary", "It is the primary and takes writes.")


def _check_durability(settings: dict[str, str], found: _Findings) -> None:
    off = [name for name in ON if settings[name] != "on"]
    if off:
        found.fail(
            "postgres durability",
            f"{' and '.join(off)} must be on: a power cut would lose or tear what was acknowledged.",
        )
    elif settings["synchronous_commit"] == "off":
        found.fail(
            "postgres durability",
            "synchronous_commit is off: a crash would lose acknowledged writes. Set it to on for this user and database.",
        )
    elif settings["synchronous_commit"] == "local" and settings["synchronous_standby_names"]:
        found.warn("postgres durability", "synchronous_commit is local: the synchronous standby is not waited for.")
    else:
        found.ok("postgres durability", "Commits are on the disk before they are acknowledged.")
    if settings["data_checksums"] != "on":
        found.warn(
            "postgres checksums", "Data checksums are off: enable them by pg_checksums, with the server stopped."
        )
    if settings["track_counts"] != "on":
        found.fail("postgres vacuum", "track_counts is off, and autovacuum with it: set it to on.")


async def read_revisions(connection: "asyncpg.Connection[asyncpg.Record]") -> set[str]:
    """Give the schema's revisions; none for a database without one."""
    try:
        return {row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")}
    except asyncpg.UndefinedTableError:
        return set()


async def check_postgres_clock(connection: "asyncpg.Connection[asyncpg.Record]") -> Finding:
    """Compare the server's clock with this machine's."""
    before = time.time()
    there = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
    return judge_skew("clock of postgres", there - (before + time.time()) / 2)


def judge_skew(name: str, skew_s: float) -> Finding:
    """Judge by how much another clock is ahead of this machine's."""
    if abs(skew_s) < SKEW_WARNS_S:
        return Finding(name, Verdict.OK, f"It differs by {abs(skew_s) * 1000:.0f} ms.")
    text = f"It is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's. Run NTP on both."
    return Finding(name, Verdict.FAIL if abs(skew_s) > SKEW_FAILS_S else Verdict.WARN, text)


async def check_redis(url: str) -> list[Finding]:
    """Check a Redis or Valkey: version, publications, limits, clock."""
    found = _Findings()
    try:
        client: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        async with client, asyncio.timeout(4 * TIMEOUT_S):
            await _check_redis(client, found)
    except AuthenticationError:
        found.fail("redis", f"Redis at {_place(url)} does not know this user or password. Look at REDIS_URL.")
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        found.fail(
            "redis", f"Redis at {_place(url)} cannot be used: {_reason(error)}. Look at REDIS_URL and the server."
        )
    return found


async def _check_redis(client: Redis, found: _Findings) -> None:
    before = time.time()
    try:
        seconds, micros = await client.time()
    except NoPermissionError:
        found.warn("clock of redis", "This user may not ask for it: allow +time.")
    else:
        found.append(judge_skew("clock of redis", seconds + micros / 1e6 - (before + time.time()) / 2))
    info = await _asked(client.info("server"))
    if info is None:
        found.warn("redis", "Redis answers; this user may not ask for its version: allow +info.")
    elif "valkey_version" in info:
        found.ok("redis", f"Valkey {info['valkey_version']} answers.")
    elif int(str(info["redis_version"]).split(".")[0]) < MIN_REDIS:
        found.fail("redis", f"Redis {info['redis_version']} is too old: use {MIN_REDIS} or newer, or Valkey.")
    else:
        found.ok("redis", f"Redis {info['redis_version']} answers.")
    await _check_publications(client, found)
    settings = await _asked(client.config_get("maxmemory*", "client-output-buffer-limit"))
    if settings is None:
        found.warn(
            "redis limits", "This user may not read the configuration (config|get): compare deploy/valkey.conf by hand."
        )
    else:
        _check_redis_limits(settings, found)


async def _asked(asking: Any) -> dict[str, Any] | None:  # noqa: ANN401 - redis-py does not say what its commands give
    """Give what a command answers; None where this user may not give it, or a host has renamed it."""
    try:
        answer: dict[str, Any] = await asking
    except (NoPermissionError, ResponseError):
        return None
    return answer


async def _check_publications(client: Redis, found: _Findings) -> None:
    channel = probe_channel(secrets.randbits(63))
    try:
        async with client.pubsub() as listening, asyncio.timeout(TIMEOUT_S):
            await listening.subscribe(channel)
            await client.publish(channel, b"check")
            while (await listening.get_message(timeout=TIMEOUT_S) or {}).get("type") != "message":
                pass
    except NoPermissionError as error:
        found.fail(
            "redis publications", f"This user may not publish and subscribe: {error}. It needs both on channels rl1:*."
        )
    except TimeoutError:
        found.fail("redis publications", "What is published does not come back. Does the address lead to one server?")
    else:
        found.ok("redis publications", "What is published comes back.")


def _check_redis_limits(settings: dict[str, Any], found: _Findings) -> None:
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        found.warn(
            "redis limits", f"maxmemory-policy is {policy}: what limits have counted may vanish. Set noeviction."
        )
    words = str(settings.get("client-output-buffer-limit", "")).split()
    hard = int(words[words.index("pubsub") + 1]) if "pubsub" in words else 0
    if 0 < hard < MIN_OUTPUT_BUFFER_BYTES:
        found.warn(
            "redis limits",
            f"client-output-buffer-limit pubsub is {hard} bytes: a burst would cut processes off. Set 64mb 16mb 10.",
        )
    if not found or found[-1].name != "redis limits":
        found.ok("redis limits", "Memory policy and output buffers are as they should be.")


def _place(url: str) -> str:
    """Say where an address leads, without its password."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{host}{'' if parts.port is None else f':{parts.port}'}{parts.path}" + (
        f"?{parts.query}" if not host else ""
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    return (str(error) or type(error).__name__).rstrip(".")
