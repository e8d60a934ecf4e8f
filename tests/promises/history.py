"""What happened, as clients saw it: the material of the checks.

All times are of this machine's monotonic clock, so that what different clients saw can be merged into one history. Every
event that anybody was shown is kept once, as the text of its frame; who saw which text, and when, takes a few bytes.
"""

import bisect
import json
import math
import zlib
from array import array
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from api.ids import Place, read_cursor

Frame = dict[str, Any]
Room = tuple[str, int]
"""An app's id and a room's number: a room deleted and made anew under its old id is another one."""

NEVER = math.inf
_ENCODER = msgspec.json.Encoder(order="sorted")


def as_text(frame: Frame) -> bytes:
    """Spell a frame in the one way in which frames are compared."""
    return _ENCODER.encode(frame)


@dataclass(slots=True)
class Write:
    """One thing that a client asked to be written, with all the asking again that it took."""

    app: str
    room_id: str
    user: str
    operation: str
    """`send`, `edit` or `delete`."""
    key: str
    canary: str
    text: str
    invoked_at: float
    line: tuple[int, int] | None = None
    """Of a pipelined one: which connection's, and which of those said on it."""
    answered_at: float = NEVER
    outcome: str = "unknown"
    """`acked`: said to be durable; `refused`: said never to be written; or `unknown`."""
    place: Place | None = None
    said: str = ""
    """What a refusal said."""
    is_again: bool = False
    """Whether it asks for what was acknowledged already."""

    @property
    def room(self) -> Room | None:
        return None if self.place is None else (self.app, self.place.room)


@dataclass(slots=True)
class Session:
    """One connection's time with one subscription."""

    opened_at: float
    closed_at: float = NEVER
    token_ends_at: float = NEVER
    last_frame_at: float = 0.0


@dataclass(slots=True)
class Run:
    """What one reader saw of one room from a snapshot on, across all reconnects, until the next snapshot."""

    reader: str
    app: str
    room_id: str
    user: str | None
    """None for a reader with an API key."""
    start: Place
    asked_at: float
    """When the snapshot was asked for."""
    last_asked: int
    """How many messages the snapshot was to show."""
    packed_snapshot: bytes
    reset: str | None = None
    """Why the snapshot was a reset."""
    is_steady: bool = True
    """Whether the reader reads as fast as it can; only then do its delays say something about the service."""
    seqs: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[float]" = field(default_factory=lambda: array("d"))
    variants: "array[int]" = field(default_factory=lambda: array("H"))
    sessions: list[Session] = field(default_factory=list)
    end: str | None = None
    """`revoked`, `deleted`, `reset`, `refused`, `forgotten` by its reader, `left` by one who had all; or None: it stands."""
    end_seq: int | None = None
    """Of a revocation: the seq of the event that took the right to read."""

    @property
    def room(self) -> Room:
        return (self.app, self.start.room)

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else self.start.seq

    @property
    def snapshot(self) -> Frame:
        return dict(msgspec.json.decode(zlib.decompress(self.packed_snapshot)))


@dataclass(slots=True)
class Glance:
    """A read of a room by REST: where its log stood."""

    app: str
    room_id: str
    seq: int
    asked_at: float


@dataclass(slots=True)
class Revocation:
    """A user whose tokens were ended."""

    app: str
    user: str
    invoked_at: float
    acked_at: float


@dataclass(slots=True)
class Window:
    """A fault, and from when to when it could be felt."""

    name: str
    began_at: float
    ended_at: float
    halts: bool
    """Whether delivery may stand still meanwhile: a stopped process, a database that is away."""
    loses_since: float | None = None
    """Of a failover without the newest commits: since when what was acknowledged may be gone."""


