"""Answers out: JSON that is encoded already, or a struct to be encoded."""

import msgspec
from litestar import Response

REPLAYED_HEADER = "idempotent-replayed"


def json_text(text: str, *, status: int = 200, replayed: bool = False) -> Response[bytes]:
    """Answer with JSON text; a replayed answer says so in a header."""
    headers = {REPLAYED_HEADER: "true"} if replayed else {}
    return Response(text.encode(), status_code=status, media_type="application/json", headers=headers)


def json_struct(value: msgspec.Struct, *, status: int = 200) -> Response[bytes]:
    """Answer with a struct."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def nothing() -> Response[bytes]:
    """Answer that it is done, with 204."""
    return Response(b"", status_code=204, media_type="application/json")
