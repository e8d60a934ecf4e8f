"""Reading logs: who may open a room and where it stands, a room's snapshot, events after a place.

Always the primary, always by (app, room), one statement each.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from api.ids import RoomNumber, Seq
from api.log.epochs import Epochs
from api.log.event import Event, Kind
from api.log.views import (
    MEMBERS_IN_SNAPSHOT,
    MESSAGES_IN_SNAPSHOT,
    Ask,
    Door,
    MemberRow,
    Membership,
    MessageRow,
    RoomRow,
    Snapshot,
    Standing,
)
from tenants.clock import to_rfc3339
from tenants.ids import AppId
from tenants.postgres import Postgres

# Where a room stands, and how the asker stands to it, for many askers at once; and how far those have read whom a snapshot lists.
DOORS = """
SELECT q.ord, r.room, r.private, r.head_seq, r.floor_seq,
       m.role, m.joined_seq, m.joined_at, m.visible_from, m.read_seq,
       (SELECT e.epoch FROM events e
         WHERE e.app_id = q.app AND e.room = r.room AND e.seq = q.cursor_seq) AS cursor_epoch,
       CASE WHEN q.cursor_seq IS NULL THEN
         ARRAY(SELECT ROW (listed.user_id, listed.read_seq)
                 FROM (SELECT * FROM members o WHERE o.app_id = q.app AND o.room = r.room
                        ORDER BY o.joined_seq LIMIT $5) AS listed
                WHERE listed.read_seq > 0) END AS reads
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
       WITH ORDINALITY AS q(app, room_id, user_number, cursor_seq, ord)
  JOIN rooms r ON r.app_id = q.app AND r.room_id = q.room_id AND r.deleted_at IS NULL
  LEFT JOIN members m ON m.app_id = q.app AND m.room = r.room AND m.user_number = q.user_number
"""
# Its limits lead PostgreSQL to look each row up by its key, whatever it knows of the table: without them it joined whole rooms.
SNAPSHOT = """
SELECT r.room_id, r.private, r.name, r.data, r.head_seq, r.head_number, r.floor_seq, r.member_count,
       r.updated_seq, r.created_at, r.updated_at, r.deleted_at,
       (SELECT e.epoch FROM events e
         WHERE e.app_id = r.app_id AND e.room = r.room AND e.seq = r.head_seq) AS epoch,
       ARRAY(SELECT ROW (m.user_number, m.user_id, m.role, m.joined_seq, m.joined_at)
               FROM members m WHERE m.app_id = r.app_id AND m.room = r.room
              ORDER BY m.joined_seq LIMIT $3) AS members,
       ARRAY(SELECT ROW (c.seq, c.number, l.seq, l.epoch, l.kind, l.at, l.facts, l.body, l.target)
               FROM (SELECT e.app_id, e.room, e.seq, e.number, coalesce(e.latest, e.seq) AS latest FROM events e
                      WHERE e.app_id = r.app_id AND e.room = r.room AND e.number > r.head_number - $4
                      ORDER BY e.number DESC LIMIT $4) AS c
              CROSS JOIN LATERAL
                    (SELECT * FROM events e
                      WHERE e.app_id = c.app_id AND e.room = c.room AND e.seq = c.latest LIMIT 1) AS l
              ORDER BY c.number) AS messages
  FROM rooms r WHERE r.app_id = $1 AND r.room = $2
"""
EVENTS = """
SELECT e.app_id, e.room, e.seq, e.number, e.epoch, e.kind, e.target, e.subject, e.private, e.facts, e.body, e.at
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS q(app, room, since)
 CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.app_id = q.app AND e.room = q.room AND e.seq >= q.since
                      ORDER BY e.seq LIMIT $4) AS e
 ORDER BY e.app_id, e.room, e.seq
"""
# The head of each room, and the epoch of the event at the place where its reader believes to stand.
HEADS = """
SELECT q.app, q.room, r.head_seq, coalesce(r.floor_seq, 0) AS floor_seq,
       (SELECT e.epoch FROM events e
         WHERE e.app_id = q.app AND e.room = q.room AND e.seq = q.seq) AS epoch_there
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS q(app, room, seq)
  LEFT JOIN rooms r ON r.app_id = q.app AND r.room = q.room
