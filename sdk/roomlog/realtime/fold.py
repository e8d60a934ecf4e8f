"""The fold: a room's state, advanced by one event. Pure.

The fold of a snapshot at S and the events S+1 … T is the snapshot at T, as far as a snapshot shows things: the last messages,
the first members.
"""

from msgspec.structs import replace

from roomlog._generated.models import (
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    Membership,
    MemberState,
    Message,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    Permissions,
    RoomCreated,
    RoomDeleted,
    RoomUpdated,
    Snapshot,
)

MEMBERS = 100
"""As many members as a snapshot lists."""


def fold(state: Snapshot, event: object, *, keep: int) -> Snapshot:
    """Give the state after an event; it holds the `keep` last messages. What is unknown changes its place alone."""
    at = {"seq": getattr(event, "seq", state.seq), "cursor": getattr(event, "cursor", state.cursor)}
    match event:
        case MessageCreated(message=message):
            messages = [*state.messages, message][-keep:] if keep else []
            return replace(state, **at, messages=messages, message_count=max(state.message_count, message.number))
        case MessageEdited(message=message) | MessageDeleted(message=message):
            return replace(state, **at, messages=_with(state.messages, message))
        case RoomCreated(state=room) | RoomUpdated(state=room) | RoomDeleted(state=room):
            return replace(state, **at, room=room)
        case MemberAdded(member=member):
            return _added(replace(state, **at), member)
        case MemberRemoved(member=member):
            members = [each for each in state.members if each.user != member.user]
            return replace(state, **at, members=members, member_count=state.member_count - 1)
        case MemberRoleChanged(member=member):
            return _promoted(replace(state, **at), member)
        case _:
            return replace(state, **at)


def _with(messages: list[Message], changed: Message) -> list[Message]:
    return [changed if each.id == changed.id else each for each in messages]


def _added(state: Snapshot, member: MemberState) -> Snapshot:
    # Members are listed by joining: a new one stands last, and is listed if all before it are.
    is_listed = state.member_count == len(state.members) < MEMBERS
    members = [*state.members, member] if is_listed else state.members
    return replace(state, members=members, member_count=state.member_count + 1)


def _promoted(state: Snapshot, member: MemberState) -> Snapshot:
    members = [member if each.user == member.user else each for each in state.members]
    membership: Membership | None = state.membership
    permissions = state.permissions
    if membership is not None and membership.user == member.user:
        membership = replace(membership, role=member.role)
        permissions = Permissions(send=permissions.send, manage=member.role == "admin")
    return replace(state, members=members, membership=membership, permissions=permissions)
