"""A stretch: the events between a place and a tail's end, joined once and ready for everybody who stands at that place.

Most readers of a room stand at the same place, and the next events mean the same to all of them. So they are joined to one
piece of bytes, which costs a reader one write however many events it holds: with eight joined, a fifth to a seventh of the
bare transport's time for each alone (`./test speed --only w2`, its limits).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.ids import Place, RoomId, Seq
from api.log.event import Event, Kind, event_json

MAX_BYTES = 64 * 1024
"""What a reader may be handed in one piece: about as much as a transport takes before it says that the client is slow."""
SHORT, MEDIUM = 126, 65_536
TEXT_FRAME = 0x81


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events that follow each other, ready for a WebSocket."""

    data: bytes
    """Their frames, one behind the other."""
    count: int
    begin: Seq
    """The seq of the first one."""
    end: Place
    changes_rights: bool
    """Whether any of them may mean something else to one reader than to another."""
    oldest_message: Seq
    """The seq of the oldest message that any of them is about."""


def join(events: Sequence[Event], room_id: RoomId) -> Stretch | None:
    """Join events of which none is left out; None where they are too long, or are not what follows each other."""
    frames: list[bytes] = []
    size = 0
    for number, event in enumerate(events):
        if event.seq != events[0].seq + number:
            return None
        frame = text_frame(event_json(event, room_id))
        size += len(frame)
        if size > MAX_BYTES:
            return None
        frames.append(frame)
    about = [event.message_seq for event in events if event.message_seq is not None]
    return Stretch(
        data=b"".join(frames),
        count=len(frames),
        begin=events[0].seq,
        end=events[-1].place,
        changes_rights=any(event.subject is not None or event.kind in CHANGES for event in events),
        oldest_message=min(about, default=events[-1].seq),
    )


CHANGES = frozenset({Kind.ROOM_UPDATED, Kind.ROOM_DELETED, Kind.MEMBER_ADDED, Kind.MEMBER_REMOVED})


def text_frame(text: str) -> bytes:
    """Make a server's WebSocket frame of a text (RFC 6455, 5.2: whole, not masked)."""
    payload = text.encode()
    size = len(payload)
    if size < SHORT:
        return bytes((TEXT_FRAME, size)) + payload
    if size < MEDIUM:
        return bytes((TEXT_FRAME, SHORT)) + size.to_bytes(2) + payload
    return bytes((TEXT_FRAME, SHORT + 1)) + size.to_bytes(8) + payload
