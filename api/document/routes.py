"""The documents as this service serves them, and a page for people to read it on."""

from functools import cache
from typing import Any

from litestar import Response, get

from api.edge.told import Told
from api.shipped import shipped

KEPT = "public, max-age=300"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs our script and reads our document. The script writes its styles into the page, hence `unsafe-inline`."""


@get("/v1/openapi.json", operation_id="getDocument", told=Told(gives={200: dict[str, Any]}), sync_to_thread=False)
def show_document() -> Response[bytes]:
    """Give this document."""
    return _file("openapi.json", "application/json")


@get(
    "/v1/asyncapi.json",
    operation_id="getRealtimeDocument",
    told=Told(gives={200: dict[str, Any]}),
    sync_to_thread=False,
)
def show_realtime_document() -> Response[bytes]:
    """Give the realtime protocol as an AsyncAPI document."""
    return _file("asyncapi.json", "application/json")


@get(
    "/reference", operation_id="getReference", told=Told(gives={200: str}, media_type="text/html"), sync_to_thread=False
)
def show_reference() -> Response[bytes]:
    """Give a page to read this document on."""
    return _file("reference/index.html", "text/html; charset=utf-8", {"content-security-policy": PAGE_POLICY})


@get(
    "/reference/redoc.js",
    operation_id="getReferenceScript",
    told=Told(gives={200: str}, media_type="text/javascript"),
    sync_to_thread=False,
)
def show_script() -> Response[bytes]:
    """Give the script of that page."""
    return _file("reference/redoc.standalone.js", "text/javascript; charset=utf-8")


ROUTES = [show_document, show_realtime_document, show_reference, show_script]


@cache
def _content(name: str) -> bytes:
    return shipped(f"openapi/{name}").read_bytes()


def _file(name: str, media_type: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(_content(name), media_type=media_type, headers={"cache-control": KEPT, **(headers or {})})
