"""The law of the stale snapshot: fold(snapshot at S, events S+1 … T) is the snapshot at T, for every kind of event."""

import json
import random
import secrets
from typing import Any

import pytest

from api.ids import RoomId, RoomNumber, write_message_id
from api.log.event import Kind
from api.log.views import Snapshot
from api.messages.edit import delete, edit
from api.messages.schemas import EditedMessage, TextPart
from api.rooms.actions import change_room, delete_room
from api.rooms.schemas import RoomChange
from api.tails.fold import Fold
from tenants.errors import ServiceError
from tests.support.inside import Inside

USERS = ("ann", "bob", "cid", "dot")


def state(fold: Fold) -> dict[str, Any]:
    return {
        "room": json.loads(fold.room),
        "private": fold.private,
        "deleted": fold.deleted,
        "members": {number: json.loads(text) for number, text in fold.members.items()},
        "member_order": list(fold.members),
        "member_count": fold.member_count,
        "messages": [json.loads(text) for text in fold.messages.values()],
        "message_count": fold.message_count,
    }


async def snapshot_of(here: Inside, room: RoomNumber) -> Snapshot:
    snapshot = await here.wiring.reader.snapshot(here.scope.app, room)
    assert snapshot is not None
    return snapshot


async def act(here: Inside, kind: Kind, chance: random.Random, room_id: str) -> None:
    """Do something that is, or would be, an event of this kind."""
    wiring, server, key = here.wiring, here.server, secrets.token_hex(8)
    room = RoomId(room_id)
    user = chance.choice(USERS)
    page = await wiring.pages.page(server, room, upto=None, back=200, forth=0)
    message = None
    if page.messages:
        picked = chance.choice(page.messages)
        seq = picked.message_seq
        row = await wiring.postgres.fetch(
            [here.scope.app],
            "SELECT * FROM events WHERE app_id = $1 AND room = $2 AND seq = $3",
            here.scope.app,
            picked.room,
            seq,
        )
        message = write_message_id(wiring.reader.event(row[0]).place)
    doors = (wiring.lanes, wiring.pages, wiring.pepper, server, room)
    match kind:
        case Kind.MESSAGE_CREATED:
            await here.say(room_id, secrets.token_hex(4), user)
        case Kind.MESSAGE_EDITED if message:
            await edit(*doors, message, EditedMessage(parts=[TextPart("edited")]), key)
        case Kind.MESSAGE_DELETED if message:
            await delete(*doors, message, key)
        case Kind.MEMBER_ADDED:
            await here.add(room_id, user, history=chance.choice(("all", "from_join")))
        case Kind.MEMBER_REMOVED:
            await here.remove(room_id, user)
        case Kind.MEMBER_ROLE_CHANGED:
            await here.add(room_id, user, role=chance.choice(("admin", "member")))
        case Kind.ROOM_UPDATED:
            change = RoomChange(name=secrets.token_hex(2), private=chance.random() < 0.5)
            await change_room(wiring.postgres, wiring.lanes, wiring.pepper, server, room, change, key)
        case _:
            pass


@pytest.mark.parametrize("seed", range(3))
async def test_a_snapshot_brought_up_to_date_is_the_fresh_snapshot(here: Inside, seed: int) -> None:
    """From every earlier snapshot, whatever happened since, folding the events gives what a fresh one says.

    And at every moment between: whoever took a snapshot and followed since has just what a fresh one says.
    """
    chance = random.Random(seed)
    room = await here.room("r", *USERS[:2])
    app = here.scope.app
    taken = [await snapshot_of(here, room)]
    kinds = [kind for kind in Kind if kind not in {Kind.ROOM_CREATED, Kind.ROOM_DELETED, Kind.UNKNOWN}]
    steps = [*kinds, Kind.MESSAGE_CREATED] * 12
    chance.shuffle(steps)
    wiring = here.wiring
    following: list[Fold] = []
    for step, kind in enumerate(steps):
        if step % 8 == 0:
            following.append(Fold(taken[-1]))
        try:
            await act(here, kind, chance, "r")
        except ServiceError as refusal:
            assert refusal.status in {404, 409}, refusal
        _, *happened = await wiring.reader.events([(app, room, taken[-1].seq)], limit=1000)
        taken.append(await snapshot_of(here, room))
        now = state(Fold(taken[-1]))
        for fold in following:
            for event in happened:
                fold.apply(event)
            assert state(fold) == now
    await delete_room(wiring.postgres, wiring.lanes, wiring.pepper, here.server, RoomId("r"), "end")
    taken.append(await snapshot_of(here, room))
    events = await wiring.reader.events([(app, room, taken[0].seq)], limit=1000)
    assert {event.kind for event in events} > set(kinds)
    # Words of messages deleted since are blanked in the log; an earlier snapshot could still show them.
    fresh = state(Fold(taken[-1]))
    for early in taken:
        fold = Fold(early)
        for event in events:
            if event.seq > early.seq:
                fold.apply(event)
        assert state(fold) == fresh


async def test_the_law_holds_beyond_what_a_snapshot_lists(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more messages and members than a snapshot lists, the fold lists a part of them and says so."""
    for module in ("api.log.read", "api.tails.fold"):
        monkeypatch.setattr(f"{module}.MEMBERS_IN_SNAPSHOT", 3)
        monkeypatch.setattr(f"{module}.MESSAGES_IN_SNAPSHOT", 3)
    room = await here.room("r", "u0", "u1")
    early = await snapshot_of(here, room)
    for number in range(2, 7):
        await here.add("r", f"u{number}")
        await here.say("r", str(number), "u0")
    await here.remove("r", "u1")
    fresh = await snapshot_of(here, room)
    fold = Fold(early)
    for event in (await here.wiring.reader.events([(here.scope.app, room, early.seq)], limit=1000))[1:]:
        fold.apply(event)
    told, expected = state(fold), state(Fold(fresh))
    assert told["messages"] == expected["messages"]
    assert told["member_count"] == expected["member_count"]
    assert told["member_order"] == expected["member_order"][: len(told["member_order"])]
    assert not fold.lists_members
    assert fold.lists_messages
