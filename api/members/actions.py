"""Joining, leaving, adding, removing: each an event in the room's log, so that it has one place in its order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from api.author import author
from api.errors import DirectRoomFixed, NotAMember, SeqConflict
from api.ids import RoomId, RoomNumber, Seq
from api.log.answers import settled
from api.log.event import Kind, member_facts
from api.log.item import Answer, Item, Needs, Outcome
from api.log.lane import Lanes
from api.members.rules import checked_batch, needs_to_add, needs_to_join, needs_to_leave, needs_to_remove
from api.members.schemas import BatchMemberView, MemberBatchRequest, MemberChange, MemberView
from api.members.store import get_member
from api.rooms.store import FoundRoom, get_number, get_room
from tenants.budgets import Budgets
from tenants.errors import QuotaExceeded
from tenants.hashing import Pepper
from tenants.ids import UserId
from tenants.postgres import Postgres
from tenants.scope import Caller, User
from tenants.users import find_user, find_users

AT_ONCE = 50
"""Users of a batch in the lane at the same time: it is a queue for everybody."""
TRIES = 5
"""How often a change is tried anew when the user joined or left in between."""


@dataclass(frozen=True, slots=True)
class MemberDoors:
    """What changing members takes."""

    postgres: Postgres
    lanes: Lanes
    pepper: Pepper
    budgets: Budgets


async def put_member(
    doors: MemberDoors,
    caller: Caller,
    room_id: RoomId,
    user_id: UserId,
    change: MemberChange,
    key: str,
) -> MemberView:
    """Add a user to a room, or change a member's role; gives the member as it is then."""
    found = await _open_to_changes(doors, caller, room_id)
    room = found.number
    user = await find_user(doors.postgres, caller.scope, user_id)
    await _check_quota(doors, caller, found, [user])
    adding = _add(caller, room, user, change, needs_to_add(caller))
    for _ in range(TRIES):
        answer = await doors.lanes.append(_keyed(doors, adding, key, b"put", change))
        settled(answer)
        if answer.outcome is not Outcome.UNCHANGED:
            return await _member(doors, caller, room, user)
        member = await get_member(doors.postgres, caller.scope, room, user.number)
        if member is None:
            continue
        if change.role is None or change.role == member.role:
            return member
        promoting = _change_role(caller, room, user, member, change.role)
        answer = await doors.lanes.append(_keyed(doors, promoting, key, b"put", change))
        if answer.outcome is not Outcome.SEQ_CONFLICT:
            settled(answer)
            return await _member(doors, caller, room, user)
    raise SeqConflict


async def add_members(
    doors: MemberDoors, caller: Caller, room_id: RoomId, batch: MemberBatchRequest, key: str
) -> list[BatchMemberView]:
    """Add users to a room in the order of the batch, each by an event; who is a member already stays as it is.

    What can be refused of the batch is refused before anybody is added. Each user has an idempotency key derived from
    the batch's, so a repetition under it adds who is missing, and tells of the others what it told, or would have.
    """
    ids = checked_batch(batch)
    found = await _open_to_changes(doors, caller, room_id)
    room = found.number
    pointers = [f"/members/{index}/user" for index in range(len(ids))]
    users = await find_users(doors.postgres, caller.scope, ids, pointers)
    await _check_quota(doors, caller, found, users)
    needs = needs_to_add(caller)
    items: list[Item] = []
    for user, wished in zip(users, batch.members, strict=True):
        change = MemberChange(role=wished.role, history=wished.history)
        # No key of a client's own has a space in it.
        items.append(_keyed(doors, _add(caller, room, user, change, needs), f"{key} {user.number}", b"add", change))
    views: list[BatchMemberView] = []
    for start in range(0, len(items), AT_ONCE):
        answers = await asyncio.gather(*(doors.lanes.append(item) for item in items[start : start + AT_ONCE]))
        for user, answer in zip(users[start : start + AT_ONCE], answers, strict=True):
            written = settled(answer)
            seq = None if written is None else written.event.seq
            views.append(BatchMemberView(user.id, added=written is not None, seq=seq))
    return views


