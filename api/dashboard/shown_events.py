"""Events of a room's log, as pages show them to people. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from api.ids import RoomId
from api.log.event import Event, Kind, event_json

MAX_TEXT = 2_000
"""Characters of a message that a page shows; one of 64 KiB would push all others away."""
MAX_JSON = 8_000
"""Characters of JSON likewise."""


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part of a message: words, a link, or of anything else what it is."""

    text: str
    url: str | None = None
    more: int = 0
    """How many characters are not shown."""


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One event of a log."""

    seq: int
    kind: str
    at: str
    user: str | None
    """Who said it, or whom it is about."""
    sentence: str
    """What happened, where it is not what somebody said."""
    parts: list[ShownPart]
    is_gone: bool
    """Whether what was said has been deleted: its place stays, its words are nowhere."""
    metadata: str | None
    """As JSON; None where there is none."""
    text: str
    """The whole event, as JSON."""


def shown_event(event: Event, room_id: RoomId) -> ShownEvent:
    """Give an event as it stands in the log."""
    frame_text = event_json(event, room_id)
    frame: dict[str, Any] = msgspec.json.decode(frame_text)
    state: dict[str, Any] = frame.get(event.kind.subject_name, {})
    is_gone = "deleted_at" in state or "redacted" in state
    return ShownEvent(
        seq=event.seq,
        kind=event.kind.wire_name,
        at=event.at,
        user=state.get("sender", state.get("user")),
        sentence=_sentence(event.kind, state),
        parts=[_part(part) for part in state.get("parts", [])],
        is_gone=is_gone and event.message_seq is not None,
        metadata=_formatted(state.get("metadata")),
        text=_clipped(msgspec.json.format(frame_text, indent=2)),
    )


def shown_data(data: msgspec.Raw) -> str | None:
    """Give custom data as JSON for people; None for an empty object."""
    return _formatted(msgspec.json.decode(data))


def _formatted(value: dict[str, Any] | None) -> str | None:
    return _clipped(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) if value else None


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_JSON else f"{text[:MAX_JSON]}\n… {len(text) - MAX_JSON:,} more characters"


def _sentence(kind: Kind, state: dict[str, Any]) -> str:
    match kind:
        case Kind.MEMBER_ADDED:
            return f"is a member now, as {state['role']}"
        case Kind.MEMBER_REMOVED:
            return "is no member any more"
        case Kind.MEMBER_ROLE_CHANGED:
            return f"is {state['role']} now"
        case Kind.ROOM_CREATED:
            return f"The room was made: {_told(state)}"
        case Kind.ROOM_UPDATED:
            return f"The room is now: {_told(state)}"
        case Kind.ROOM_DELETED:
            return "The room was deleted"
        case Kind.UNKNOWN:
            return "Of a kind that this version does not know"
        case Kind.MESSAGE_CREATED | Kind.MESSAGE_EDITED | Kind.MESSAGE_DELETED:
            return ""


def _told(state: dict[str, Any]) -> str:
    return f"{state['name']}, {'private' if state['private'] else 'public'}"


def _part(part: dict[str, Any]) -> ShownPart:
    match part:
        case {"type": "text", "text": str(text)}:
            return ShownPart(text[:MAX_TEXT], more=max(0, len(text) - MAX_TEXT))
        # Seen to at the API's edge as well; a link of another scheme is shown as the text that it is.
        case {"type": "url", "url": str(url)} if url.startswith(("http://", "https://")):
            return ShownPart(url, url=url)
        case {"media_type": str(media_type), "data": str(data)}:
            return ShownPart(f"{media_type}, {len(data):,} characters")
        case _:
            text = msgspec.json.encode(part).decode()
            return ShownPart(text[:MAX_TEXT], more=max(0, len(text) - MAX_TEXT))
