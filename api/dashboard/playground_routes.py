"""The playground: two users of a test app side by side, each with a token and a socket of its own, on the API itself."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.dashboard.app_head import head_of
from api.dashboard.permissions import Operation
from api.dashboard.visit import Visit
from tenants.apps import App
from tenants.errors import Forbidden, NotFound
from tenants.grants import Grant
from tenants.ids import UserId
from tenants.tokens import Reach, mint_token

ROOM = "playground"
USERS = {"playground-ann": "Ann", "playground-bob": "Bob"}
TOKEN_TTL_S = 120
REACH = Reach(
    frozenset({Grant.ROOMS_READ, Grant.ROOMS_WRITE, Grant.MESSAGES_READ, Grant.MESSAGES_WRITE}), frozenset({ROOM})
)
"""What the page does for its users, and in which room."""


@get("/apps/{app_id:str}/playground", operation=Operation.USE_PLAYGROUND)
async def show_playground(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Show the two, or why there are none in a live app."""
    app = await visit.app(app_id)
    if not _is_for_trying(app):
        return visit.page("playground_live.html", app=head_of(app))
    return visit.live_page("playground.html", app=head_of(app), users=USERS, room=ROOM)


@post("/apps/{app_id:str}/playground/token", operation=Operation.USE_PLAYGROUND, status_code=200)
async def post_playground_token(app_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[dict[str, str]]:
    """Give one of the two a token for two minutes, and make the user if new; in a live app nobody gets one."""
    app, parts = await visit.app(app_id), visit.parts
    if not _is_for_trying(app):
        raise Forbidden
    user = visit.form.text("user")
    if user not in USERS:
        raise NotFound
    token = await mint_token(parts.postgres, parts.master_keys, app.scope, UserId(user), TOKEN_TTL_S, REACH)
    return Response({"token": token.text, "expires_at": token.expires_at})


ROUTES = [show_playground, post_playground_token]


def _is_for_trying(app: App) -> bool:
    return app.environment == "test"
