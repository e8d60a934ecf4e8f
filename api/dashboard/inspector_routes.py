"""The inspector: a page that follows an app's rooms by the API's own socket, and the token with which it may."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.room_routes import shown_rooms
from api.dashboard.visit import Visit
from api.log.commits import latest_rooms
from api.names import room_id as checked
from api.rooms.store import FoundRoom, Wanted, get_room, list_rooms
from tenants.scope import Caller
from tenants.tokens import mint_inspector

MAX_FOLLOWED = 50
"""Rooms that the page follows at once."""


@get("/apps/{app_id:str}/inspector", operation=Operation.SEE_ROOMS)
async def show_inspector(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show what happens in rooms as it happens: in one that is named, or in those where something has happened of late."""
    app = await visit.app(app_id)
    caller, room_id = Caller.inspector(app.scope), visit.asked("room")
    if room_id is None:
        rooms = await _active_rooms(visit, caller)
    else:
        rooms = [await get_room(visit.parts.postgres, caller, checked(room_id))]
    shown = await shown_rooms(visit.parts.reader, app.scope.app, rooms)
    return visit.live_page("inspector.html", app=head_of(app), rooms=shown, room_id=room_id, most=MAX_FOLLOWED)


@post("/apps/{app_id:str}/inspector/token", operation=Operation.SEE_ROOMS, status_code=200)
async def post_inspector_token(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[dict[str, str]]:
    """Give a token that reads every room of this app for two minutes, and does nothing else."""
    app, parts = await visit.app(app_id), visit.parts
    token, expires_at = await mint_inspector(parts.postgres, parts.master_keys, app.scope, visit.session.person.id)
    return Response({"token": token, "expires_at": expires_at})


ROUTES = [show_inspector, post_inspector_token]


async def _active_rooms(visit: Visit, caller: Caller) -> list[FoundRoom]:
    """Give those that were written to in the last minutes, the latest first, then the newest."""
    postgres = visit.parts.postgres
    latest = await latest_rooms(postgres, caller.scope.app, MAX_FOLLOWED)
    written = Wanted(numbers=frozenset(latest))
    found = {room.number: room for room in await list_rooms(postgres, caller, written, limit=MAX_FOLLOWED)}
    newest = await list_rooms(postgres, caller, Wanted(), limit=MAX_FOLLOWED)
    order = dict.fromkeys([*(number for number in latest if number in found), *(room.number for room in newest)])
    found |= {room.number: room for room in newest}
    return [found[number] for number in order][:MAX_FOLLOWED]
