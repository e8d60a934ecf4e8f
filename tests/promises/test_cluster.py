"""Promises across processes."""

import asyncio
import json
from typing import Any

from tests.promises.cluster import Cluster
from tests.support.sockets import connect
from tests.support.world import App

ROOMS = 20
ROUNDS = 50


async def test_what_was_acked_on_one_process_is_there_when_another_opens(cluster: Cluster, apps: list[App]) -> None:
    """A thousand times: send on one process, and at once open the room on the other."""
    app, (one, other) = apps[0], cluster.services

    async def ack_then_open(name: str) -> None:
        await app.room(name, ("ann",))
        token = await app.token("ann")
        async with connect(one.socket_url, token) as writer, connect(other.socket_url, token) as reader:
            for number in range(ROUNDS):
                await writer.say(op="send", id="s", room=name, parts=[{"type": "text", "text": str(number)}])
                ack = await writer.hear_answer("s")
                # Subscribing again opens the room again.
                await reader.say(op="subscribe", id="o", rooms=[{"room": name, "last": 1}])
                opened = await reader.hear_answer("o")
                assert opened["seq"] >= ack["seq"]
                while (frame := await reader.hear())["type"] != "snapshot":
                    pass
                assert frame["snapshot"]["messages"][0]["parts"][0]["text"] == str(number)

    await asyncio.gather(*(ack_then_open(f"r{number}") for number in range(ROOMS)))


async def test_the_same_names_in_two_apps_never_cross(cluster: Cluster, apps: list[App]) -> None:
    """Rooms, users and keys of the same names in two apps are different things, by REST and on sockets."""
    names: dict[str, list[dict[str, Any]]] = {}
    sockets = []
    for app in apps:
        await app.room("general", ("ann", "bob"))
    async with apps[0].socket("bob") as first, apps[1].socket("bob") as second:
        sockets = [first, second]
        for socket in sockets:
            await socket.open("general")
        for app in apps:
            for number in range(10):
                said = await app.say("general", f"{app.id} {number}", "ann", key=f"key{number}")
                assert said["number"] == number + 1, "the other app's key counts here"
        for app, socket in zip(apps, sockets, strict=True):
            events = await socket.until_seq(13)
            assert [event["seq"] for event in events] == list(range(4, 14))
            assert all(app.id in json.dumps(event) for event in events)
            page = (await app.ask("GET", "/v1/rooms/general/messages", user="bob")).json()
            names[app.id] = page["messages"]
    texts = {app_id: json.dumps(messages) for app_id, messages in names.items()}
    for app in apps:
        assert all((app.id in text) == (app.id == owner) for owner, text in texts.items())
    # A message's id of one app is nothing in the other.
    foreign = names[apps[0].id][0]["id"]
    answer = await apps[1].ask("GET", f"/v1/rooms/general/messages/{foreign}", user="bob")
    assert answer.status_code == 404
    # A token of one app is nothing in the other's rooms that it lacks.
    await apps[0].room("only-here", ("ann",))
    missing = await apps[1].ask("GET", "/v1/rooms/only-here")
    unknown = await apps[1].ask("GET", "/v1/rooms/never-was")
    for answer in (missing, unknown):
        assert answer.status_code == 404
    assert {**missing.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


async def test_one_sender_s_ten_messages_keep_their_order_around_a_refused_one(
    cluster: Cluster, apps: list[App]
) -> None:
    """Pipelined on one socket with the fourth refused: three accepted, one refused, six accepted, in order."""
    app = apps[0]
    await app.room("r", ("ann",))
    async with app.socket("ann") as socket:
        for number in range(10):
            text = "\0" if number == 3 else str(number)
            await socket.say(op="send", id=number, room="r", parts=[{"type": "text", "text": text}])
        answers = [await socket.hear() for _ in range(10)]
    refused = [answer for answer in answers if answer["type"] == "error"]
    acks = sorted((answer for answer in answers if answer["type"] == "ack"), key=lambda answer: answer["id"])
    assert [answer["id"] for answer in refused] == [3]
    assert [ack["seq"] for ack in acks] == list(range(3, 12))
    page = (await app.ask("GET", "/v1/rooms/r/messages")).json()
    texts = [message["parts"][0]["text"] for message in page["messages"]]
    assert texts == [str(number) for number in range(10) if number != 3]
