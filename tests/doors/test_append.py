"""The append, called by several connections at once: whatever they wish, it is as if they had called one after the other."""

import asyncio
import copy
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ids import RoomNumber, Seq
from api.log.append import append, are_messages
from api.log.event import Kind
from api.log.item import Item, Needs, Outcome
from api.log.lane import POISON
from tenants.ids import UserNumber
from tests.support.inside import Inside
from tests.support.room_model import MEMBER_KINDS, RoomModel

ROOMS = 2
CONNECTIONS = 3
LOG = "SELECT kind, sender, target FROM events WHERE app_id = $1 AND room = $2 ORDER BY seq"
HEAD = "SELECT head_seq, head_number, member_count FROM rooms WHERE app_id = $1 AND room = $2"

Models = dict[RoomNumber, RoomModel]
Answers = list[tuple[Outcome, int | None]]


@dataclass(frozen=True)
class Wish:
    """An item in small numbers, so that wishes meet in rooms, users, keys and messages."""

    room: int
    kind: Kind
    sender: int
    key: int
    request: int
    needs: Needs
    target: int
    expects: bool
    is_private: bool
    is_poison: bool

    def item(self, here: Inside, rooms: list[RoomNumber]) -> Item:
        is_change = self.kind in {Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED}
        of_message = {Needs.OWN_MESSAGE, Needs.OWN_MESSAGE_OR_ADMIN}
        state = {"user": "u", "role": "member", "name": "n", "data": "{}", "private": self.is_private}
        if self.kind is Kind.MEMBER_ROLE_CHANGED:
            state["role"] = "admin"
        return Item(
            app=here.scope.app,
            room=rooms[self.room],
            kind=self.kind,
            sender=UserNumber(self.sender),
            key_hash=bytes([self.key]) * 16,
            request_hash=bytes([self.request]) * 16,
            needs=self.needs if is_change or self.needs not in of_message else Needs.MEMBER,
            facts="\0" if self.is_poison else "",
            target=Seq(self.target) if is_change else None,
            subject=UserNumber(1 + self.target % 3) if self.kind in MEMBER_KINDS else None,
            expected=Seq(self.target) if self.expects else None,
            private=self.is_private,
            state=None if is_change or self.kind is Kind.MESSAGE_CREATED else json.dumps(state),
        )


CHANGES = [kind for kind in Kind if kind not in {Kind.UNKNOWN, Kind.ROOM_CREATED, Kind.ROOM_DELETED}]
KINDS = [*[Kind.MESSAGE_CREATED] * 8, *[Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED] * 4, *CHANGES * 2, Kind.ROOM_DELETED]
WISHES = st.builds(
    Wish,
    room=st.integers(0, ROOMS - 1),
    kind=st.sampled_from(KINDS),
    sender=st.integers(1, 3),
    key=st.integers(0, 60),
    request=st.sampled_from([0, 0, 0, 1]),
    needs=st.sampled_from([*[Needs.NOTHING] * 5, *Needs]),
    target=st.integers(1, 6),
    expects=st.sampled_from([False, False, True]),
    is_private=st.booleans(),
    is_poison=st.sampled_from([False] * 60 + [True]),
)
MESSAGES = st.builds(
    Wish,
    room=st.integers(0, ROOMS - 1),
    kind=st.just(Kind.MESSAGE_CREATED),
    sender=st.integers(1, 3),
    key=st.integers(0, 60),
    request=st.sampled_from([0, 0, 0, 1]),
    needs=st.sampled_from([Needs.NOTHING, Needs.NOTHING, Needs.MEMBER]),
    target=st.just(1),
    expects=st.just(value=False),
    is_private=st.booleans(),
    is_poison=st.sampled_from([False] * 60 + [True]),
)
BATCHES = st.lists(WISHES, min_size=6, max_size=20) | st.lists(
    MESSAGES, min_size=1, max_size=20, unique_by=lambda wish: (wish.room, wish.sender, wish.key)
)
"""Of every kind; or of messages alone, which are appended as a set."""
ROUNDS = st.lists(st.lists(BATCHES, min_size=1, max_size=CONNECTIONS), min_size=2, max_size=5)
"""Of calls that are made at once, each with its batch."""


@pytest.fixture
async def connections(
    environment: dict[str, str],
) -> "AsyncIterator[list[asyncpg.Connection[asyncpg.Record]]]":
    opened = [await asyncpg.connect(environment["DATABASE_URL"]) for _ in range(CONNECTIONS)]
    # Deleted rooms keep their logs here: any process would erase them, be it the one of the tests beside.
    await opened[0].execute("ALTER TABLE rooms DISABLE TRIGGER erase_deleted_room")
    yield opened
    await opened[0].execute("ALTER TABLE rooms ENABLE TRIGGER erase_deleted_room")
    for each in opened:
        await each.close()


