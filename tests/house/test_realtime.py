"""The realtime protocol as it is told: its document is current and whole, and its page names all that the structs have."""

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from api.document.build import close_codes
from api.document.realtime import REPLIES, build_realtime
from api.subscriptions.frames import ClientFrame
from api.subscriptions.schemas import EventFrame, ServerFrame
from tests.support.document import ROOT

DOCUMENT = json.loads(json.dumps(build_realtime()))
PAGE = (ROOT / "openapi" / "realtime.md").read_text()
ROWS = {found[1]: found[0] for found in re.finditer(r"^\| `?([\w.]+)`? .*\|$", PAGE, re.MULTILINE)}


def tag_of(shape: Any) -> str:
    return str(shape.__struct_config__.tag)


def words(text: str) -> set[str]:
    """Give what stands in it as a name: in backticks, or in the quotes of JSON."""
    return set(re.findall(r"(?<=[`\"])[a-z_.]+(?=[`\"])", text))


def names_in(node: Any) -> set[str]:
    """Give the name of each field of the schemas beneath."""
    if isinstance(node, dict):
        return set(node.get("properties", {})).union(*map(names_in, node.values()))
    return set().union(*map(names_in, node)) if isinstance(node, list) else set()


def test_the_document_is_current() -> None:
    """`openapi/asyncapi.json` is what `roomlog-server asyncapi` prints."""
    assert json.loads((ROOT / "openapi" / "asyncapi.json").read_text()) == DOCUMENT


def test_each_reference_of_the_document_leads_somewhere() -> None:
    """Nothing is told by a name that is not there."""
    for place in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        node = DOCUMENT
        for step in place.split("/"):
            node = node[step]


@pytest.mark.parametrize("frame", get_args(ClientFrame), ids=tag_of)
def test_the_page_names_each_op_with_its_fields_and_answers(frame: Any) -> None:
    """Its row of the table has them; `id` is told for all of them."""
    fields = {field.encode_name for field in msgspec.structs.fields(frame)} - {"id"}
    assert fields | {tag_of(answer) for answer in REPLIES[frame]} <= words(ROWS[tag_of(frame)])


@pytest.mark.parametrize("frame", get_args(ServerFrame), ids=tag_of)
def test_the_page_names_each_frame_with_its_fields(frame: Any) -> None:
    """Its row of the table has them; the row of `message.created` speaks for all events."""
    is_event = frame in get_args(EventFrame) and tag_of(frame) not in ROWS
    row = ROWS["message.created" if is_event else tag_of(frame)]
    assert {field.encode_name for field in msgspec.structs.fields(frame)} <= words(row)
    assert tag_of(frame) in words(PAGE)


def test_the_page_names_each_field_of_what_frames_carry() -> None:
    """Messages, members, rooms, snapshots and problems are shown whole."""
    assert names_in(DOCUMENT["components"]["schemas"]) - words(PAGE) == set()


@pytest.mark.parametrize("code", close_codes(), ids=lambda code: code["name"])
def test_the_page_has_each_close_code_s_sentence(code: dict[str, Any]) -> None:
    """What the codes mean and ask for is said once, in the code, and shown in the page."""
    meaning, _, remedy = code["meaning"].rstrip(".").partition("; ")
    said = " ".join(f"| {code['code']} | {meaning[0].lower()}{meaning[1:]} | {remedy} |".split())
    assert ROWS[str(code["code"])] == said
