"""Strings that break others' services, in every text that an operation takes: kept to the byte, or refused by the book."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.document.operations import OPERATIONS, Operation
from tests.document.things import Ids, own
from tests.support.document import document
from tests.support.processes import Service
from tests.support.world import App, new_world

Json = dict[str, Any]

CLEAN = {
    "right to left": "\u202eevil\u2066\u2069\u200f",
    "zero width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "nothing to be seen": "\u200b",
    "four bytes": "𝕏😀🏴\U000e0067\U000e007f👩‍👩‍👧‍👦",
    "beyond all letters": "\U0010ffff\ufffe\uffff",
    "combining bomb": "Z" + "\u0300\u0335\u0489" * 80,
    "other spellings of one letter": "é e\u0301 \u212b Å A\u030a",
    "ligatures and widths": "ﬃ ＦＵＬＬ ſ İ ı ß",
    "line ends": "a\rb\nc\r\nd\u2028e\u2029f\u0085",
    "controls": "\x01\x02\x07\x08\x0b\x0c\x1b[2J\x7f\x9b",
    "spaces": " \t\u00a0\u3000 ",
    "SQL": "'; DROP TABLE events; -- $1 %s \\",
    "markup": "<script>alert('x')</script><!-- ]]> &amp;",
    "templates": "{0} {{7*7}} ${7*7} %n%n %00 #{1}",
    "JSON": '"},{"type":"message.created","seq":1,"x":"\\',
    "escapes that are none": "\\u0000 \\ud800 \\x00 &#0;",
    "a path": "../../../../etc/passwd%2f..%5c",
    "numbers": "1e999 -0 NaN Infinity 0x10 ０１２",
    "words": "null undefined true __proto__ constructor",
}
UNCLEAN = {"NUL": "a\0b", "half a letter": "\ud83d", "the other half": "a\udfffb", "halves turned": "\ude00\ud83d"}


@dataclass(frozen=True)
class Hole:
    """A place for a text in an operation's body."""

    place: str
    told: Json
    fill: Callable[[str], Any]

    @property
    def is_free(self) -> bool:
        """Whether any words may stand here."""
        return not {"pattern", "enum", "format"} & self.told.keys()


REQUIRED = {
    "text": "t",
    "url": "https://a.example/b",
    "media_type": "text/plain",
    "data": "d",
    "user": "ann",
    "id": "ann",
}
"""What must stand beside a hole."""


def holes(told: Json, example: Any) -> Iterator[Hole]:
    """Find each place for a text in a schema's values, with what is around it."""
    if "$ref" in told:
        told = document()["components"]["schemas"][told["$ref"].rpartition("/")[2]]
    for option in [*told.get("anyOf", ()), *told.get("oneOf", ())]:
        yield from holes(option, None)
    match told.get("type"):
        case "string":
            yield Hole("", told, str)
        case "array":
            for hole in holes(told["items"], example[0] if example else None):
                yield Hole(f"/0{hole.place}", hole.told, partial(_in_list, hole.fill))
        case "object":
            around = example or _least(told)
            for field, inner in told["properties"].items() if "properties" in told else ():
                for hole in holes(inner, around.get(field)):
                    yield Hole(f"/{field}{hole.place}", hole.told, partial(_in_field, around, field, hole.fill))
            if told.get("additionalProperties") is True:
                yield Hole("/*", {}, lambda text: {"a": [text]})
                yield Hole("/", {}, lambda text: {text: 1})


def _in_list(fill: Callable[[str], Any], text: str) -> Any:
    return [fill(text)]


def _in_field(around: Json, field: str, fill: Callable[[str], Any], text: str) -> Any:
    return {**around, field: fill(text)}


def _least(told: Json) -> Json:
    """Give the least object of a schema; raises `KeyError` for a field for which nothing is known that fits."""
    return {
        name: told["properties"][name]["enum"][0] if "enum" in told["properties"][name] else REQUIRED[name]
        for name in told.get("required", ())
    }


def holes_of(operation: Operation) -> list[Hole]:
    content = operation.told.get("requestBody", {}).get("content", {}).get("application/json")
    return [] if content is None else list(holes(content["schema"], operation.body()))


HOLES = [(name, hole) for name, operation in OPERATIONS.items() for hole in holes_of(operation)]
# What free words cannot be, for more than its schema says.
CHOSEN = {"createSigningKey/public_key", "revokeToken/token"}
NOT_SHOWN = {"revokeToken/jti"}


