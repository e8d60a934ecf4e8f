"""An app's rooms: found, and looked into. Nothing here changes one."""

from contextlib import suppress
from dataclasses import dataclass

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.shown_events import ShownEvent, shown_data, shown_event
from api.dashboard.visit import Visit
from api.errors import BadRequest, RoomNotFound
from api.ids import RoomId, RoomNumber, Seq
from api.log.read import Reader
from api.members.schemas import MemberView
from api.members.store import Wanted as WantedMembers
from api.members.store import list_members
from api.names import room_id as checked
from api.rooms.places import read_room_place, write_room_place
from api.rooms.schemas import RoomView
from api.rooms.store import FoundRoom, Wanted, get_room, list_rooms
from tenants.ids import AppId
from tenants.postgres import Postgres
from tenants.scope import Caller

PAGE = 50
MEMBERS_PAGE = 20
MAX_SEARCH = 255


@dataclass(frozen=True, slots=True)
class ShownRoom:
    """A room of a list, with when something last happened in it."""

    view: RoomView
    last_at: str | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events of a room, the newest first."""

    events: list[ShownEvent]
    older: int | None
    """Pass as `before` for the page before this one; None at the beginning."""
    is_cut: bool
    """Whether what came before is no longer kept."""


@get("/apps/{app_id:str}/rooms", operation=Operation.SEE_ROOMS)
async def show_rooms(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show rooms, the newest first, or those of an id or whose names begin with what is searched for."""
    app = await visit.app(app_id)
    caller, search, after = Caller.inspector(app.scope), visit.asked("q"), visit.asked("after")
    prefix = None if search is None else search[:MAX_SEARCH]
    wanted = Wanted(prefix=prefix, after=read_room_place(after, by_name=prefix is not None))
    # One more than is shown tells whether there is a page after this one.
    rooms = await list_rooms(visit.parts.postgres, caller, wanted, limit=PAGE + 1)
    following = None
    if len(rooms) > PAGE:
        last = rooms[PAGE - 1]
        following = write_room_place(last.number, last.view.name, by_name=prefix is not None)
    rooms = rooms[:PAGE]
    if prefix is not None and after is None:
        rooms = await _with_exact(visit.parts.postgres, caller, prefix, rooms)
    shown = await shown_rooms(visit.parts.reader, app.scope.app, rooms)
    return visit.page("rooms.html", app=head_of(app), rooms=shown, search=search, following=following, after=after)


@get("/apps/{app_id:str}/rooms/{room_id:str}", operation=Operation.SEE_ROOMS)
async def show_room(app_id: FromPath[str], room_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show a room: what it is, who its members are, and a page of its log."""
    app = await visit.app(app_id)
    postgres = visit.parts.postgres
    room = await get_room(postgres, Caller.inspector(app.scope), checked(room_id))
    place, before = visit.number("members"), visit.number("before")
    members = await list_members(
        postgres, app.scope, room.number, WantedMembers(None, "", place or 0, backwards=False), limit=MEMBERS_PAGE + 1
    )
    return visit.page(
        "room.html",
        app=head_of(app),
        room=room.view,
        data=shown_data(room.view.data),
        members=members[:MEMBERS_PAGE],
        more_members=_following(members),
        members_place=place,
        log=await _log(visit.parts.reader, app.scope.app, room, before),
        before=before,
    )


ROUTES = [show_rooms, show_room]


async def shown_rooms(reader: Reader, app: AppId, rooms: list[FoundRoom]) -> list[ShownRoom]:
    """Give rooms with the moments of the newest events in their logs."""
    heads = await reader.events([(app, room.number, Seq(room.view.seq)) for room in rooms], limit=1) if rooms else []
    last: dict[RoomNumber, str] = {event.room: event.at for event in heads}
    return [ShownRoom(room.view, last.get(room.number)) for room in rooms]


async def _with_exact(postgres: Postgres, caller: Caller, search: str, rooms: list[FoundRoom]) -> list[FoundRoom]:
    """Put the room whose id was searched for before those whose names were."""
    with suppress(BadRequest, RoomNotFound):
        exact = await get_room(postgres, caller, checked(search))
        return [exact, *(room for room in rooms if room.number != exact.number)]
    return rooms


async def _log(reader: Reader, app: AppId, room: FoundRoom, before: int | None) -> LogPage:
    """Give the page that ends before a seq, or at the head: seqs have no gaps, so it begins so many before."""
    last = room.view.seq if before is None else min(before - 1, room.view.seq)
    first = max(1, last - PAGE + 1)
    events = await reader.events([(app, room.number, Seq(first))], limit=PAGE) if last > 0 else []
    # Below the floor of what is kept the first that is found stands later, and then the page runs over its end.
    shown = [shown_event(event, RoomId(room.view.id)) for event in reversed(events) if event.seq <= last]
    is_cut = last > 0 and (not shown or shown[-1].seq > first)
    return LogPage(shown, first if first > 1 and not is_cut else None, is_cut)


def _following(members: list[MemberView]) -> int | None:
    return members[MEMBERS_PAGE - 1].joined_seq if len(members) > MEMBERS_PAGE else None
