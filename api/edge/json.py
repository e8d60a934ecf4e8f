"""Answers out: JSON that is encoded already, or a struct to be encoded."""

import msgspec
from litestar import Response

REPLAYED_HEADER = "idempotent-replayed"
ETAG_HEADER = "etag"


def json_text(text: str, *, status: int = 200, replayed: bool = False) -> Response[bytes]:
    """Answer with JSON text; a replayed answer says so in a header."""
    headers = {REPLAYED_HEADER: "true"} if replayed else {}
    return Response(text.encode(), status_code=status, media_type="application/json", headers=headers)


def json_struct(value: msgspec.Struct, *, status: int = 200, tag: str | None = None) -> Response[bytes]:
    """Answer with a struct; `tag` is the entity tag of its state, for the header ETag."""
    headers = {} if tag is None else {ETAG_HEADER: tag}
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers)


def nothing() -> Response[bytes]:
    """Answer that it is done, with 204."""
    return Response(b"", status_code=204, media_type="application/json")
