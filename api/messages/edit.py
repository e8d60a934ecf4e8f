"""Editing and deleting: new events about an old message."""

from api.ids import RoomId, Seq, read_message_id
from api.log.answers import Written, settled, written
from api.log.event import Event, Kind, changed_facts
from api.log.item import Item
from api.log.lane import Lanes
from api.log.pages import Pages
from api.messages.rules import message_body, needs_to_delete, needs_to_edit
from api.messages.schemas import EditedMessage
from tenants.hashing import Pepper
from tenants.scope import Caller


async def edit(
    lanes: Lanes,
    pages: Pages,
    pepper: Pepper,
    caller: Caller,
    room_id: RoomId,
    message_id: str,
    change: EditedMessage,
    key: str,
) -> Written:
    """Replace what a message says; by its sender or an API key. Raises `SeqConflict` if `expected_seq` is not what is."""
    body = message_body(change)
    original = await _original(pages, caller, room_id, message_id)
    expected = b"" if change.expected_seq is None else str(change.expected_seq).encode()
    item = Item(
        app=caller.scope.app,
        room=original.room,
        kind=Kind.MESSAGE_EDITED,
        sender=caller.sender,
        key_hash=pepper.key_hash(key),
        request_hash=pepper.request_hash(b"edit", message_id.encode(), expected, body.encode()),
        needs=needs_to_edit(caller),
        facts=changed_facts(original),
        body=body,
        target=original.seq,
        expected=None if change.expected_seq is None else Seq(change.expected_seq),
    )
    return written(await lanes.append(item))


async def delete(
    lanes: Lanes,
    pages: Pages,
    pepper: Pepper,
    caller: Caller,
    room_id: RoomId,
    message_id: str,
    key: str,
) -> Written | None:
    """Delete a message and blank what was said in it everywhere; None if it had been deleted before."""
    original = await _original(pages, caller, room_id, message_id)
    item = Item(
        app=caller.scope.app,
        room=original.room,
        kind=Kind.MESSAGE_DELETED,
        sender=caller.sender,
        key_hash=pepper.key_hash(key),
        request_hash=pepper.request_hash(b"delete", message_id.encode()),
        needs=needs_to_delete(caller),
        facts=changed_facts(original),
        target=original.seq,
    )
    return settled(await lanes.append(item))


async def _original(pages: Pages, caller: Caller, room_id: RoomId, message_id: str) -> Event:
    return (await pages.one(caller, room_id, read_message_id(message_id))).created