class Lags:
    """How far the observer itself was behind: what it notes late for that reason, the service did not do late."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._times = array("d")
        self._sums = array("d", [0.0])

    def note(self, now: float, seconds: float) -> None:
        """Note that the observer has just stood still for so long."""
        self._times.append(now)
        self._sums.append(self._sums[-1] + seconds)

    def between(self, since: float, until: float) -> float:
        """Give for how long in all it stood still in this time."""
        first, last = bisect.bisect_left(self._times, since), bisect.bisect_right(self._times, until)
        return max(0.0, self._sums[last] - self._sums[first])


class History:
    """Everything that is checked."""

    def __init__(self, canaries: dict[str, str], fickle: set[str]) -> None:
        """Watch for what must not cross: a text that marks each app, by app."""
        self.canaries = canaries
        self.fickle = fickle
        """Ids of rooms that are deleted and made anew; of those that were deleted nothing is left in the end."""
        self.writes: list[Write] = []
        self.runs: list[Run] = []
        self.glances: list[Glance] = []
        self.revocations: list[Revocation] = []
        self.windows: list[Window] = []
        self.lags = Lags()
        self.frames: dict[tuple[str, int, int], list[bytes]] = {}
        """By app, room and seq: each different text that anybody was shown there."""
        self.leaked: list[str] = []
        self.unexpected: list[str] = []
        self.delivered = 0
        self.retries = 0
        self.reconnects = 0
        self.resets: dict[str, int] = {}
        self.newest_ack: dict[Room, int] = {}
        """For those who wait for the end; the checks work it out by themselves."""

    def ack(self, write: Write, place: Place | None, now: float) -> None:
        """Note that a write was acknowledged."""
        write.outcome, write.place, write.answered_at = "acked", place, now
        if place is not None:
            room = (write.app, place.room)
            self.newest_ack[room] = max(self.newest_ack.get(room, 0), place.seq)

    def refuse(self, write: Write, said: str, now: float) -> None:
        """Note that a write was refused for good."""
        write.outcome, write.said, write.answered_at = "refused", said, now

    def seen(self, run: Run, frame: Frame, now: float) -> None:
        """Note an event that a subscription was shown."""
        place = read_cursor(frame["cursor"])
        if place is None or place.seq != frame["seq"] or place.room != run.start.room:
            self.unexpected.append(f"{run.reader}: a cursor that is not its event's: {frame}")
            return
        text = as_text(frame)
        known = self.frames.setdefault((run.app, place.room, place.seq), [])
        if text not in known:
            known.append(text)
            self.look_for_leaks(run.app, text.decode(), run.reader)
        self.delivered += 1
        run.seqs.append(place.seq)
        run.times.append(now)
        run.variants.append(known.index(text))

    def look_for_leaks(self, app: str, text: str, who: str) -> None:
        """Note a text that holds another app's canary."""
        for other, canary in self.canaries.items():
            if other != app and canary in text:
                self.leaked.append(f"{who} of {app} was sent {text[:500]}")

    def dump(self, path: Path) -> None:
        """Write everything down, one JSON object a line, for whoever looks into a violation."""
        with path.open("w") as lines:
            for write in self.writes:
                lines.write(json.dumps({"kind": "write", **asdict(write)}, default=str) + "\n")
            for run in self.runs:
                shown = {
                    "kind": "run",
                    **{
                        name: getattr(run, name)
                        for name in ("reader", "app", "room_id", "user", "reset", "end", "end_seq")
                    },
                    "start": str(run.start),
                    "asked_at": run.asked_at,
                    "snapshot": run.snapshot,
                    "seen": list(zip(run.seqs, run.times, run.variants, strict=True)),
                    "sessions": [asdict(session) for session in run.sessions],
                }
                lines.write(json.dumps(shown, default=str) + "\n")
            for kind, records in (("glance", self.glances), ("revocation", self.revocations), ("fault", self.windows)):
                for record in records:  # type: ignore[attr-defined]
                    lines.write(json.dumps({"kind": kind, **asdict(record)}, default=str) + "\n")
            for (app, room, seq), texts in self.frames.items():
                shown = {
                    "kind": "frames",
                    "app": app,
                    "room": room,
                    "seq": seq,
                    "texts": [text.decode() for text in texts],
                }
                lines.write(json.dumps(shown) + "\n")


def pack(snapshot: Frame) -> bytes:
    """Keep a snapshot small."""
    return zlib.compress(as_text(snapshot), 1)
