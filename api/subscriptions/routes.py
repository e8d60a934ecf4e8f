"""One room followed over plain HTTP: as a stream of events, or by long poll."""

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from api.subscriptions.poll import PollShell
from api.subscriptions.sse import StreamShell


@get("/v1/rooms/{room_id:str}/subscribe", operation_id="subscribeRoom")
async def subscribe_room(streams: NamedDependency[StreamShell]) -> ASGIApp:
    """Follow a room by a stream of server-sent events."""
    return streams


@get("/v1/rooms/{room_id:str}/events", operation_id="pollRoom")
async def poll_room(polls: NamedDependency[PollShell]) -> ASGIApp:
    """Give what follows a cursor, at once or when it comes."""
    return polls


ROUTES = [subscribe_room, poll_room]
