"""Starts the real service with a fault planted: what is broken here is broken nowhere else.

`PROMISES_LOSE=0.5` loses that share of the publications of rooms whose events say `quiet`, and each one that says `last
word`. `PROMISES_DELAY_S=0.03` delays three in ten by up to so long, `PROMISES_TARDY_S` those of events that say `tardy`.
`PROMISES_HASTE=1` has done within seconds what the service does within half a minute. `PROMISES_MUTANT=M3` plants a bug.
On SIGUSR1 a process dies right after its next commit, before it publishes or acknowledges it; on SIGUSR2 it publishes it,
and dies before it acknowledges it.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable, Sequence

import api.rooms.retention
import api.tails.keeper
from api.cli import main
from api.fanout.publish import Publisher
from api.log.item import Answer, Item, Outcome
from api.log.lane import Lane
from tests.promises.mutants import MUTANTS

Offer = Callable[[Publisher, str, bytes], None]
EXIT = 9
PUBLISHED_S = 0.2


def lose(share: float) -> None:
    offer: Offer = Publisher.offer

    def offer_some(self: Publisher, channel: str, payload: bytes) -> None:
        is_lost = b"last word" in payload or (b"quiet" in payload and random.random() < share)
        if not is_lost:
            offer(self, channel, payload)

    Publisher.offer = offer_some  # type: ignore[method-assign]


def delay(longest_s: float, mark: bytes = b"") -> None:
    offer: Offer = Publisher.offer

    def offer_later(self: Publisher, channel: str, payload: bytes) -> None:
        if mark in payload and random.random() < 0.3:
            loop = asyncio.get_running_loop()
            loop.call_later(random.random() * longest_s, offer, self, channel, payload)
        else:
            offer(self, channel, payload)

    Publisher.offer = offer_later  # type: ignore[method-assign]


def make_haste() -> None:
    api.tails.keeper.LINGER_S = 0.5
    api.tails.keeper.SWEEP_S = 0.25
    api.rooms.retention.EVERY_S = 1.0


def die_on_signals() -> None:
    answers_of = Lane._answers
    told: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: told.append(number))

    async def answers_or_death(self: Lane, items: Sequence[Item], *, skip_held: bool) -> list[Answer]:
        answers = await answers_of(self, items, skip_held=skip_held)
        accepted = [each.event for each in answers if each.outcome is Outcome.ACCEPTED and each.event is not None]
        if told and accepted:
            if signal.SIGUSR2 in told:
                self._publish(accepted)
                await asyncio.sleep(PUBLISHED_S)
            os._exit(EXIT)
        return answers

    Lane._answers = answers_or_death  # type: ignore[method-assign]


if __name__ == "__main__":
    if "PROMISES_LOSE" in os.environ:
        lose(float(os.environ["PROMISES_LOSE"]))
    if "PROMISES_DELAY_S" in os.environ:
        delay(float(os.environ["PROMISES_DELAY_S"]))
    if "PROMISES_TARDY_S" in os.environ:
        delay(float(os.environ["PROMISES_TARDY_S"]), b"tardy")
    if "PROMISES_HASTE" in os.environ:
        make_haste()
    die_on_signals()
    if "PROMISES_MUTANT" in os.environ:
        MUTANTS[os.environ["PROMISES_MUTANT"]]()
    sys.exit(main(["serve"]))
