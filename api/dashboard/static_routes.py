"""Styles, scripts and pictures: our own files, at an address that changes with what they hold."""

from pathlib import PurePath

from litestar import Response, get
from litestar.params import FromPath

from api.dashboard.rendering import FILES, TYPES, VERSION
from tenants.errors import NotFound

FOR_EVER = "public, max-age=31536000, immutable"


@get("/static/{version:str}/{name:str}")
async def show_file(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Give a static file."""
    if version != VERSION or name not in FILES:
        raise NotFound
    return Response(FILES[name], media_type=TYPES[PurePath(name).suffix], headers={"cache-control": FOR_EVER})


ROUTES = [show_file]
