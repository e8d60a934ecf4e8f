"""Making, changing and deleting rooms."""

import secrets
from dataclasses import replace

import msgspec

from api.conditions import IfMatch
from api.custom_data import changed_text, custom_text
from api.errors import DirectRoomFixed, KeyReused, PreconditionFailed, RoomIdTaken, RoomNotFound, SeqConflict
from api.ids import RoomId, Seq
from api.log.answers import settled
from api.log.create import Made, NewRoom, create_room
from api.log.epochs import Epochs
from api.log.event import Kind, changed_room_facts, room_facts
from api.log.item import Item, Outcome
from api.log.lane import Lanes
from api.names import room_id as checked_room_id
from api.names import user_id as checked_user_id
from api.rooms.rules import needs_to_manage, pair
from api.rooms.schemas import NewRoomRequest, RoomChange
from api.rooms.store import FoundRoom, get_room, get_room_numbered, was_deleted
from tenants.hashing import Pepper
from tenants.ids import to_base62
from tenants.postgres import Postgres
from tenants.scope import Caller, User
from tenants.users import find_users

NO_SEQ = Seq(0)
"""No event stands here: what expects it conflicts with whatever is."""
TRIES = 5
"""How often a change is tried anew when somebody else changed the room in between."""


async def make_room(
    postgres: Postgres,
    epochs: Epochs,
    pepper: Pepper,
    caller: Caller,
    wish: NewRoomRequest,
    key: str,
) -> tuple[FoundRoom, bool]:
    """Make a room, or find the one of that id or pair; tells whether it is new.

    A user who makes a room becomes its admin; a 1:1 room has none. Raises `RoomIdTaken` if the room is closed to this
    caller, and `RoomNotFound` if this is the repetition of a request whose room has been deleted since.
    """
    two = pair(caller, wish)
    request_hash = pepper.request_hash(b"room", msgspec.json.encode(wish))
    room_id = RoomId("room_" + to_base62(secrets.randbits(128), 22))
    if wish.id is not None:
        room_id = checked_room_id(wish.id, "/id")
    room = NewRoom(
        id=room_id,
        name=room_id if wish.name is None else wish.name,
        private=wish.private or two is not None,
        data=custom_text(wish.data, "/data"),
        members=[],
    )
    if two is None:
        room = replace(room, members=await _first_members(postgres, caller, wish.members))
    else:
        users = await find_users(postgres, caller.scope, [user for user, _ in two], [pointer for _, pointer in two])
        low, high = sorted(user.number for user in users)
        room = replace(room, members=[(user, "member") for user in users], pair=(low, high))
    made, number = await create_room(
        postgres,
        epochs,
        caller.scope,
        caller.sender,
        room,
        key_hash=pepper.key_hash(key),
        request_hash=request_hash,
    )
    if made is Made.KEY_REUSED:
        raise KeyReused
    try:
        found = await get_room_numbered(postgres, caller, number)
    except RoomNotFound as error:
        if made is Made.EXISTS:
            raise RoomIdTaken from error
        raise
    return found, made is Made.NEW


async def change_room(
    postgres: Postgres,
    lanes: Lanes,
    pepper: Pepper,
    caller: Caller,
    room_id: RoomId,
    change: RoomChange,
    key: str,
    if_match: IfMatch | None = None,
) -> FoundRoom:
    """Change a room's name, privacy or data.

    Raises `SeqConflict` if `expected_seq` is not what is, and `PreconditionFailed` if its state is none that `if_match`
    names; the repetition of a change that was accepted is asked neither.
    """
    request_hash = pepper.request_hash(b"change room", msgspec.json.encode(change))
    data = changed_text(change.data, "/data")
    for _ in range(TRIES):
        found = await get_room(postgres, caller, room_id)
        if found.view.direct is not None and change.private is False:
            raise DirectRoomFixed(pointer="/private")
        item = _changed(caller, found, change, data, if_match)
        item = msgspec.structs.replace(item, key_hash=pepper.key_hash(key), request_hash=request_hash)
        answer = await lanes.append(item)
        if answer.outcome is not Outcome.SEQ_CONFLICT or change.expected_seq is not None or if_match is not None:
            if if_match is not None and answer.outcome is Outcome.SEQ_CONFLICT and not _is_outdated(found, change):
                raise PreconditionFailed
            settled(answer)
            return await get_room(postgres, caller, room_id)
    raise SeqConflict


async def delete_room(
    postgres: Postgres, lanes: Lanes, pepper: Pepper, caller: Caller, room_id: RoomId, key: str
) -> None:
    """Delete a room: it does not exist from then on, and its id may name a new one, which a repetition leaves alone."""
    key_hash = pepper.key_hash(key)
    if await was_deleted(postgres, caller, room_id, key_hash):
        return
    found = await get_room(postgres, caller, room_id)
    view = found.view
    item = Item(
        app=caller.scope.app,
        room=found.number,
        kind=Kind.ROOM_DELETED,
        sender=caller.sender,
        key_hash=key_hash,
        request_hash=pepper.request_hash(b"delete room"),
        needs=needs_to_manage(caller),
        facts=_facts(found, name=view.name, private=view.private, data=bytes(view.data).decode()),
        private=view.private,
    )
    settled(await lanes.append(item))


def _is_outdated(found: FoundRoom, change: RoomChange) -> bool:
    return change.expected_seq not in {None, found.view.updated_seq}


def _changed(caller: Caller, found: FoundRoom, change: RoomChange, data: str | None, if_match: IfMatch | None) -> Item:
    view = found.view
    name = view.name if change.name is None else change.name
    private = view.private if change.private is None else change.private
    data = bytes(view.data).decode() if data is None else data
    state = {"name": name, "private": private, "data": data}
    # An outdated change is appended all the same: it may be the repetition of one that was accepted.
    is_current = not _is_outdated(found, change) and (if_match is None or if_match.holds(found.tag))
    return Item(
        app=caller.scope.app,
        room=found.number,
        kind=Kind.ROOM_UPDATED,
        sender=caller.sender,
        key_hash=b"",
        request_hash=b"",
        needs=needs_to_manage(caller),
        facts=_facts(found, name=name, private=private, data=data),
        expected=Seq(view.updated_seq) if is_current else NO_SEQ,
        private=private,
        state=msgspec.json.encode(state).decode(),
    )


def _facts(found: FoundRoom, *, name: str, private: bool, data: str) -> str:
    facts = room_facts(RoomId(found.view.id), name=name, private=private, data=data)
    return changed_room_facts(facts, found.view.created_at)


async def _first_members(postgres: Postgres, caller: Caller, wished: list[str]) -> list[tuple[User, str]]:
    ids = [checked_user_id(user, f"/members/{index}") for index, user in enumerate(wished)]
    users = await find_users(postgres, caller.scope, ids) if ids else []
    roles = dict.fromkeys(users, "member")
    if caller.user is not None:
        roles = {caller.user: "admin", **roles, caller.user: "admin"}
    return list(roles.items())
