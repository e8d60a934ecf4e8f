"""Door 2: Redis. Publishing by redis-py; the subscription connection is `api.fanout.listener`'s own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

PUBLISH_TIMEOUT_S = 0.5
DEFAULT_PORT = 6379


class PublishFailed(Exception):
    """Redis did not take the payloads in time; nobody retries, for the audit repairs what was lost."""


class EvaluationFailed(Exception):
    """Redis did not answer in time; what was asked for may have happened."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis listens, as `REDIS_URL` says; a `path` means a Unix socket."""

    host: str | None
    port: int
    path: str | None
    tls: bool
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read `redis://`, `rediss://` and `unix://` addresses; raises ValueError on others."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            msg = "REDIS_URL must start with redis://, rediss:// or unix://"
            raise ValueError(msg)
        return cls(
            host=None if parts.scheme == "unix" else parts.hostname or "localhost",
            port=parts.port or DEFAULT_PORT,
            path=unquote(parts.path) if parts.scheme == "unix" else None,
            tls=parts.scheme == "rediss",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class PubSub:
    """Redis as an accelerator: nothing in it is needed, everything in it may be lost at any moment."""

    def __init__(self, client: Redis, address: Address) -> None:
        """Hold a client; use `PubSub.open`."""
        self._client = client
        self.address = address

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncGenerator["PubSub"]:
        """Open the door for the length of a context; needs no Redis to be there."""
        client: Redis = Redis.from_url(
            url,
            socket_timeout=PUBLISH_TIMEOUT_S,
            socket_connect_timeout=PUBLISH_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield cls(client, Address.parse(url))
        finally:
            await client.aclose()

    async def publish(self, payloads: Sequence[tuple[str, bytes]]) -> None:
        """Send payloads to their channels, in order and in one trip; raises `PublishFailed` after 0.5 s."""
        pipeline = self._client.pipeline(transaction=False)
        for channel, payload in payloads:
            pipeline.publish(channel, payload)
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            _obey_cancellation()
            raise PublishFailed from error
        _obey_cancellation()

    async def evaluate(
        self, script: str, sha: str, calls: Sequence[tuple[Sequence[str], Sequence[int]]], timeout_s: float
    ) -> list[list[int] | None]:
        """Run a script once for each call's keys and arguments, in one trip; None for a call that Redis refused.

        Raises `EvaluationFailed` without an answer in time. A Redis that does not know the script is told it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                replies = await self._evaluate(sha, calls)
                unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                if unknown:
                    await self._client.script_load(script)
                    again = await self._evaluate(sha, [calls[index] for index in unknown])
                    for index, reply in zip(unknown, again, strict=True):
                        replies[index] = reply
        except (RedisError, OSError, TimeoutError) as error:
            _obey_cancellation()
            raise EvaluationFailed from error
        _obey_cancellation()
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    async def _evaluate(
        self, sha: str, calls: Sequence[tuple[Sequence[str], Sequence[int]]]
    ) -> list[list[int] | Exception]:
        pipeline = self._client.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.evalsha(sha, len(keys), *keys, *arguments)
        return list(await pipeline.execute(raise_on_error=False))


def _obey_cancellation() -> None:
    """Raise the cancellation that redis-py swallows when it comes in mid-command; without it a task never ends."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
