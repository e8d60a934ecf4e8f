"""What the workloads ask of a system, and what they must know of a rival's wire to drive it."""

import re
from typing import Protocol

from tests.speed.lines import Line
from tests.speed.loops import Figures
from tests.speed.workloads import TEXT

LAST = 50
"""Messages that opening a room brings."""


class System(Protocol):
    """A chat system with its servers running; each method is one measurement, as `tests.speed.workloads` defines it."""

    name: str
    version: str

    async def w1(self) -> Figures:
        """50 senders in 50 rooms, each with one message that is not acknowledged yet."""
        ...

    async def w2(self, subscribers: int) -> Figures:
        """One room, many subscribers, one sender with eight messages in flight."""
        ...

    async def w2_latency(self, subscribers: int) -> Figures:
        """The same with one in flight."""
        ...

    async def w3(self) -> Figures:
        """100 messages a second over 20 rooms of 10 members."""
        ...

    async def w4_room(self, messages: int) -> None:
        """Make the room of W4, which somebody has open from now on."""

    async def w4_cold(self) -> Figures:
        """Open the room of W4: from connect() to the last 50 messages in hand and live."""
        ...

    async def w4_warm(self) -> Figures:
        """The same on a connection that stands."""
        ...

    async def w5(self, connections: int) -> float:
        """Give the bytes that each idle connection takes."""
        ...


class Guest(Line):
    """A connection that has said who it is."""

    name: str = ""


class Wire(Protocol):
    """How a rival is spoken to: bytes made beforehand, and texts to count in what comes back."""

    delivered: bytes
    """Stands once in each message that a member of a room is shown."""
    stored: bytes
    """Stands once in what tells a sender that a message is stored."""
    only_members_speak: bool
    """Whether a room takes messages from its members alone."""
    number: re.Pattern[bytes]
    """Finds the number in each delivery of a message whose text is `#` and a number."""

    async def open(self) -> Guest:
        """Connect, as a client of the rival's would, up to where rooms can be joined."""
        ...

    async def join(self, guest: Guest, room: str) -> bytes:
        """Join a room, made if it is new; give what came until its last `LAST` messages were in hand and it was live."""
        ...

    async def leave(self, guest: Guest, room: str) -> None:
        """Leave it again."""

    def message(self, room: str, text: str = TEXT) -> bytes:
        """Make what sends a message."""
        ...
