"""By key: what a statement looks at does not grow with logs and members, whatever PostgreSQL has seen of how they are spread."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from api.ids import RoomNumber, Seq
from api.log.append import append
from api.log.event import Kind
from api.log.item import Item, Needs, Outcome
from api.log.pages import ONE, PAGE
from api.log.read import DOORS, EVENTS, HEADS, SNAPSHOT
from tenants.ids import UserNumber
from tenants.roles import Role
from tenants.usage import BYTES, SAMPLED_EVENTS
from tests.support.inside import Inside, inside
from tests.support.long_rooms import fill, talk

LONG = 2_000
SOME = 20
PLACE = 1_900
FEW = 5
"""What a statement may look at besides what it gives, and an item that is written in all: members, anchors, repetitions."""
ROOMS = ("a", "b", "c")
JOIN = text("""
INSERT INTO members (app_id, room, user_number, user_id, role, joined_seq, joined_at, visible_from)
SELECT :app, :room, 1000000 + n, 'user ' || n, 'member', 1000000 + n, now(), 0 FROM generate_series(1, :count) AS n
""")
# Thousands of rooms of one event and one member each, seen by ANALYZE and by nobody else.
SHOW_OTHERS = """
INSERT INTO events (app_id, room, seq, epoch, kind, sender, facts, body, key_hash, request_hash, at)
SELECT -n % 100, -n, 1, 1, 1, 0, '', '', '', '', now() FROM generate_series(1, 20000) AS n;
INSERT INTO members (app_id, room, user_number, user_id, role, joined_seq, joined_at, visible_from)
SELECT -n % 100, -n, 1, '', 'member', 1, now(), 0 FROM generate_series(1, 20000) AS n;
ANALYZE rooms, events, members;
DELETE FROM events WHERE room < 0;
DELETE FROM members WHERE room < 0;
"""
LOOKED_AT = """
SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('events', 'members')
"""


@dataclass
class Stage:
    """Three long rooms with many members each, in a database of many small ones."""

    here: Inside
    rooms: list[RoomNumber]
    ann: UserNumber

    def item(self, kind: Kind, **more: Any) -> Item:
        return Item(
            app=self.here.scope.app,
            room=self.rooms[0],
            kind=kind,
            key_hash=secrets.token_bytes(16),
            request_hash=secrets.token_bytes(16),
            **{"sender": self.ann, "needs": Needs.MEMBER, "facts": '"a":1', "body": '"b":2'} | more,
        )


@pytest.fixture
async def stage(environment: dict[str, str]) -> AsyncIterator[Stage]:
    async with inside(environment) as here:
        rooms = [await talk(here, name, "hello") for name in ROOMS]
        for room in rooms:
            await fill(here, room, LONG)
        async with here.as_owner() as connection:
            for room in rooms:
                await connection.execute(JOIN, {"app": here.scope.app, "room": room, "count": LONG})
        owner = await asyncpg.connect(here.wiring.settings.database_url)
        async with owner.transaction():
            await owner.execute(SHOW_OTHERS)
        await owner.close()
        yield Stage(here, rooms, (await here.user("ann")).number)


async def test_a_reading_statement_looks_at_what_it_gives(stage: Stage) -> None:
    """A snapshot, pages, one message, what has come since, where rooms stand, and what an app stores."""
    app, room, user, count = stage.here.scope.app, stage.rooms[0], stage.ann, len(ROOMS)
    apps, places = [app] * count, [PLACE] * count
    statements: dict[str, tuple[int, str, list[Any]]] = {
        # Of each message its first and its latest event, and one more message to see whether there is one.
        "snapshot": (3 * SOME, SNAPSHOT, [app, room, SOME, SOME]),
        "page at the end": (2 * SOME + 2, PAGE, [app, "a", user, None, SOME, 0]),
        "page in the middle": (4 * SOME + 2, PAGE, [app, "a", user, PLACE, SOME, SOME]),
        "one message": (2, ONE, [app, "a", user, PLACE]),
        "since": (count * SOME, EVENTS, [apps, stage.rooms, places, SOME]),
        "heads": (count, HEADS, [apps, stage.rooms, places]),
        "doors": (2 * count, DOORS, [apps, list(ROOMS), [user] * count, places, SOME]),
        "doors, without cursors": (count * SOME, DOORS, [apps, list(ROOMS), [user] * count, [None] * count, SOME]),
        "bytes": (count * SAMPLED_EVENTS, BYTES.text.replace(":app", "$1"), [app]),
    }
    found = {}
    for name, (given, statement, arguments) in statements.items():
        connection = await open_as(stage, Role.READER)
        async with connection.transaction():
            await connection.fetch(statement, *arguments)
            looked_at = await connection.fetchval(LOOKED_AT)
        await connection.close()
        if looked_at > given + FEW:
            found[name] = looked_at
    assert not found


async def test_what_is_written_looks_at_a_few_rows(stage: Stage) -> None:
    """New messages one by one and together, a repeated one, an edit, a deletion, a mixture, and members that come and go."""
    change = {"target": Seq(PLACE), "needs": Needs.OWN_MESSAGE}
    message = stage.item(Kind.MESSAGE_CREATED)
    state = '{"user":"u","role":"member","name":"n","data":"{}","private":false}'
    member = {"sender": UserNumber(0), "needs": Needs.NOTHING, "body": "", "state": state}
    batches = {
        "message": [message],
        "messages": [stage.item(Kind.MESSAGE_CREATED) for _ in range(5)],
        "repeated": [message, message],
        "edit": [stage.item(Kind.MESSAGE_EDITED, **change)],
        "deletion": [stage.item(Kind.MESSAGE_DELETED, **change)],
        "mixture": [stage.item(Kind.MESSAGE_EDITED, **change), stage.item(Kind.MESSAGE_CREATED)],
        "member": [stage.item(Kind.MEMBER_ADDED, subject=UserNumber(5), **member)],
        "no member": [stage.item(Kind.MEMBER_REMOVED, subject=UserNumber(1_000_001), **member)],
    }
    found = {}
    for name, items in batches.items():
        connection = await open_as(stage, Role.LANE)
        transaction = connection.transaction()
        await transaction.start()
        answers = await append(connection, stage.here.wiring.epochs, items, skip_held=False, timeout_s=5)
        looked_at = await connection.fetchval(LOOKED_AT)
        await transaction.rollback()
        await connection.close()
        assert {answer.outcome for answer in answers} <= {Outcome.ACCEPTED, Outcome.DUPLICATE}, name
        if looked_at > FEW * len(items):
            found[name] = looked_at
    assert not found


async def open_as(stage: Stage, role: Role) -> "asyncpg.Connection[Any]":
    """Open a connection as the service does: with nothing planned yet."""
    return await stage.here.wiring.postgres.connect(
        role, application="test", statement_timeout_ms=5_000, lock_timeout_ms=1_000
    )
