"""What happened, as clients saw it: the material of the checks."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Room = tuple[str, str]
"""An app's id and a room's."""


@dataclass
class Acked:
    """A write that the service said is durable."""

    room: Room
    seq: int
    key: str
    text: str
    invoked_at: float
    acked_at: float


@dataclass
class Seen:
    """An event as it arrived."""

    frame: dict[str, Any]
    at: float


@dataclass
class Run:
    """What one subscriber saw of one room from a snapshot on, across all reconnects until the next reset."""

    room: Room
    start: int
    began_at: float
    events: list[Seen] = field(default_factory=list)
    connected: list[tuple[float, float]] = field(default_factory=list)
    """When a socket with this room was open."""
    ended: str | None = None
    """`revoked`, with `ended_at` the seq of the removal; `refused` or `reset` on return; None while the subscription stands."""
    ended_at: int | None = None

    @property
    def last(self) -> int:
        return self.events[-1].frame["seq"] if self.events else self.start


@dataclass
class History:
    """Everything that is checked."""

    acked: list[Acked] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    newest_ack: dict[Room, int] = field(default_factory=lambda: defaultdict(int))
    stale: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    faults: list[tuple[str, float, float]] = field(default_factory=list)
    retries: int = 0
    reconnects: int = 0

    def ack(self, acked: Acked) -> None:
        self.acked.append(acked)
        self.newest_ack[acked.room] = max(self.newest_ack[acked.room], acked.seq)
