"""Door 2: Redis. Publishing by redis-py; the subscription connection is `api.fanout.listener`'s own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

PUBLISH_TIMEOUT_S = 0.5
DEFAULT_PORT = 6379


class PublishFailed(Exception):
    """Redis did not take the payloads in time; nobody retries, for the audit repairs what was lost."""


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


def _obey_cancellation() -> None:
    """Raise the cancellation that redis-py swallows when it comes in mid-command; without it a task never ends."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
