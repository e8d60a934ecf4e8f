"""Roomlog: chat that developers trust.

    from roomlog import Roomlog

    with Roomlog(token=token) as client, client.rooms.open("general") as room:
        room.send("Hello")
        for event in room:
            print(event)

`Roomlog` and `AsyncRoomlog` are the clients; `roomlog.models` has what they take and give, `roomlog.errors_by_code` a class
for each refusal.
"""

from roomlog.client import AsyncRoomlog, Roomlog
from roomlog.errors import ApiError, ClientClosed, NoCredential, RoomlogError, UnexpectedAnswer, Unreachable
from roomlog.realtime.blocking import Room
from roomlog.realtime.room import AsyncRoom, RoomEvent
from roomlog.retries import Retries
from roomlog.unknown import Unknown
from roomlog.version import __version__

__all__ = [
    "ApiError",
    "AsyncRoom",
    "AsyncRoomlog",
    "ClientClosed",
    "NoCredential",
    "Retries",
    "Room",
    "RoomEvent",
    "Roomlog",
    "RoomlogError",
    "UnexpectedAnswer",
    "Unknown",
    "Unreachable",
    "__version__",
]