async def join(doors: MemberDoors, caller: Caller, room_id: RoomId, key: str) -> MemberView:
    """Join a public room; gives the membership, be it new or old."""
    user = author(caller)
    found = await get_room(doors.postgres, caller, room_id)
    room = found.number
    await _check_quota(doors, caller, found, [user])
    adding = _add(caller, room, user, MemberChange(), needs_to_join(caller))
    settled(await doors.lanes.append(_keyed(doors, adding, key, b"join", None)))
    return await _member(doors, caller, room, user)


async def remove_member(doors: MemberDoors, caller: Caller, room_id: RoomId, user_id: UserId, key: str) -> None:
    """Take a user out of a room; every subscription of that user to it ends exactly at this event."""
    if caller.user is not None and caller.user.id == user_id:
        await leave(doors, caller, room_id, key)
        return
    room = (await _open_to_changes(doors, caller, room_id)).number
    user = await find_user(doors.postgres, caller.scope, user_id)
    settled(await _remove(doors, caller, room, user, needs_to_remove(caller), key))


async def leave(doors: MemberDoors, caller: Caller, room_id: RoomId, key: str) -> None:
    """Leave a room; repeating it changes nothing."""
    user = author(caller)
    # Who has left a private room cannot see it any more, but may still repeat the leaving.
    room, is_pairs = await get_number(doors.postgres, caller, room_id)
    if is_pairs:
        raise DirectRoomFixed
    answer = await _remove(doors, caller, room, user, needs_to_leave(caller), key)
    if answer.outcome is not Outcome.NOT_A_MEMBER:
        settled(answer)


async def _open_to_changes(doors: MemberDoors, caller: Caller, room_id: RoomId) -> FoundRoom:
    found = await get_room(doors.postgres, caller, room_id)
    if found.view.direct is not None:
        raise DirectRoomFixed
    return found


async def _check_quota(doors: MemberDoors, caller: Caller, found: FoundRoom, users: Sequence[User]) -> None:
    """Raise `QuotaExceeded` for one too many; those who come at the same moment may go beyond it together."""
    try:
        await doors.budgets.check_members(caller, found.view.member_count + len(users))
    except QuotaExceeded:
        members = [await get_member(doors.postgres, caller.scope, found.number, user.number) for user in users]
        newcomers = members.count(None)
        if newcomers:
            await doors.budgets.check_members(caller, found.view.member_count + newcomers)


async def _remove(doors: MemberDoors, caller: Caller, room: RoomNumber, user: User, needs: Needs, key: str) -> Answer:
    member = await get_member(doors.postgres, caller.scope, room, user.number)
    item = Item(
        app=caller.scope.app,
        room=room,
        kind=Kind.MEMBER_REMOVED,
        sender=caller.sender,
        key_hash=b"",
        request_hash=b"",
        needs=needs,
        facts=member_facts(user.id, "member" if member is None else member.role),
        subject=user.number,
    )
    return await doors.lanes.append(_keyed(doors, item, key, b"remove", None))


def _change_role(caller: Caller, room: RoomNumber, user: User, member: MemberView, role: str) -> Item:
    joined = f'"joined_seq":{member.joined_seq},"joined_at":"{member.joined_at}"'
    return Item(
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
    return msgspec.structs.replace(
        item,
        key_hash=doors.pepper.key_hash(key),
        request_hash=doors.pepper.request_hash(verb, subject, msgspec.json.encode(content)),
    )


async def _member(doors: MemberDoors, caller: Caller, room: RoomNumber, user: User) -> MemberView:
    member = await get_member(doors.postgres, caller.scope, room, user.number)
    if member is None:
        raise NotAMember
    return member
