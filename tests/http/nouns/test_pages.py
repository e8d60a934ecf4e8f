"""Pages of messages among other events, and for those who do not see them all."""

from typing import Any

import pytest

from tests.support.world import World

PATH = "/v1/rooms/r/messages"
TWO = {"parts": [{"type": "text", "text": "edited"}]}


async def page(world: World, query: str, user: str = "ann") -> dict[str, Any]:
    answer = await world.app.ask("GET", f"{PATH}?{query}", user=user)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def numbers(got: dict[str, Any]) -> list[int]:
    return [message["number"] for message in got["messages"]]


@pytest.fixture
async def seqs(world: World) -> list[int]:
    """Nine messages with edits, deletions and members between them, by the seq of each."""
    app = world.app
    await app.room("r", ("ann",))
    found = []
    for number in range(1, 10):
        message = await app.say("r", str(number), "ann")
        found.append(int(message["seq"]))
        path = f"{PATH}/{message['id']}"
        if number % 3 == 1:
            await app.ask("PATCH", path, TWO, user="ann")
        if number % 3 == 2:
            await app.ask("DELETE", path, user="ann")
        if number % 4 == 0:
            await app.ask("POST", "/v1/rooms/r/join", user=f"u{number}")
    return found


async def test_a_page_counts_messages_and_not_events(world: World, seqs: list[int]) -> None:
    """Each page is full, whatever lies between its messages; each message is shown as its newest event left it."""
    last = await page(world, "limit=4")
    assert (numbers(last), last["previous"], last["next"]) == ([6, 7, 8, 9], seqs[5], None)
    before = await page(world, f"limit=4&before={last['previous']}")
    assert (numbers(before), before["previous"], before["next"]) == ([2, 3, 4, 5], seqs[1], seqs[4])
    first = await page(world, f"limit=4&before={before['previous']}")
    assert (numbers(first), first["previous"], first["next"]) == ([1], None, seqs[0])
    assert first["messages"][0]["parts"] == TWO["parts"]
    assert ["deleted_at" in message for message in before["messages"]] == [True, False, False, True]
    assert last["seq"] == (await world.app.ask("GET", "/v1/rooms/r")).json()["seq"]


async def test_a_seq_between_messages_is_a_place_too(world: World, seqs: list[int]) -> None:
    """Before, after and around take any seq: what stands there need not be a message, nor be there yet."""
    edit_of_fourth = seqs[3] + 1
    assert numbers(await page(world, f"limit=2&before={edit_of_fourth}")) == [3, 4]
    assert numbers(await page(world, f"limit=2&after={edit_of_fourth}")) == [5, 6]
    assert numbers(await page(world, f"limit=2&around={edit_of_fourth}")) == [4, 5]
    assert numbers(await page(world, f"limit=3&around={seqs[4]}")) == [4, 5, 6]
    assert numbers(await page(world, f"limit=1&around={seqs[4]}")) == [5]
    assert numbers(await page(world, "limit=2&around=0")) == [1]
    assert numbers(await page(world, f"limit=2&before={2**63 - 1}")) == [8, 9]


async def test_a_page_past_an_end_is_empty(world: World, seqs: list[int]) -> None:
    """Nothing comes before the first message and nothing after the last, and the head is told all the same."""
    for query in (f"after={seqs[-1]}", f"after={2**63 - 1}", f"before={seqs[0]}", "before=0"):
        got = await page(world, query)
        assert (got["messages"], got["previous"], got["next"]) == ([], None, None), query
        assert got["seq"] >= seqs[-1]


async def test_history_begins_at_joining_for_who_joined_so(world: World, seqs: list[int]) -> None:
    """With `from_join`, the first message after joining is the first there is: no page before it, no place earlier."""
    app = world.app
    await app.token("new")
    joined = (await app.ask("PUT", "/v1/rooms/r/members/new", {"history": "from_join"})).json()["joined_seq"]
    said = [(await app.say("r", words, "ann"))["seq"] for words in ("a", "b", "c")]
    got = await page(world, "limit=50", "new")
    assert (numbers(got), got["previous"], got["next"]) == ([10, 11, 12], None, None)
    assert (await page(world, "limit=2", "new"))["previous"] == said[1]
    assert (await page(world, f"limit=2&before={said[1]}", "new"))["previous"] is None
    assert numbers(await page(world, "limit=2&after=0", "new")) == [10, 11]
    assert numbers(await page(world, f"limit=2&after={joined}", "new")) == [10, 11]
    assert numbers(await page(world, f"limit=4&around={seqs[4]}", "new")) == [10, 11]
    everything = await page(world, "limit=50", "ann")
    assert len(everything["messages"]) == 12
