"""Tickets in use, and tickets that nobody uses, in one process's own loop."""

import asyncio
import time

import pytest
from sqlalchemy import text as sql

from tenants import tickets as ground
from tenants.tickets import Origin, Ticket, Tickets
from tests.support.inside import Inside

AGE = sql("UPDATE tickets SET used_at = now() - make_interval(secs => CAST(:seconds AS int)) WHERE ticket_hash = :hash")
END = sql("UPDATE tickets SET ends_at = now() WHERE ticket_hash = :hash")
LEFT = sql("SELECT ticket_hash FROM tickets")
WHOLE = sql("SELECT t::text FROM tickets t")


async def issue(here: Inside) -> tuple[str, Ticket]:
    room = await here.room("r" + str(time.monotonic_ns()), "ann")
    user = await here.user("ann")
    text = await here.wiring.tickets.issue(
        here.scope, user, (room, "r"), origin=Origin(None), ends_at=time.time() + 600
    )
    used = await here.wiring.tickets.use(text)
    assert used is not None
    return text, used


async def age(here: Inside, seconds: int, used: Ticket) -> None:
    async with here.wiring.postgres.transaction(here.scope) as connection:
        await connection.execute(AGE, {"seconds": seconds, "hash": used.digest})


async def test_a_ticket_whose_stream_is_open_is_in_use(here: Inside) -> None:
    """Each round of touches renews it; once its last stream has ended, it lives on for what is left of the minute."""
    tickets = here.wiring.tickets
    text, used = await issue(here)
    tickets.hold(used)
    tickets.hold(used)
    await age(here, 90, used)
    tickets.release(used)
    await tickets.touch()
    assert await tickets.use(text) == used
    await age(here, 90, used)
    tickets.release(used)
    await tickets.touch()
    assert await tickets.use(text) == used
    await age(here, 90, used)
    await tickets.touch()
    assert await tickets.use(text) is None


async def test_no_end_of_a_stream_is_forgotten_while_postgresql_is_away(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written down is written down in the next round, with the time at which it happened."""
    tickets = here.wiring.tickets
    text, used = await issue(here)
    tickets.hold(used)
    tickets.release(used)
    await age(here, 59, used)
    monkeypatch.setattr(
        ground, "TOUCH", ground.text("SELECT set_config('role', 'none', true), pg_terminate_backend(pg_backend_pid())")
    )
    with pytest.raises(ground.Unavailable):
        await tickets.touch()
    monkeypatch.undo()
    await tickets.touch()
    await asyncio.sleep(1.1)
    assert await tickets.use(text) is not None


async def test_many_open_tickets_take_few_statements(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are touched in batches, every one of them."""
    monkeypatch.setattr(ground, "BATCH", 3)
    tickets = Tickets(here.wiring.postgres, here.wiring.pepper)
    user, room = await here.user("ann"), await here.room("r", "ann")
    texts = [
        await tickets.issue(here.scope, user, (room, "r"), origin=Origin(None), ends_at=time.time() + 600)
        for _ in range(7)
    ]
    for text in texts:
        used = await tickets.use(text)
        assert used is not None
        tickets.hold(used)
        await age(here, 90, used)
    await tickets.touch()
    assert None not in [await tickets.use(text) for text in texts]


async def test_dead_tickets_are_swept_and_others_are_not(here: Inside) -> None:
    """What has been dead for ten minutes, or is past its end, leaves no row; what was used a minute ago stays."""
    postgres, tickets = here.wiring.postgres, here.wiring.tickets
    _, old = await issue(here)
    _, recent = await issue(here)
    _, ended = await issue(here)
    await age(here, 601, old)
    await age(here, 61, recent)
    async with postgres.transaction(here.scope) as connection:
        await connection.execute(END, {"hash": ended.digest})
    await tickets.sweep()
    async with postgres.transaction(here.scope) as connection:
        left = (await connection.execute(LEFT)).scalars().all()
    assert left == [recent.digest]


async def test_what_is_revoked_while_a_ticket_is_looked_at_is_seen(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation that is heard of between the look and its answer has the ticket looked at again."""
    tickets = here.wiring.tickets
    text, used = await issue(here)
    looks = 0
    transaction = here.wiring.postgres.transaction

    def revoking_at_first(*arguments: object) -> object:
        nonlocal looks
        looks += 1
        if looks == 1:
            tickets.note_revocation()
        return transaction(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(here.wiring.postgres), "transaction", lambda _, app: revoking_at_first(app))
    assert await tickets.use(text) == used
    assert looks == 2


async def test_tickets_stand_nowhere_in_the_database(here: Inside) -> None:
    """Only a keyed hash does, which a copy of the database cannot be read back from."""
    text, used = await issue(here)
    async with here.wiring.postgres.transaction(here.scope) as connection:
        rows = (await connection.execute(WHOLE)).scalars().all()
    assert len(rows) == 1
    assert text not in rows[0]
    assert text[11:] not in rows[0]
    assert used.digest == here.wiring.pepper.secret_hash(text)
