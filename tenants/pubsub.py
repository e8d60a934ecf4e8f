"""Door 2: Redis, for what is published and counted; the subscription connection is `api.fanout.listener`'s own."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import hiredis

from tenants.wire import Address, Pipe, pack

PUBLISH_TIMEOUT_S = 0.5
UNKNOWN_SCRIPT = "NOSCRIPT"


class PublishFailed(Exception):
    """Redis did not take the payloads in time; nobody retries, for the audit repairs what was lost."""


class EvaluationFailed(Exception):
    """Redis did not answer in time; what was asked for may have happened."""


class PubSub:
    """Redis as an accelerator: nothing in it is needed, everything in it may be lost at any moment."""

    def __init__(self, address: Address) -> None:
        """Hold no connection yet; use `PubSub.open`."""
        self.address = address
        # Each its own: a script that takes long holds nothing back that is published.
        self._publications = Pipe(address)
        self._scripts = Pipe(address)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncGenerator["PubSub"]:
        """Open the door for the length of a context; needs no Redis to be there."""
        pubsub = cls(Address.parse(url))
        try:
            yield pubsub
        finally:
            pubsub._publications.close()
            pubsub._scripts.close()

    async def publish(self, payloads: Sequence[tuple[str, bytes]]) -> None:
        """Send payloads to their channels, in order and in one trip; raises `PublishFailed` after 0.5 s."""
        commands = [pack("PUBLISH", channel, payload) for channel, payload in payloads]
        try:
            replies = await self._publications.ask(commands, PUBLISH_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise PublishFailed from error
        if any(isinstance(reply, hiredis.ReplyError) for reply in replies):
            raise PublishFailed

    async def evaluate(
        self, script: str, sha: str, calls: Sequence[tuple[Sequence[str], Sequence[int]]], timeout_s: float
    ) -> list[list[int] | None]:
        """Run a script once for each call's keys and arguments, in one trip; None for a call that Redis refused.

        Raises `EvaluationFailed` without an answer in time. A Redis that does not know the script is told it.
        """
        commands = [pack("EVALSHA", sha, len(keys), *keys, *arguments) for keys, arguments in calls]
        try:
            replies = await self._scripts.ask(commands, timeout_s)
            unknown = [index for index, reply in enumerate(replies) if _is_unknown(reply)]
            if unknown:
                again = [pack("SCRIPT", "LOAD", script), *(commands[index] for index in unknown)]
                for index, reply in zip(unknown, (await self._scripts.ask(again, timeout_s))[1:], strict=True):
                    replies[index] = reply
        except (OSError, TimeoutError) as error:
            raise EvaluationFailed from error
        return [None if isinstance(reply, hiredis.ReplyError) else reply for reply in replies]


def _is_unknown(reply: object) -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith(UNKNOWN_SCRIPT)