async def call(here: Inside, connection: "asyncpg.Connection[asyncpg.Record]", items: list[Item]) -> Answers | None:
    """Make one call; None where PostgreSQL cannot take a row, and so takes none."""
    try:
        answers = await append(connection, here.wiring.epochs, items, skip_held=False, timeout_s=20)
    except POISON:
        return None
    return [(answer.outcome, None if answer.event is None else answer.event.seq) for answer in answers]


def replayed(models: Models, batches: list[list[Item]], answers: list[Answers]) -> Models | None:
    """Give the models after these calls, one after the other; None if they would have answered otherwise."""
    after = copy.deepcopy(models)
    for batch, told in zip(batches, answers, strict=True):
        if [after[item.room].append(item) for item in batch] != told:
            return None
    return after


@given(ROUNDS)
@settings(max_examples=60)
async def test_calls_at_once_end_as_in_some_order_one_by_one(
    here: Inside, connections: "list[asyncpg.Connection[asyncpg.Record]]", rounds: list[list[list[Wish]]]
) -> None:
    """Duplicates in and across calls, keys for other requests, members who go, rooms that end, rows that are poison.

    There is an order of the calls in which a model of the log gives each of them its very answers; then the logs are its own.
    """
    rooms = [await here.room(secrets.token_hex(8)) for _ in range(ROOMS)]
    models: Models = {room: RoomModel() for room in rooms}
    for batches in rounds:
        items = [[wish.item(here, rooms) for wish in batch] for batch in batches]
        calls = [call(here, connection, batch) for connection, batch in zip(connections, items, strict=False)]
        answered = [
            (batch, told) for batch, told in zip(items, await asyncio.gather(*calls), strict=True) if told is not None
        ]
        assert len(answered) == sum(not any(item.facts for item in batch) for batch in items)
        orders = itertools.permutations(answered)
        ends = (replayed(models, [one[0] for one in order], [one[1] for one in order]) for order in orders)
        end = next((models for models in ends if models is not None), None)
        assert end is not None, answered
        models = end
    for room, model in models.items():
        rows = await connections[0].fetch(LOG, here.scope.app, room)
        assert [tuple(row) for row in rows] == model.events
        head = await connections[0].fetchrow(HEAD, here.scope.app, room)
        said = sum(kind is Kind.MESSAGE_CREATED for kind, _, _ in model.events)
        assert head is not None
        assert tuple(head) == (len(model.events), said, len(model.members))


async def test_both_functions_answer_alike(
    here: Inside, connections: "list[asyncpg.Connection[asyncpg.Record]]"
) -> None:
    """New messages get the same answers whether they are appended as a set or one after the other.

    Of members and strangers, to public, private, deleted and missing rooms, and with keys of before for the same and for
    another request.
    """
    connection = connections[0]
    ann = (await here.user("ann")).number
    told: list[Answers] = []
    for as_set in (True, False):
        rooms = [await here.room(secrets.token_hex(8), "ann", private=is_private) for is_private in (False, True, True)]
        await connection.execute("UPDATE rooms SET deleted_at = now() WHERE room = $1", rooms[2])
        rooms.append(RoomNumber(2**60))

        def messages(keys: Iterable[int], request: int, rooms: Sequence[RoomNumber] = rooms) -> list[Item]:
            return [
                Item(
                    app=here.scope.app,
                    room=room,
                    kind=Kind.MESSAGE_CREATED,
                    sender=sender,
                    key_hash=bytes([key]) * 16,
                    request_hash=bytes([request]) * 16,
                    needs=Needs.MEMBER if key % 2 else Needs.NOTHING,
                    facts="",
                )
                for room in rooms
                for sender in (ann, UserNumber(2**60))
                for key in keys
            ]

        answers: Answers = []
        for items in (messages(range(4), 0), messages(range(2, 8), 0), messages(range(10), 1)):
            assert are_messages(items)
            # What is to skip what is held goes one after the other, and nothing is held here.
            said = await append(connection, here.wiring.epochs, items, skip_held=not as_set, timeout_s=20)
            answers += [(answer.outcome, None if answer.event is None else answer.event.seq) for answer in said]
        told.append(answers)
    assert told[0] == told[1]
    assert {outcome for outcome, _ in told[0]} == {
        Outcome.ACCEPTED,
        Outcome.DUPLICATE,
        Outcome.KEY_REUSED,
        Outcome.ROOM_NOT_FOUND,
        Outcome.NOT_A_MEMBER,
    }
