"""An app's users: found, and looked at. Nothing here changes one."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.room_routes import PAGE, shown_rooms
from api.dashboard.shown_events import shown_data
from api.dashboard.visit import Visit
from api.names import MAX_ID_LENGTH
from api.names import user_id as checked
from api.prefixes import read_place, write_place
from api.rooms.places import read_room_place, write_room_place
from api.rooms.store import Wanted, list_rooms
from api.users.store import get_user, list_users
from tenants.scope import Caller
from tenants.users import find_user


@get("/apps/{app_id:str}/users", operation=Operation.SEE_USERS)
async def show_users(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show users in the order of their ids, or those whose ids begin with what is searched for."""
    app = await visit.app(app_id)
    search, after = visit.asked("q"), visit.asked("after")
    prefix = "" if search is None else search[: MAX_ID_LENGTH + 1]
    place = "" if after is None else read_place(after)
    # One more than is shown tells whether there is a page after this one.
    users = await list_users(visit.parts.postgres, app.scope, prefix=prefix, after=place, limit=PAGE + 1)
    following = write_place(users[PAGE - 1].id) if len(users) > PAGE else None
    users = users[:PAGE]
    return visit.page("users.html", app=head_of(app), users=users, search=search, following=following, after=after)


@get("/apps/{app_id:str}/users/{user_id:str}", operation=Operation.SEE_USERS)
async def show_user(app_id: FromPath[str], user_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show a user: who it is, and the rooms that it is a member of."""
    app = await visit.app(app_id)
    postgres, after = visit.parts.postgres, visit.asked("after")
    user = await find_user(postgres, app.scope, checked(user_id))
    view = (await get_user(postgres, app.scope, user.id)).view
    wanted = Wanted(user=user.number, after=read_room_place(after, by_name=False))
    rooms = await list_rooms(postgres, Caller.inspector(app.scope), wanted, limit=PAGE + 1)
    following = write_room_place(rooms[PAGE - 1].number, "", by_name=False) if len(rooms) > PAGE else None
    return visit.page(
        "user.html",
        app=head_of(app),
        user=view,
        data=shown_data(view.data),
        rooms=await shown_rooms(visit.parts.reader, app.scope.app, rooms[:PAGE]),
        following=following,
        after=after,
    )


ROUTES = [show_users, show_user]
