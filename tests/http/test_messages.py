"""Messages by REST."""

import asyncio
import json

import pytest

from tests.support.world import World

PATH = "/v1/rooms/r/messages"


def text(words: str) -> dict[str, object]:
    return {"parts": [{"type": "text", "text": words}]}


async def test_a_message_comes_back_as_it_was_sent(world: World) -> None:
    """All kinds of parts and metadata are kept as given."""
    app = world.app
    await app.room("r", ("ann",))
    parts = [
        {"type": "text", "text": "Grüße 👋 \u202e"},
        {"type": "url", "url": "https://example.org/a?b=c", "media_type": "text/html"},
        {"type": "data", "media_type": "application/x-poll+json", "data": '{"q":1}'},
    ]
    metadata = {"a": [1, 2.5, None, {"b": "\u00e9"}], "big": 2**53 + 1}
    sent = await app.ask("POST", PATH, {"parts": parts, "metadata": metadata}, user="ann")
    assert sent.status_code == 201
    message = sent.json()
    assert (message["parts"], message["metadata"], message["sender"]) == (parts, metadata, "ann")
    assert (message["seq"], message["number"]) == (3, 1)
    read = await app.ask("GET", f"{PATH}/{message['id']}", user="ann")
    assert read.json() == message


async def test_a_repeated_request_is_answered_with_the_first_answer(world: World) -> None:
    """The same key and content give the same message, marked; other content is refused; another sender's key is another."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    first = await app.ask("POST", PATH, text("x"), user="ann", key="k")
    again = await app.ask("POST", PATH, text("x"), user="ann", key="k")
    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    other = await app.ask("POST", PATH, text("y"), user="ann", key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    bob = await app.ask("POST", PATH, text("x"), user="bob", key="k")
    assert bob.json()["seq"] == first.json()["seq"] + 1


async def test_twenty_at_once_under_one_key_are_one_message(world: World) -> None:
    """Racing repetitions all get the one message."""
    await world.app.room("r", ("ann",))
    answers = await asyncio.gather(*(world.app.ask("POST", PATH, text("x"), user="ann", key="k") for _ in range(20)))
    assert len({answer.json()["seq"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


async def test_only_members_send_and_private_rooms_do_not_exist_for_others(world: World) -> None:
    """A stranger is told to join a public room, and nothing of a private one."""
    app = world.app
    await app.room("r", ("ann",))
    await app.room("p", ("ann",), private=True)
    public = await app.ask("POST", PATH, text("x"), user="eve")
    private = await app.ask("POST", "/v1/rooms/p/messages", text("x"), user="eve")
    missing = await app.ask("POST", "/v1/rooms/none/messages", text("x"), user="eve")
    assert (public.status_code, public.json()["code"]) == (403, "not_a_member")
    assert private.status_code == missing.status_code == 404
    assert {**private.json(), "request_id": 0} == {**missing.json(), "request_id": 0}
    for path in (PATH, f"{PATH}/mAAAA"):
        assert (await app.ask("GET", path.replace("/r/", "/p/"), user="eve")).json()["code"] == "room_not_found"


async def test_a_server_writes_in_a_user_s_name(world: World) -> None:
    """An API key names the user in whose name it writes; without one it is asked for, an unknown one is refused."""
    app = world.app
    await app.room("r", ("ann",))
    named = await app.ask("POST", PATH, text("x"), acting="ann")
    assert (named.status_code, named.json()["sender"]) == (201, "ann")
    assert (await app.ask("POST", PATH, text("x"))).json()["code"] == "user_required"
    assert (await app.ask("POST", PATH, text("x"), acting="nobody")).json()["code"] == "user_not_found"
    assert (await app.ask("POST", PATH, text("x"), user="ann", acting="ann")).status_code == 403


async def test_editing_takes_the_sender_and_the_expected_seq(world: World) -> None:
    """An edit with an outdated expected_seq is a conflict; others' messages are not one's own; a server may."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    message = await app.say("r", "one", "ann")
    path = f"{PATH}/{message['id']}"
    edited = await app.ask("PATCH", path, {**text("two"), "expected_seq": message["updated_seq"]}, user="ann", key="e")
    assert edited.status_code == 200
    assert (edited.json()["id"], edited.json()["parts"]) == (message["id"], text("two")["parts"])
    stale = await app.ask("PATCH", path, {**text("three"), "expected_seq": message["updated_seq"]}, user="ann")
    assert (stale.status_code, stale.json()["code"]) == (409, "seq_conflict")
    replay = await app.ask("PATCH", path, {**text("two"), "expected_seq": message["updated_seq"]}, user="ann", key="e")
    assert (replay.status_code, replay.json()) == (200, edited.json()), "the key is asked before expected_seq"
    assert (await app.ask("PATCH", path, text("x"), user="bob")).json()["code"] == "not_allowed"
    assert (await app.ask("PATCH", path, text("by server"))).status_code == 200
    read = (await app.ask("GET", path, user="bob")).json()
    assert (read["number"], read["created_at"], read["parts"]) == (1, message["created_at"], text("by server")["parts"])


