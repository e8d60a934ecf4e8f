"""The one call that commits a batch to the logs of its rooms, and what it answers for each item.

There are two functions that do it, with the same answers: one takes items of every kind, one after the other; the other
new messages alone, as a set, which costs PostgreSQL two fifths of that. Nearly every batch is of such.
"""

from collections.abc import Sequence

import asyncpg

from api.ids import Epoch, Seq
from api.log.epochs import Epochs
from api.log.event import Event, Kind
from api.log.item import Answer, Item, Needs, Outcome
from tenants.clock import to_rfc3339

# The arrays stand in the order of `append_v1` in migrations/sql/0001_2_append.sql.
APPEND = """
SELECT ord, outcome, seq, number, epoch, at FROM append_v1(
    $1, $2, $3, $4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::bytea[], $9::bytea[],
    $10::smallint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::jsonb[])
"""
# … and these as those of `append_messages_v1` in migrations/sql/0009_1_messages.sql.
APPEND_MESSAGES = """
SELECT ord, outcome, seq, number, epoch, at FROM append_messages_v1(
    $1, $2, $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::smallint[], $9::text[], $10::text[])
"""
STALE_EPOCH = "RL001"
"""The SQLSTATE with which the database refuses a writer that does not know the newest epoch."""


async def append(
    connection: "asyncpg.Connection[asyncpg.Record]",
    epochs: Epochs,
    items: Sequence[Item],
    *,
    skip_held: bool,
    timeout_s: float,
) -> list[Answer]:
    """Commit a batch in one call and answer for each item, in their order.

    Raises what asyncpg raises: `LockNotAvailableError` when a room stayed held and `skip_held` is false, a data error
    when a row is poison to PostgreSQL, SQLSTATE `STALE_EPOCH`, or a connection error, after which the outcome is
    unknown. In all but the last case nothing was applied.
    """
    newest = epochs.newest
    if not skip_held and are_messages(items):
        rows = await _append_messages(connection, newest, items, timeout_s)
    else:
        rows = await _append_any(connection, newest, items, timeout_s, skip_held=skip_held)
    answers = [Answer(Outcome.HELD)] * len(items)
    for row in rows:
        index = int(row["ord"]) - 1
        answers[index] = _answer(items[index], row, epochs)
    return answers


def are_messages(items: Sequence[Item]) -> bool:
    """Tell whether these are all new messages, no two under one key, of which one would be the other's duplicate."""
    keys = {(item.room, item.sender, item.key_hash) for item in items}
    return len(keys) == len(items) and all(
        item.kind is Kind.MESSAGE_CREATED and item.needs <= Needs.MEMBER for item in items
    )


async def _append_messages(
    connection: "asyncpg.Connection[asyncpg.Record]", newest: Epoch, items: Sequence[Item], timeout_s: float
) -> list[asyncpg.Record]:
    return await connection.fetch(
        APPEND_MESSAGES,
        newest.ordinal,
        newest.tag,
        [item.app for item in items],
        [item.room for item in items],
        [item.sender for item in items],
        [item.key_hash for item in items],
        [item.request_hash for item in items],
        [item.needs for item in items],
        [item.facts for item in items],
        [item.body for item in items],
        timeout=timeout_s,
    )


async def _append_any(
    connection: "asyncpg.Connection[asyncpg.Record]",
    newest: Epoch,
    items: Sequence[Item],
    timeout_s: float,
    *,
    skip_held: bool,
) -> list[asyncpg.Record]:
    return await connection.fetch(
        APPEND,
        newest.ordinal,
        newest.tag,
        skip_held,
        [item.app for item in items],
        [item.room for item in items],
        [item.kind for item in items],
        [item.sender for item in items],
        [item.key_hash for item in items],
        [item.request_hash for item in items],
        [item.needs for item in items],
        [item.target for item in items],
        [item.subject for item in items],
        [item.expected for item in items],
        [item.facts for item in items],
        [item.body for item in items],
        [item.state for item in items],
        timeout=timeout_s,
    )


def _answer(item: Item, row: asyncpg.Record, epochs: Epochs) -> Answer:
    outcome = Outcome(row["outcome"])
    if row["seq"] is None or outcome is Outcome.KEY_REUSED:
        return Answer(outcome)
    event = Event(
        app=item.app,
        room=item.room,
        seq=Seq(row["seq"]),
        epoch=epochs.by_ordinal(row["epoch"]),
        kind=item.kind,
        at=to_rfc3339(row["at"]),
        facts=item.facts,
        body=item.body,
        number=row["number"],
        target=item.target,
        subject=item.subject,
        private=item.private,
    )
    return Answer(outcome, event)
