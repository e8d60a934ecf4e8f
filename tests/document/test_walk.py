"""What the document says, tried as a stranger's tool does who has nothing else."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from tests.document.operations import OPERATIONS
from tests.document.walk import APART, things, walk
from tests.support.world import App, World


@pytest.mark.timeout(7_200)  # some 2,000 requests, one after the other, and in the long form a hundred thousand
async def test_whatever_is_asked_the_answer_is_in_the_document(
    world: World, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """No 5xx, nothing undocumented, nothing accepted that the document forbids, and every operation done at least once."""
    examples, seed = (int(pytestconfig.getoption(name)) for name in ("--examples", "--seed"))
    ids = await things(world.app)
    walked = await asyncio.to_thread(walk, world.app, ids, tmp_path, examples=examples, seed=seed)
    assert walked.status == 0, walked.report
    assert not walked.failed
    assert not walked.never_done


async def test_what_a_walk_leaves_out_is_done_by_hand(world: World) -> None:
    """The socket, the stream, and the end of an app."""
    done = set()
    await world.app.room("general", ("alice",))
    async with world.app.socket("alice") as socket:
        await socket.open("general")
        done.add("connect")
    stream = OPERATIONS["subscribeRoom"].path.format(room_id="general")
    headers = {"Authorization": f"Bearer {await world.app.token('alice')}"}
    async with world.app.http.stream("GET", stream, headers=headers) as answer:
        assert answer.status_code == 200
        assert (
            answer.headers["content-type"].partition(";")[0]
            in OPERATIONS["subscribeRoom"].told["responses"]["200"]["content"]
        )
        done.add("subscribeRoom")
    ending = OPERATIONS["deleteOwnApp"]
    assert (await world.app.ask(ending.method, ending.path)).status_code == 202
    assert {*done, "deleteOwnApp"} == APART


LINKS = [
    (name, link["operationId"], link["parameters"])
    for name, operation in OPERATIONS.items()
    for link in next((each["links"] for each in operation.told["responses"].values() if "links" in each), {}).values()
]


@pytest.mark.parametrize(("source", "target", "parameters"), LINKS, ids=[f"{each[0]}-{each[1]}" for each in LINKS])
async def test_a_link_leads_on(world: World, source: str, target: str, parameters: dict[str, str]) -> None:
    """What was made is used, and ended, by nothing but the answer and the link."""
    ids = {"room_id": (await world.app.room("lobby", ("ann",)))["id"], "user_id": "ann"}
    asked = await ask(world.app, source, ids)
    assert asked.status_code < 300, asked.text
    there = {name: taken(told, ids, asked) for name, told in parameters.items()}
    answer = await ask(world.app, target, there)
    assert answer.status_code < 300, answer.text


async def ask(app: App, name: str, parameters: dict[str, str]) -> httpx2.Response:
    operation = OPERATIONS[name]
    acting = "ann" if operation.is_of_a_room else None
    return await app.ask(operation.method, operation.path.format_map(parameters), operation.body(), acting=acting)


def taken(expression: str, parameters: dict[str, str], answer: httpx2.Response) -> str:
    """Evaluate a runtime expression of OpenAPI's."""
    if found := re.fullmatch(r"\$request\.path\.(\w+)", expression):
        return parameters[found[1]]
    found = re.fullmatch(r"\$response\.body#((?:/\w+)+)", expression)
    assert found is not None, expression
    value = answer.json()
    for part in found[1].split("/")[1:]:
        value = value[int(part) if isinstance(value, list) else part]
    return str(value)