async def test_deleting_blanks_what_was_said_and_leaves_a_tombstone(world: World) -> None:
    """After a deletion no answer has the words; its place stays; deleting again changes nothing."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    message = await app.say("r", "a secret", "ann")
    path = f"{PATH}/{message['id']}"
    await app.ask("PATCH", path, text("a secret, edited"), user="ann")
    assert (await app.ask("DELETE", path, user="bob")).status_code == 403
    assert (await app.ask("DELETE", path, user="ann")).status_code == 204
    assert (await app.ask("DELETE", path, user="ann")).status_code == 204
    page = (await app.ask("GET", PATH, user="bob")).json()
    assert "secret" not in json.dumps(page)
    assert "deleted_at" in page["messages"][0]
    assert page["seq"] == 6, "one event for the message, its edit and its deletion each"
    assert (await app.ask("PATCH", path, text("x"), user="ann")).json()["code"] == "message_not_found"
    async with app.socket("bob") as socket:
        assert "secret" not in json.dumps(await socket.open("r"))


async def test_pages_go_both_ways_and_around(world: World) -> None:
    """Walking back from the end, forward from the start and out from the middle gives each message once, in order."""
    app = world.app
    await app.room("r", ("ann",))
    seqs = []
    for number in range(12):
        seqs.append((await app.say("r", str(number), "ann"))["seq"])
        if number % 3 == 0:  # other events in between
            await app.ask("PUT", f"/v1/rooms/r/members/u{number}", {})
            await app.token(f"u{number}")
            await app.ask("PUT", f"/v1/rooms/r/members/u{number}", {})

    async def page(query: str) -> dict[str, object]:
        return dict((await app.ask("GET", f"{PATH}?{query}", user="ann")).json())

    back: list[int] = []
    query = "limit=5"
    while True:
        got = await page(query)
        back = [message["seq"] for message in got["messages"]] + back
        if got["previous"] is None:
            break
        query = f"limit=5&before={got['previous']}"
    assert back == seqs
    forth: list[int] = []
    query = "limit=5&after=0"
    while True:
        got = await page(query)
        forth += [message["seq"] for message in got["messages"]]
        if got["next"] is None:
            break
        query = f"limit=5&after={got['next']}"
    assert forth == seqs
    around = await page(f"limit=4&around={seqs[6]}")
    assert [message["seq"] for message in around["messages"]] == seqs[5:9]
    for bad in ("limit=0", "limit=201", "limit=x", "before=1&after=2", "before=-1", f"before={2**63}"):
        answer = await app.ask("GET", f"{PATH}?{bad}", user="ann")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), bad


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 201), (64 * 1024 + 1, 413)])
async def test_a_message_is_at_most_64_kib(world: World, size: int, status: int) -> None:
    """The limit counts parts and metadata as JSON in UTF-8, to the byte."""
    await world.app.room("r", ("ann",))
    frame = len(b'"parts":[{"type":"text","text":""}],"metadata":{}')
    body = text("x" * (size - frame - 2) + "é")
    answer = await world.app.ask("POST", PATH, body, user="ann")
    assert answer.status_code == status


async def test_history_from_joining_shows_nothing_older(world: World) -> None:
    """Pages and single messages answer as if what was said before had never been."""
    app = world.app
    await app.room("p", ("ann",), private=True)
    old = await app.say("p", "old", "ann")
    await app.token("new")
    await app.ask("PUT", "/v1/rooms/p/members/new", {"history": "from_join"})
    said = await app.say("p", "new", "ann")
    page = (await app.ask("GET", "/v1/rooms/p/messages", user="new")).json()
    assert [message["seq"] for message in page["messages"]] == [said["seq"]]
    answer = await app.ask("GET", f"/v1/rooms/p/messages/{old['id']}", user="new")
    assert answer.json()["code"] == "message_not_found"
