"""The log as it must be read: a second, simple fold of a room's events, and who was a member when.

Nothing of the service's own code is used: what it folds is held against this.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.ids import Place
from tests.promises.history import Frame, as_text

SHOWN_MESSAGES = 100
SHOWN_MEMBERS = 100
WORDS = ("parts", "metadata")
"""What people wrote: gone from the log once the message is deleted."""


@dataclass
class RoomLog:
    """One room's log as it stands in the database at the end, by seq."""

    room_id: str
    head: int
    floor: int
    private: bool
    texts: dict[int, bytes] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    """Of each event: the ordinal of the epoch that wrote it."""
    keys: list[str] = field(default_factory=list)
    """Of each event: whose key it was written under, and its hash."""

    def has_lost(self, place: Place) -> bool:
        """Whether what stood at a place is of a life of the database that was lost there."""
        if place.seq < self.floor:
            return False
        return self.epochs.get(place.seq) != place.epoch.ordinal

    def frame(self, seq: int) -> Frame | None:
        text = self.texts.get(seq)
        return None if text is None else dict(msgspec.json.decode(text))


Log = dict[tuple[str, int], RoomLog]


def is_same(seen: Frame, logged: Frame) -> bool:
    """Compare two frames; a message deleted since has lost its words in the log, and nothing else."""
    if seen == logged:
        return True
    if "message" not in seen or "message" not in logged or not logged["message"].get("redacted"):
        return False
    return {**seen, "message": redacted(seen["message"])} == logged


def redacted(message: Frame) -> Frame:
    """Give what is left of a message when it is deleted."""
    return {**{name: value for name, value in message.items() if name not in WORDS}, "redacted": True}


def with_words(log: RoomLog, seq: int, seen: list[bytes]) -> Frame | None:
    """Give the event at a seq as it was written: from the log, or where it has been blanked as somebody saw it then."""
    frame = log.frame(seq)
    if frame is None or "message" not in frame or not frame["message"].get("redacted"):
        return frame
    for text in seen:
        other = dict(msgspec.json.decode(text))
        if "parts" in other.get("message", {}) and is_same(other, frame):
            return other
    return frame


@dataclass
class State:
    """A room at one seq: what every snapshot at that seq must show."""

    seq: int = 0
    is_whole: bool = True
    """Whether every event up to here was at hand; after retention the earliest are not."""
    room: Frame | None = None
    members: dict[str, Frame] = field(default_factory=dict)
    messages: dict[int, Frame] = field(default_factory=dict)
    unknown_words: set[int] = field(default_factory=set)
    """Messages whose words nobody saw before they were deleted."""
    message_count: int = 0

    def apply(self, frame: Frame | None) -> None:
        """Advance by one event."""
        self.seq += 1
        if frame is None:
            self.is_whole = False
            return
        noun, _, verb = frame["type"].partition(".")
        if noun == "message":
            self._apply_message(frame["message"], verb)
        elif noun == "member":
            member = frame["member"]
            if verb == "removed":
                self.members.pop(member["user"], None)
            else:
                self.members[member["user"]] = member
        else:
            self.room = frame["state"]

    def _apply_message(self, message: Frame, verb: str) -> None:
        seq = message["seq"]
        if verb == "created":
            self.message_count = message["number"]
        elif seq not in self.messages:
            return
        self.messages[seq] = message
        if message.get("redacted") and verb != "deleted":
            self.unknown_words.add(seq)
        else:
            self.unknown_words.discard(seq)

    def differences(self, snapshot: Frame, last: int) -> Iterator[str]:
        """Say in what a snapshot at this seq is not this state."""
        if self.is_whole:
            yield from _compare("room", snapshot["room"], self.room)
            yield from _compare("members", snapshot["members"], list(self.members.values())[:SHOWN_MEMBERS])
            yield from _compare("member_count", snapshot["member_count"], len(self.members))
        if self.message_count:
            yield from _compare("message_count", snapshot["message_count"], self.message_count)
        membership = snapshot["membership"]
        since = max(snapshot["floor"], 0 if membership is None else membership["history_visible_from"])
        newest = list(self.messages.items())[-SHOWN_MESSAGES:]
        visible = [(seq, message) for seq, message in newest if seq >= since][-last:] if last else []
        shown = {message["seq"]: message for message in snapshot["messages"]}
        if self.is_whole:
            yield from _compare("which messages", list(shown), [seq for seq, _ in visible])
        for seq, message in visible:
            if seq not in shown:
                continue
            if seq in self.unknown_words:
                yield from _compare(f"message {seq}", redacted(shown[seq]), message)
            else:
                yield from _compare(f"message {seq}", shown[seq], message)


def _compare(what: str, shown: Any, due: Any) -> Iterator[str]:
    if shown != due:
        yield f"{what} is {as_text(shown)[:300]!r} instead of {as_text(due)[:300]!r}"


def memberships(log: RoomLog, user: str) -> list[tuple[int, int, int]]:
    """Give when a user was a member: from which seq, to which (that of the removal), and from where history was open."""
    found: list[tuple[int, int, int]] = []
    since: int | None = None
    for seq in sorted(log.texts):
        text = log.texts[seq]
        if b'"member.' not in text:
            continue
        frame = dict(msgspec.json.decode(text))
        if frame["member"]["user"] != user:
            continue
        if frame["type"] == "member.added":
            since = seq
        elif frame["type"] == "member.removed" and since is not None:
            found.append((since, seq, since))
            since = None
    if since is not None:
        found.append((since, log.head + 1, since))
    return found
