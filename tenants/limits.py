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

from tenants.channels import slot
from tenants.gcra import Rate, Verdict, judge
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

# `judge`, for one check after the other; of each check ARGV has the number of its buckets, then their intervals and spans.
# A bucket that several of them take from, such as an app's, is read and written once. Numbers are whole and far below 2^53,
# so that Lua's doubles hold them; as text they must not become 1.7e+15.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full_at, changed, answers = {}, {}, {now}
local argument, first = 1, 1
while argument <= #ARGV do
  local count, allowed, used = tonumber(ARGV[argument]), 1, {}
  for i = 1, count do
    local key, interval, span = KEYS[first + i - 1], tonumber(ARGV[argument + 2 * i - 1]), tonumber(ARGV[argument + 2 * i])
    full_at[key] = full_at[key] or tonumber(redis.call('GET', key) or 0)
    used[i] = math.min(math.max(full_at[key] - now, 0), span)
    if used[i] + interval > span then allowed = 0 end
  end
  answers[#answers + 1] = allowed
  for i = 1, count do
    if allowed == 1 then
      local key = KEYS[first + i - 1]
      used[i] = used[i] + tonumber(ARGV[argument + 2 * i - 1])
      full_at[key], changed[key] = now + used[i], used[i]
    end
    answers[#answers + 1] = used[i]
  end
  argument, first = argument + 2 * count + 1, first + count
end
for key, used in pairs(changed) do
  redis.call('SET', key, string.format('%.0f', full_at[key]), 'PX', string.format('%.0f', math.ceil(used / 1000)))
end
return answers
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


_Asked = tuple[Sequence[Limit], "asyncio.Future[Verdict | None]"]


class Limits:
    """Checks limits; those asked for while a trip is under way share the next one."""

    def __init__(self, pubsub: PubSub) -> None:
        """Count in the Redis behind `pubsub`."""
        self._pubsub = pubsub
        self._own = _OwnCount()
        self._waiting: list[_Asked] = []
        self._arrived = asyncio.Event()
        self._ask_again_at = 0.0
        self.counts = LimitCounts()

    async def take(self, limits: Sequence[Limit]) -> Verdict:
        """Take one from each bucket, or from none if one is empty; answers within about 0.1 s and never raises.

        The buckets of one check stand in one slot of a Redis Cluster: they are an app's, or an address's.
        """
        asked_us = _now_us()
        verdict: Verdict | None = None
        if self._own.has_one(limits, asked_us):
            verdict = await self._ask(limits)
            if verdict is None:
                self.counts.alone += 1
                asked_us = _now_us()
        if verdict is None:
            verdict = self._own.look(limits, asked_us)
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

    async def _trip(self, batch: list["_Asked"]) -> None:
        self.counts.trips += 1
        by_slot: dict[str, list[_Asked]] = {}
        for asked in batch:
            if not asked[1].done():
                by_slot.setdefault(slot(asked[0][0].key), []).append(asked)
        try:
            calls = [_call([limits for limits, _ in together]) for together in by_slot.values()]
            replies = await self._pubsub.evaluate(SCRIPT, SHA, calls, TIMEOUT_S)
            for together, reply in zip(by_slot.values(), replies, strict=True):
                if reply is not None:
                    _answer(together, reply)
        except EvaluationFailed:
            self._ask_again_at = asyncio.get_running_loop().time() + ASK_AGAIN_S
        finally:
            for _, answer in batch:
                _settle(answer, None)


class _OwnCount:
    """What this process has let through."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def look(self, limits: Sequence[Limit], now_us: int) -> Verdict:
        """Judge without taking anything."""
        rates = [limit.rate for limit in limits]
        return judge(rates, [self._full_at.get(limit.key, 0) for limit in limits], now_us)

    def has_one(self, limits: Sequence[Limit], now_us: int) -> bool:
        """Tell what `look` would say, and no more."""
        for limit in limits:
            rate = limit.rate
            if min(self._full_at.get(limit.key, 0) - now_us, rate.span_us) + rate.interval_us > rate.span_us:
                return False
        return True

    def count(self, limits: Sequence[Limit], asked_us: int) -> None:
        """Take one from each bucket, whatever it holds: it has been let through."""
        for limit in limits:
            self._full_at[limit.key] = max(self._full_at.get(limit.key, 0), asked_us) + limit.rate.interval_us
            self._full_at.move_to_end(limit.key)
            if len(self._full_at) > MAX_COUNTED:
                self._full_at.popitem(last=False)


def _call(checks: Sequence[Sequence[Limit]]) -> tuple[list[str], list[int]]:
    """Spell checks whose buckets stand in one slot as keys and arguments of the script."""
    keys: list[str] = []
    numbers: list[int] = []
    for limits in checks:
        numbers.append(len(limits))
        for limit in limits:
            keys.append(limit.key)
            numbers += (limit.rate.interval_us, limit.rate.span_us)
    return keys, numbers


def _answer(together: "list[_Asked]", reply: list[int]) -> None:
    """Read the script's answers to checks that were asked for together."""
    place = 1
    for limits, answer in together:
        end = place + 1 + len(limits)
        rates = [limit.rate for limit in limits]
        _settle(answer, Verdict(is_allowed=reply[place] == 1, rates=rates, used_us=reply[place + 1 : end]))
        place = end


def _settle(answer: asyncio.Future[Verdict | None], verdict: Verdict | None) -> None:
    if not answer.done():
        answer.set_result(verdict)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
