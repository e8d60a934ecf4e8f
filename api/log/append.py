"""The one call that commits a batch to the logs of its rooms, and what it answers for each item."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import asyncpg

from api.ids import RoomNumber, Seq
from api.log.epochs import Epochs
from api.log.event import Event, Kind
from tenants.clock import to_rfc3339
from tenants.ids import AppId, UserNumber

# The arrays stand in the order of `append_v1` in migrations/sql/0001_2_append.sql.
APPEND = """
SELECT ord, outcome, seq, number, epoch, at FROM append_v1(
    $1, $2, $3, $4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::bytea[], $9::bytea[],
    $10::smallint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::jsonb[])
"""
STALE_EPOCH = "RL001"
"""The SQLSTATE with which the database refuses a writer that does not know the newest epoch."""


class Needs(IntEnum):
    """What must hold of the sender, decided while the room's row is locked."""

    NOTHING = 0
    MEMBER = 1
    ADMIN = 2
    PUBLIC_ROOM = 3
    OWN_MESSAGE = 4
    OWN_MESSAGE_OR_ADMIN = 5


class Outcome(IntEnum):
    """What became of an item."""

    ACCEPTED = 1
    DUPLICATE = 2
    KEY_REUSED = 3
    UNCHANGED = 4
    ROOM_NOT_FOUND = 5
    NOT_A_MEMBER = 6
    NOT_ALLOWED = 7
    MESSAGE_NOT_FOUND = 8
    SEQ_CONFLICT = 9
    HELD = 11
    """Somebody else holds the room's row; nothing was decided."""
    POISON = 12
    """PostgreSQL itself refused the row; said by the lane, which found it by halving."""


@dataclass(frozen=True, slots=True)
class Item:
    """One event that somebody wants in a room's log, with all that the append decides by."""

    app: AppId
    room: RoomNumber
    kind: Kind
    sender: UserNumber
    key_hash: bytes
    """16 bytes; unique by (app, room, sender) for as long as the event lives."""
    request_hash: bytes
    """16 bytes; the same key with another request is refused."""
    needs: Needs
    facts: str
    body: str = ""
    target: Seq | None = None
    subject: UserNumber | None = None
    expected: Seq | None = None
    """What `updated_seq` (of a message or room) or `joined_seq` (of a member) must still be; None: whatever it is."""
    private: bool | None = None
    """See `Event.private`; `state` says it too."""
    state: str | None = None
    """JSON for the row that member and room events change: `user, role, private` or `name, data, private`."""

    @property
    def size_bytes(self) -> int:
        """About what the item weighs in the call."""
        return len(self.facts) + len(self.body) + len(self.state or "") + 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an item, and the event that stands for it: the new one, or for a duplicate the first one.

    `event` is None where nothing was written.
    """

    outcome: Outcome
    event: Event | None = None


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
    rows = await connection.fetch(
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
    answers = [Answer(Outcome.HELD)] * len(items)
    for row in rows:
        index = row["ord"] - 1
        answers[index] = _answer(items[index], row, epochs)
    return answers


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
