"""What is left of a deleted user goes, in steps: memberships, messages if wished, the name."""

import asyncio

from sqlalchemy import text

from api.errors import RoomNotFound
from api.ids import RoomNumber, Seq
from api.log.answers import settled
from api.log.epochs import Epochs
from api.log.event import Event, Kind, changed_facts, member_facts
from api.log.item import Item, Needs
from api.log.lane import Lanes
from tenants.clock import to_rfc3339
from tenants.hashing import Pepper
from tenants.ids import THE_APP, UserId, UserNumber
from tenants.jobs import Job, Step
from tenants.postgres import Postgres

AT_ONCE = 50
"""Events in one step, each written through the lane like anybody's."""

MEMBERSHIPS = """
SELECT m.room, m.user_id, m.role, m.joined_seq FROM members m JOIN rooms r ON r.app_id = m.app_id AND r.room = m.room
 WHERE m.app_id = $1 AND m.user_number = $2 AND r.deleted_at IS NULL ORDER BY m.room LIMIT $3
"""
# The unique index over idempotency keys leads by room to what a sender wrote there.
WROTE_IN = """
SELECT r.room FROM rooms r
 WHERE r.app_id = $1 AND r.room >= $2 AND r.deleted_at IS NULL
   AND EXISTS (SELECT FROM events e WHERE e.app_id = r.app_id AND e.room = r.room AND e.sender = $3 AND e.kind = 1
                  AND e.body IS NOT NULL)
 ORDER BY r.room LIMIT 1
"""
WROTE = """
SELECT e.seq, e.number, e.epoch, e.at, e.facts FROM events e
 WHERE e.app_id = $1 AND e.room = $2 AND e.sender = $3 AND e.kind = 1 AND e.body IS NOT NULL LIMIT $4
"""
BLANK = text("""
UPDATE users SET name = '', data = '{}' WHERE app_id = :app AND user_number = :user AND deleted_at IS NOT NULL
""")


class UserEraser:
    """Takes away what a deleted user leaves behind."""

    def __init__(self, postgres: Postgres, epochs: Epochs, lanes: Lanes, pepper: Pepper) -> None:
        """Find it in `postgres`, write through `lanes`."""
        self._postgres = postgres
        self._epochs = epochs
        self._lanes = lanes
        self._pepper = pepper

    async def step(self, job: Job) -> Step:
        """Do the next step: each membership ends by an event, each message is redacted by one if that is wished."""
        memberships = await self._postgres.fetch([job.app], MEMBERSHIPS, job.app, job.subject, AT_ONCE)
        items = [
            self._item(
                job,
                row["room"],
                Kind.MEMBER_REMOVED,
                member_facts(UserId(row["user_id"]), row["role"]),
                row["joined_seq"],
            )
            for row in memberships
        ]
        if not items and job.redact:
            rooms = await self._postgres.fetch([job.app], WROTE_IN, job.app, job.progress, job.subject)
            if rooms:
                room = RoomNumber(rooms[0]["room"])
                items = await self._redactions(job, room)
                await self._append(items)
                return Step(room, len(items), finished=False)
        if items:
            await self._append(items)
            return Step(job.progress, len(items), finished=False)
        async with self._postgres.transaction(job.app) as connection:
            await connection.execute(BLANK, {"app": job.app, "user": job.subject})
        return Step(job.progress, 0, finished=True)

    async def _redactions(self, job: Job, room: RoomNumber) -> list[Item]:
        rows = await self._postgres.fetch([job.app], WROTE, job.app, room, job.subject, AT_ONCE)
        originals = [
            Event(
                app=job.app,
                room=room,
                seq=Seq(row["seq"]),
                epoch=self._epochs.by_ordinal(row["epoch"]),
                kind=Kind.MESSAGE_CREATED,
                at=to_rfc3339(row["at"]),
                facts=row["facts"],
                body=None,
                number=row["number"],
            )
            for row in rows
        ]
        return [
            self._item(job, room, Kind.MESSAGE_DELETED, changed_facts(original), original.seq) for original in originals
        ]

    def _item(self, job: Job, room: RoomNumber, kind: Kind, facts: str, about: Seq) -> Item:
        """Ask for what ends the membership that began at `about`, or the message that was created there."""
        is_removal = kind is Kind.MEMBER_REMOVED
        key = f"{job.id} {kind.value} {room} {about}"
        return Item(
            app=job.app,
            room=room,
            kind=kind,
            sender=THE_APP,
            key_hash=self._pepper.key_hash(key),
            request_hash=self._pepper.request_hash(b"job", key.encode()),
            needs=Needs.NOTHING,
            facts=facts,
            target=None if is_removal else about,
            subject=UserNumber(job.subject) if is_removal else None,
        )

    async def _append(self, items: list[Item]) -> None:
        answers = await asyncio.gather(*(self._lanes.append(item) for item in items))
        for answer in answers:
            try:
                settled(answer)
            except RoomNotFound:
                continue  # deleted meanwhile, and with it what was to go
