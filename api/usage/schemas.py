"""Usage on the wire."""

from typing import Literal, Self

import msgspec

from tenants.clock import to_rfc3339
from tenants.tallies import Tally


class TallyView(msgspec.Struct):
    """What the app did in one hour or day (UTC).

    `messages` were sent, each once. `deliveries` are events handed to subscribers, each for each of them. `connections` are
    sockets and streams that were opened, and long polls. `active_users` were connected or sent a message, each once; null
    once that is no longer known, after 62 days.
    """

    begins_at: str
    messages: int
    deliveries: int
    connections: int
    active_users: int | None

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Show a tally."""
        return cls(to_rfc3339(tally.begins), tally.messages, tally.deliveries, tally.connections, tally.active_users)


class UsageView(msgspec.Struct):
    """An app's tallies, oldest first, none left out up to the hour or day under way, which is still being counted."""

    by: Literal["hour", "day"]
    tallies: list[TallyView]