IN_URLS = ("right to left", "four bytes", "controls", "SQL", "a path", "words", "NUL", "half a letter")


@pytest.fixture(scope="module")
async def app(service: Service) -> AsyncIterator[App]:
    """One app for all strings."""
    async with new_world(service) as made:
        yield made.app


@pytest.fixture(scope="module")
async def ids(app: App) -> Ids:
    """What is there to be changed; nothing here ends it."""
    return await own(app)


def lengths(told: Json) -> dict[str, str]:
    """Words as long as they may be, and one letter longer and shorter; of letters of four bytes, too."""
    most = told.get("maxLength")
    if most is None or "pattern" in told:
        return {}
    return {f"{count} of {letter}": letter * count for count in (most - 1, most, most + 1) for letter in ("x", "😀")}


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case [*elements]:
            for each in elements:
                yield from texts_in(each)
        case {**members}:
            for name, each in members.items():
                yield name
                yield from texts_in(each)
        case _:
            pass


async def ask(app: App, operation: Operation, ids: Ids, body: Any) -> httpx2.Response:
    """Ask with a body; the client holds the answer against the document."""
    acting = "ann" if operation.is_of_a_room else None
    # Escaped to ASCII, in which half letters can be spelled, too.
    content = json.dumps(body).encode()
    return await app.ask(operation.method, operation.path.format_map(ids), content=content, acting=acting)


@pytest.mark.parametrize(("name", "hole"), HOLES, ids=[f"{name}{hole.place}" for name, hole in HOLES])
async def test_each_text_is_given_back_to_the_byte_or_refused(app: App, ids: Ids, name: str, hole: Hole) -> None:
    """Words are never changed, cut or taken for something else; what cannot be kept is 400, and nothing is a fault."""
    operation, place = OPERATIONS[name], name + hole.place
    words = {**CLEAN, **UNCLEAN, **lengths(hole.told)}
    for kind, text in words.items():
        answer = await ask(app, operation, ids, hole.fill(text))
        least, most = hole.told.get("minLength", 0), hole.told.get("maxLength", 10**6)
        if kind in UNCLEAN or not least <= len(text) <= most:
            assert answer.status_code == 400, (kind, answer.text)
        elif answer.status_code < 300:
            assert place in NOT_SHOWN or text in set(texts_in(answer.json())), (kind, answer.text)
        else:
            assert not hole.is_free or place in CHOSEN, (kind, answer.text)


def parameters_of(operation: Operation) -> list[tuple[str, str]]:
    """Give where each parameter that is a text stands, and its name."""
    components = document()["components"]["parameters"]
    told = [
        components[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in operation.told["parameters"]
    ]
    return [(each["in"], each["name"]) for each in told if each["schema"].get("type") == "string"]


async def test_no_text_beside_the_body_is_a_fault(app: App) -> None:
    """In every parameter of a path, a query or a header: an answer of the document's, and none is 5xx."""
    ids, asked = await own(app), 0
    for operation in OPERATIONS.values():
        for place, parameter in [] if operation.id == "connect" else parameters_of(operation):
            for kind in IN_URLS:
                raw = (CLEAN | UNCLEAN)[kind].encode("utf-8", "surrogatepass")
                is_sendable = all(byte >= 0x20 and byte != 0x7F for byte in raw)
                if place == "header" and not is_sendable:
                    continue
                async with with_text(app, operation, ids, (place, parameter), raw) as answer:
                    assert answer.status_code < 500, (operation.id, parameter, kind)
                asked += 1
    assert asked > 300


def with_text(
    app: App, operation: Operation, ids: Ids, where: tuple[str, str], raw: bytes
) -> AbstractAsyncContextManager[httpx2.Response]:
    """Ask with these bytes in one parameter; nothing is read of a stream."""
    place, parameter = where
    headers = [(b"authorization", f"Bearer {app.key}".encode())]
    path = operation.path.format_map(
        {"app_id": app.id, **ids} | ({parameter: quote(raw, safe="")} if place == "path" else {})
    )
    if place == "query":
        path += f"?{parameter}={quote(raw, safe='')}"
    if place == "header":
        headers.append((parameter.encode(), raw))
    return app.http.stream(operation.method, path, headers=headers, json=operation.body())
