"""Bodies and frames in: decoded into what is documented, or refused with a sentence and a JSON pointer."""

import json
import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from api.errors import BadRequest, TooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 128 * 1024
MAX_BATCH_BYTES = 1024 * 1024
"""Of a body that names many things at once."""

T = TypeVar("T")
# An escaped NUL: an odd number of backslashes before it, for an even one only spells backslashes.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]")


def decode(text: str | bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode JSON strictly; raises `BadRequest` with its reason, and a pointer to the place where there is one."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        if "\\u0000" in text and _NUL.search(text):
            raise BadRequest("Strings may not contain NUL (\\u0000).")
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _located(str(error)) from error
    except RecursionError as error:
        raise BadRequest("JSON nested too deep.") from error
    except UnicodeError as error:
        raise BadRequest("JSON is sent as UTF-8.") from error
    except msgspec.DecodeError as error:
        raise BadRequest(_what_is_wrong(text)) from error


async def read_body(
    request: Request[Any, Any, Any], kind: type[T], max_bytes: int = MAX_BODY_BYTES, *, default: T | None = None
) -> T:
    """Read a request's JSON body, or take `default` for none at all.

    Raises `BadRequest`, `TooLarge` over its limit, `UnsupportedMediaType`.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media_type.lower() != "application/json":
        raise UnsupportedMediaType
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise TooLarge(f"This request's body is at most {max_bytes} bytes.")
    except InternalServerException as error:
        # The framework's name for a client that has gone: nobody hears this answer, and it is no fault of ours.
        raise BadRequest("The body ended before its length.") from error
    if not body and default is not None:
        return default
    return decode(bytes(body), msgspec.json.Decoder(kind))


def _what_is_wrong(text: str | bytes) -> str:
    """Tell a lone surrogate, which the standard library's decoder lets pass, from what is no JSON at all."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "The body is not valid JSON."
    return "Strings may not contain lone surrogates (\\ud800 to \\udfff come in pairs)."


def _located(message: str) -> BadRequest:
    """Turn msgspec's "… - at `$.parts[0].text`" into a sentence and the pointer /parts/0/text."""
    sentence, _, path = message.partition(" - at `")
    steps = [name or index for name, index in _STEP.findall(path)]
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return BadRequest(sentence + ".", pointer=pointer or None)