"""


class Reader:
    """Reads the logs of one database."""

    def __init__(self, postgres: Postgres, epochs: Epochs) -> None:
        """Read through the pool of `postgres`; all methods raise `Unavailable` when it is out of reach."""
        self._postgres = postgres
        self._epochs = epochs

    async def doors(self, asks: Sequence[Ask]) -> list[Door | None]:
        """Tell for each ask where its room stands; None where no such room is."""
        apps = [ask.app for ask in asks]
        rows = await self._postgres.fetch(
            apps,
            DOORS,
            apps,
            [ask.room_id for ask in asks],
            [ask.user for ask in asks],
            [ask.cursor_seq for ask in asks],
            MEMBERS_IN_SNAPSHOT,
        )
        doors: list[Door | None] = [None] * len(asks)
        for row in rows:
            doors[row["ord"] - 1] = _door(row)
        return doors

    async def snapshot(self, app: AppId, room: RoomNumber) -> Snapshot | None:
        """Read a room whole, with its last 100 messages and first 100 members; None if there never was one."""
        rows = await self._postgres.fetch([app], SNAPSHOT, app, room, MEMBERS_IN_SNAPSHOT, MESSAGES_IN_SNAPSHOT)
        return self._snapshot(app, room, rows[0]) if rows else None

    async def events(self, places: Sequence[tuple[AppId, RoomNumber, Seq]], *, limit: int) -> list[Event]:
        """Give the events of each room from a seq on, *that one included*, `limit` for each, by room and seq.

        The event at the seq itself is the anchor: who asks compares its epoch with what they hold.
        """
        apps = [app for app, _, _ in places]
        rows = await self._postgres.fetch(
            apps,
            EVENTS,
            apps,
            [room for _, room, _ in places],
            [seq for _, _, seq in places],
            limit,
        )
        return [self.event(row) for row in rows]

    async def standings(self, places: Sequence[tuple[AppId, RoomNumber, Seq]]) -> list[Standing]:
        """Tell each room's head, and whose epoch wrote the event at the given seq."""
        apps = [app for app, _, _ in places]
        rows = await self._postgres.fetch(
            apps,
            HEADS,
            apps,
            [room for _, room, _ in places],
            [seq for _, _, seq in places],
        )
        return [
            Standing(row["app"], row["room"], row["head_seq"], row["floor_seq"], row["epoch_there"]) for row in rows
        ]

    def event(self, row: asyncpg.Record) -> Event:
        """Make an event of a row that carries the columns of `EVENTS`."""
        return Event(
            app=row["app_id"],
            room=row["room"],
            seq=row["seq"],
            epoch=self._epochs.by_ordinal(row["epoch"]),
            kind=Kind(row["kind"]),
            at=to_rfc3339(row["at"]),
            facts=row["facts"],
            body=row["body"],
            number=row["number"],
            target=row["target"],
            subject=row["subject"],
            private=row["private"],
        )

    def _snapshot(self, app: AppId, room: RoomNumber, row: asyncpg.Record) -> Snapshot:
        return Snapshot(
            room_id=row["room_id"],
            room=RoomRow(
                name=row["name"],
                data=row["data"],
                private=row["private"],
                created_at=to_rfc3339(row["created_at"]),
                updated_seq=row["updated_seq"],
                updated_at=to_rfc3339(row["updated_at"]),
                deleted=row["deleted_at"] is not None,
            ),
            seq=row["head_seq"],
            epoch=self._epochs.by_ordinal(row["epoch"]),
            floor=row["floor_seq"],
            members=[
                MemberRow(number, user_id, role, joined_seq, to_rfc3339(joined_at))
                for number, user_id, role, joined_seq, joined_at in row["members"]
            ],
            member_count=row["member_count"],
            messages=[message_row(app, room, message, self._epochs) for message in row["messages"]],
            message_count=row["head_number"],
        )


def message_row(app: AppId, room: RoomNumber, row: Sequence[Any], epochs: Epochs) -> MessageRow:
    """Make a message of the columns (seq, number) of its creation and those of its newest event."""
    created, number, seq, epoch, kind, at, facts, body, target = row
    latest = Event(
        app=app,
        room=room,
        seq=seq,
        epoch=epochs.by_ordinal(epoch),
        kind=Kind(kind),
        at=to_rfc3339(at),
        facts=facts,
        body=body,
        number=number if seq == created else None,
        target=target,
    )
    return MessageRow(created, number, latest)


def _door(row: asyncpg.Record) -> Door:
    membership = None
    if row["role"] is not None:
        membership = Membership(
            role=row["role"],
            joined_seq=row["joined_seq"],
            joined_at=to_rfc3339(row["joined_at"]),
            visible_from=row["visible_from"],
            read_seq=row["read_seq"],
        )
    return Door(
        room=row["room"],
        private=row["private"],
        head=row["head_seq"],
        floor=row["floor_seq"],
        membership=membership,
        cursor_epoch=row["cursor_epoch"],
        reads=dict(tuple(pair) for pair in row["reads"] or ()),
    )
