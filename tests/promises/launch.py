"""Starts the real service with a fault planted: what is broken here is broken nowhere else.

`PROMISES_WITHOUT_AUDIT=1` blinds the audit: it looks, and sees nothing. `PROMISES_LOSE=0.5` loses that share of the
publications of rooms whose events say `quiet`, and each one that says `last word`. `PROMISES_DELAY_S=0.03` delays three
publications in ten by up to so long.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable

from api.cli import main
from api.fanout.publish import Publisher
from api.log.commits import CommitReader, Visible

Offer = Callable[[Publisher, str, bytes], None]


def blind_the_audit() -> None:
    async def look(_: CommitReader) -> Visible:
        return Visible(heads=[], controls=[])

    CommitReader.look = look  # type: ignore[method-assign]


def lose(share: float) -> None:
    offer: Offer = Publisher.offer

    def offer_some(self: Publisher, channel: str, payload: bytes) -> None:
        is_lost = b"last word" in payload or (b"quiet" in payload and random.random() < share)
        if not is_lost:
            offer(self, channel, payload)

    Publisher.offer = offer_some  # type: ignore[method-assign]


def delay(longest_s: float) -> None:
    offer: Offer = Publisher.offer

    def offer_later(self: Publisher, channel: str, payload: bytes) -> None:
        if random.random() < 0.3:
            loop = asyncio.get_running_loop()
            loop.call_later(random.random() * longest_s, offer, self, channel, payload)
        else:
            offer(self, channel, payload)

    Publisher.offer = offer_later  # type: ignore[method-assign]


if __name__ == "__main__":
    if os.environ.get("PROMISES_WITHOUT_AUDIT"):
        blind_the_audit()
    if "PROMISES_LOSE" in os.environ:
        lose(float(os.environ["PROMISES_LOSE"]))
    if "PROMISES_DELAY_S" in os.environ:
        delay(float(os.environ["PROMISES_DELAY_S"]))
    sys.exit(main(["serve"]))
