"""Limits: how often an app, a user or an address may do something, counted in Redis for all processes together.

Every process also counts by itself what it lets through, and lets nothing through that goes beyond a limit by its own
count. So while Redis is away, slow or emptied, a limit still holds in each process: in all of them together at most as
many times over as there are processes. Redis away closes nothing, and opens nothing.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from tenants.gcra import Rate, Standing, Verdict, judge
from tenants.pubsub import EvaluationFailed, PubSub

TIMEOUT_S = 0.1
ASK_AGAIN_S = 1.0
"""For how long a Redis that did not answer is left alone."""
MAX_CALLS = 500
"""Checks in one trip."""
MAX_WAITING = 5_000
"""Checks that wait for a trip; those beyond are judged by this process's own count."""
MAX_COUNTED = 200_000
"""Buckets that a process counts by itself; of those beyond, the one that was used least recently starts full again."""

# `judge`, for all buckets of a check at once. Numbers are whole and far below 2^53, so that Lua's doubles hold them; as
# text they must not become 1.7e+15.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local used, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local interval, span = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full_at = tonumber(redis.call('GET', key) or 0)
  used[i] = math.min(math.max(full_at - now, 0), span)
  if used[i] + interval > span then allowed = 0 end
end
if allowed == 1 then
  for i, key in ipairs(KEYS) do
    used[i] = used[i] + tonumber(ARGV[2 * i - 1])
    local lifetime = string.format('%.0f', math.ceil(used[i] / 1000))
    redis.call('SET', key, string.format('%.0f', now + used[i]), 'PX', lifetime)
  end
end
return {allowed, now, unpack(used)}
"""
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # the name that Redis gives it


@dataclass(frozen=True, slots=True)
class Limit:
    """One bucket: what clients call it, where it stands in Redis, and how fast it fills."""

    name: str
    key: str
    rate: Rate


@dataclass(slots=True)
class LimitCounts:
    """What the limits of a process have done since it started."""

    trips: int = 0
    refused: int = 0
    alone: int = 0
    """Checks that were judged by this process's own count, Redis being away."""


class Limits:
    """Checks limits; those asked for while a trip is under way share the next one."""

    def __init__(self, pubsub: PubSub) -> None:
        """Count in the Redis behind `pubsub`."""
        self._pubsub = pubsub
        self._own = _OwnCount()
        self._waiting: list[tuple[Sequence[Limit], asyncio.Future[Verdict | None]]] = []
        self._arrived = asyncio.Event()
        self._ask_again_at = 0.0
        self.counts = LimitCounts()

    async def take(self, limits: Sequence[Limit]) -> Verdict:
        """Take one from each bucket, or from none if one is empty; answers within about 0.1 s and never raises.

        The buckets of one check stand in one slot of a Redis Cluster: they are an app's, or an address's.
        """
        asked_us = _now_us()
        verdict = self._own.look(limits, asked_us)
        if verdict.is_allowed:
            shared = await self._ask(limits)
            if shared is None:
                self.counts.alone += 1
                asked_us = _now_us()
                verdict = self._own.look(limits, asked_us)
            else:
                verdict = shared
        if verdict.is_allowed:
            self._own.count(limits, asked_us)
        else:
            self.counts.refused += 1
        return verdict

    async def run(self) -> None:
        """Make trips to Redis, one at a time, until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                batch, self._waiting = self._waiting[:MAX_CALLS], self._waiting[MAX_CALLS:]
                if not self._waiting:
                    self._arrived.clear()
                if asyncio.get_running_loop().time() < self._ask_again_at:
                    # They came while the trip was under way that failed.
                    for _, answer in batch:
                        _settle(answer, None)
                else:
                    await self._trip(batch)
        finally:
            self._ask_again_at = float("inf")
            for _, answer in self._waiting:
                _settle(answer, None)

    async def _ask(self, limits: Sequence[Limit]) -> Verdict | None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._ask_again_at or len(self._waiting) >= MAX_WAITING:
            return None
        answer: asyncio.Future[Verdict | None] = loop.create_future()
        self._waiting.append((limits, answer))
        self._arrived.set()
        return await answer

    async def _trip(self, batch: list[tuple[Sequence[Limit], asyncio.Future[Verdict | None]]]) -> None:
        batch = [(limits, answer) for limits, answer in batch if not answer.done()]
        self.counts.trips += 1
        verdicts: list[Verdict | None] = [None] * len(batch)
        try:
            replies = await self._pubsub.evaluate(SCRIPT, SHA, [_call(limits) for limits, _ in batch], TIMEOUT_S)
            verdicts = [_read(limits, reply) for (limits, _), reply in zip(batch, replies, strict=True)]
        except EvaluationFailed:
            self._ask_again_at = asyncio.get_running_loop().time() + ASK_AGAIN_S
        finally:
            for (_, answer), verdict in zip(batch, verdicts, strict=True):
                _settle(answer, verdict)


class _OwnCount:
    """What this process has let through."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def look(self, limits: Sequence[Limit], now_us: int) -> Verdict:
        """Judge without taking anything."""
        rates = [limit.rate for limit in limits]
        return judge(rates, [self._full_at.get(limit.key, 0) for limit in limits], now_us)

    def count(self, limits: Sequence[Limit], asked_us: int) -> None:
        """Take one from each bucket, whatever it holds: it has been let through."""
        for limit in limits:
            self._full_at[limit.key] = max(self._full_at.get(limit.key, 0), asked_us) + limit.rate.interval_us
            self._full_at.move_to_end(limit.key)
            if len(self._full_at) > MAX_COUNTED:
                self._full_at.popitem(last=False)


def _call(limits: Sequence[Limit]) -> tuple[list[str], list[int]]:
    numbers = [number for limit in limits for number in (limit.rate.interval_us, limit.rate.span_us)]
    return [limit.key for limit in limits], numbers


def _read(limits: Sequence[Limit], reply: list[int] | None) -> Verdict | None:
    if reply is None:
        return None
    allowed, _, *used = reply
    standings = tuple(Standing(limit.rate, used_us) for limit, used_us in zip(limits, used, strict=True))
    return Verdict(is_allowed=allowed == 1, standings=standings)


def _settle(answer: asyncio.Future[Verdict | None], verdict: Verdict | None) -> None:
    if not answer.done():
        answer.set_result(verdict)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
