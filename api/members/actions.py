"""Joining, leaving, adding, removing: each an event in the room's log, so that it has one place in its order."""

from dataclasses import dataclass, replace

import msgspec

from api.author import author
from api.errors import NotAMember, SeqConflict
from api.ids import RoomId, RoomNumber, Seq
from api.log.answers import settled
from api.log.event import Kind, member_facts
from api.log.item import Item, Needs, Outcome
from api.log.lane import Lanes
from api.members.rules import needs_to_add, needs_to_join, needs_to_remove
from api.members.schemas import MemberChange, MemberView
from api.members.store import get_member
from api.rooms.store import get_room
from tenants.hashing import Pepper
from tenants.ids import UserId
from tenants.postgres import Postgres
from tenants.scope import Caller, User
from tenants.users import find_user

TRIES = 5


@dataclass(frozen=True, slots=True)
class MemberDoors:
    """What changing members takes."""

    postgres: Postgres
    lanes: Lanes
    pepper: Pepper


async def put_member(
    doors: MemberDoors,
    caller: Caller,
    room_id: RoomId,
    user_id: UserId,
    change: MemberChange,
    key: str,
) -> MemberView:
    """Add a user to a room, or change a member's role; gives the member as it is then."""
    room = (await get_room(doors.postgres, caller, room_id)).number
    user = await find_user(doors.postgres, caller.scope, user_id)
    adding = _add(caller, room, user, change, needs_to_add(caller))
    answer = await doors.lanes.append(_keyed(doors, adding, key, b"add", change))
    settled(answer)
    if answer.outcome is Outcome.UNCHANGED and change.role is not None:
        await _change_role(doors, caller, room, user, change.role, key)
    return await _member(doors, caller, room, user)


async def join(doors: MemberDoors, caller: Caller, room_id: RoomId, key: str) -> MemberView:
    """Join a public room; gives the membership, be it new or old."""
    user = author(caller)
    room = (await get_room(doors.postgres, caller, room_id)).number
    adding = _add(caller, room, user, MemberChange(), needs_to_join(caller))
    settled(await doors.lanes.append(_keyed(doors, adding, key, b"join", None)))
    return await _member(doors, caller, room, user)


async def remove_member(doors: MemberDoors, caller: Caller, room_id: RoomId, user_id: UserId, key: str) -> None:
    """Take a user out of a room; every subscription of that user to it ends exactly at this event."""
    room = (await get_room(doors.postgres, caller, room_id)).number
    user = await find_user(doors.postgres, caller.scope, user_id)
    member = await get_member(doors.postgres, caller.scope, room, user.number)
    role = "member" if member is None else member.role
    item = Item(
        app=caller.scope.app,
        room=room,
        kind=Kind.MEMBER_REMOVED,
        sender=caller.sender,
        key_hash=b"",
        request_hash=b"",
        needs=needs_to_remove(caller, user.number),
        facts=member_facts(user.id, role),
        subject=user.number,
    )
    settled(await doors.lanes.append(_keyed(doors, item, key, b"remove", None)))


async def leave(doors: MemberDoors, caller: Caller, room_id: RoomId, key: str) -> None:
    """Leave a room; repeating it changes nothing."""
    await remove_member(doors, caller, room_id, author(caller).id, key)


async def _change_role(doors: MemberDoors, caller: Caller, room: RoomNumber, user: User, role: str, key: str) -> None:
    for _ in range(TRIES):
        member = await _member(doors, caller, room, user)
        if member.role == role:
            return
        joined = f'"joined_seq":{member.joined_seq},"joined_at":"{member.joined_at}"'
        item = Item(
            app=caller.scope.app,
            room=room,
            kind=Kind.MEMBER_ROLE_CHANGED,
            sender=caller.sender,
            key_hash=b"",
            request_hash=b"",
            needs=needs_to_add(caller),
            facts=f"{joined},{member_facts(user.id, role)}",
            subject=user.number,
            expected=Seq(member.joined_seq),
            state=msgspec.json.encode({"role": role}).decode(),
        )
        answer = await doors.lanes.append(_keyed(doors, item, key, b"role", role))
        if answer.outcome is not Outcome.SEQ_CONFLICT:
            settled(answer)
            return
    raise SeqConflict


def _add(caller: Caller, room: RoomNumber, user: User, change: MemberChange, needs: Needs) -> Item:
    role = change.role or "member"
    from_join = change.history == "from_join"
    state = {"user": user.id, "role": role, "private": from_join}
    return Item(
        app=caller.scope.app,
        room=room,
        kind=Kind.MEMBER_ADDED,
        sender=caller.sender,
        key_hash=b"",
        request_hash=b"",
        needs=needs,
        facts=member_facts(user.id, role),
        subject=user.number,
        private=from_join,
        state=msgspec.json.encode(state).decode(),
    )


def _keyed(doors: MemberDoors, item: Item, key: str, verb: bytes, content: object) -> Item:
    subject = str(item.subject).encode()
    return replace(
        item,
        key_hash=doors.pepper.key_hash(key),
        request_hash=doors.pepper.request_hash(verb, subject, msgspec.json.encode(content)),
    )


async def _member(doors: MemberDoors, caller: Caller, room: RoomNumber, user: User) -> MemberView:
    member = await get_member(doors.postgres, caller.scope, room, user.number)
    if member is None:
        raise NotAMember
    return member
