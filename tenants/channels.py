"""Names of Redis channels: built here and nowhere else, from internal numbers only."""

from tenants.ids import AppId

PREFIX = "rl1"


def room_channel(app: AppId, room: int) -> str:
    """Name a room's channel; the braces keep all that concerns one room in one slot of a Redis Cluster."""
    return f"{PREFIX}:{{{app:x}.{room:x}}}"


def probe_channel(process: int) -> str:
    """Name the channel on which a process listens for its own publications."""
    return f"{PREFIX}:probe:{{{process:x}}}"
