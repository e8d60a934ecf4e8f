"""THE SEND PATH: rules, then the lane, which commits, acknowledges and publishes."""

from api.author import author
from api.ids import RoomId, RoomNumber
from api.log.answers import Written, written
from api.log.event import Kind, created_facts
from api.log.item import Item
from api.messages.rules import message_body, needs_to_send
from api.messages.schemas import NewMessage
from api.rooms.directory import Directory
from tenants.hashing import Pepper
from tenants.scope import Caller


async def send(
    directory: Directory,
    pepper: Pepper,
    caller: Caller,
    room_id: RoomId,
    message: NewMessage,
    key: str,
) -> Written:
    """Send a message; it is durable when this returns, and a repetition under the same key is the same message.

    Raises what `api.errors` lists: of the message, the room, the membership, the key, or of a store out of reach.
    """
    user = author(caller)
    body = message_body(message)
    key_hash = pepper.key_hash(key)
    request_hash = pepper.request_hash(b"send", body.encode())

    def item(room: RoomNumber) -> Item:
        return Item(
            app=caller.scope.app,
            room=room,
            kind=Kind.MESSAGE_CREATED,
            sender=user.number,
            key_hash=key_hash,
            request_hash=request_hash,
            needs=needs_to_send(caller),
            facts=created_facts(user.id),
            body=body,
        )

    return written(await directory.append(caller.scope, room_id, item))
