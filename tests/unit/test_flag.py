"""A flag, and what is made of it: whoever waits is woken once it is raised, and nobody else's wait is touched."""

import asyncio
import random

from api.edge.socket_guard import Mailbox
from api.flag import Flag


async def test_all_who_wait_are_woken_though_it_is_lowered_at_once() -> None:
    """Raised for a moment is raised."""
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    flag.set()
    flag.clear()
    await asyncio.gather(*waiting)
    assert not flag.is_set()


async def test_a_raised_flag_is_not_waited_for() -> None:
    """And a lowered one is, again."""
    flag = Flag()
    flag.set()
    await flag.wait()
    flag.clear()
    waiting = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    flag.set()
    await waiting


async def test_who_gives_up_leaves_the_others_waiting() -> None:
    """A cancelled wait is forgotten, and costs nobody else theirs."""
    flag = Flag()
    first, second = (asyncio.create_task(flag.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    assert flag._waiting is not None
    assert len(flag._waiting) == 1
    flag.set()
    await second


async def test_a_mailbox_gives_all_in_order() -> None:
    """Whether its reader waits for the next message or comes late."""
    mailbox, got = Mailbox(), list[int]()

    async def read() -> None:
        while len(got) < 100:
            got.append(await mailbox.get())
            if random.random() < 0.3:
                await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    for number in range(100):
        mailbox.put_nowait(number)
        if random.random() < 0.3:
            await asyncio.sleep(0)
    await reading
    assert got == list(range(100))
    assert mailbox.empty()
