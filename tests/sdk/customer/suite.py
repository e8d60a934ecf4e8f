"""A customer's own tests, as they write them with `roomlog[testing]`: run by test_testing.py in a pytest of their own."""

import asyncio
import time
import urllib.request
from typing import Any

import pytest

from roomlog import AsyncRoomlog, Roomlog, Unreachable
from roomlog.models import MessageCreated, TextPart
from roomlog.retries import Retries
from roomlog.testing import ChatServer

WAIT_S = 30
"""After a restart clients come back at random moments within 15 s."""


def say(server: ChatServer, room: str, text: str, user: str = "alice") -> None:
    with server.client() as client:
        client.acting_as(user).rooms.messages.send(room, parts=[TextPart(text=text)])


def make_room(server: ChatServer, room: str) -> str:
    with server.client() as client:
        client.rooms.create(id=room, members=["alice", "bob"])
    return room


def texts(events: list[Any]) -> list[str]:
    return [event.message.parts[0].text for event in events if isinstance(event, MessageCreated)]


def test_a_user_hears_what_the_server_says(chat_server: ChatServer) -> None:
    room = make_room(chat_server, "heard")
    with chat_server.user("bob") as bob, bob.rooms.open(room) as opened:
        say(chat_server, room, "Hi")
        assert texts([opened.next(WAIT_S)]) == ["Hi"]
        chat_server.assert_converged(room, opened, bob)


@pytest.mark.parametrize("fault", ["drop", "truncate", "stall", "token", "kill"])
def test_bob_misses_nothing(chat_server: ChatServer, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "roomlog")
    room = make_room(chat_server, f"faults-{fault}")
    with chat_server.user("bob") as bob, bob.rooms.open(room) as opened:
        given, began = chat_server.tokens_given["bob"], time.monotonic()
        match fault:
            case "drop":
                assert chat_server.drop_sockets() >= 1
            case "truncate":
                chat_server.truncate_next()
            case "stall":
                chat_server.stall(1)
            case "token":
                chat_server.expire_token("bob")
            case "kill":
                chat_server.kill()
                with pytest.raises(Unreachable), no_patience(chat_server) as client:
                    client.rooms.get(room)
                chat_server.restart()
        # The application's own write, through whatever it is.
        opened.send("Here I am")
        say(chat_server, room, "And I")
        assert texts([opened.next(WAIT_S), opened.next(WAIT_S)]) == ["Here I am", "And I"]
        chat_server.assert_converged(room, bob, within_s=WAIT_S)
        if fault == "stall":
            assert time.monotonic() - began >= 1
        else:
            assert "the connection ended" in caplog.text
        if fault == "token":
            assert chat_server.tokens_given["bob"] > given


def no_patience(server: ChatServer) -> Roomlog:
    return Roomlog(server.api_key, url=server.url, retries=Retries(times=0))


def test_a_lost_push_is_delivered_all_the_same(chat_server: ChatServer) -> None:
    room = make_room(chat_server, "lost")
    with chat_server.user("bob") as bob, bob.rooms.open(room) as opened:
        before = repairs(chat_server)
        with chat_server.lose_publish():
            say(chat_server, room, "Lost?")
            assert texts([opened.next(WAIT_S)]) == ["Lost?"]
        assert repairs(chat_server) > before
        say(chat_server, room, "Found")
        assert texts([opened.next(WAIT_S)]) == ["Found"]


def repairs(server: ChatServer) -> float:
    with urllib.request.urlopen(server.internal_url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("roomlog_audit_repairs_total"))


def test_with_await(chat_server: ChatServer) -> None:
    room = make_room(chat_server, "awaited")

    async def chat() -> None:
        async with chat_server.async_user("alice") as alice, chat_server.async_client() as server:
            async with alice.rooms.open(room) as opened:
                async with chat_server.lose_publish():
                    await opened.send("1")
                chat_server.drop_sockets()
                await server.acting_as("bob").rooms.messages.send(room, parts=[TextPart(text="2")])
                await chat_server.async_assert_converged(room, alice, opened)
                assert texts([await anext(opened), await anext(opened)]) == ["1", "2"]
                assert isinstance(alice, AsyncRoomlog)

    asyncio.run(chat())


def test_what_has_not_converged_is_told_in_words(chat_server: ChatServer) -> None:
    room = make_room(chat_server, "apart")
    with chat_server.user("bob") as bob, bob.rooms.open(room) as opened:
        chat_server.stall(2)
        with Roomlog(chat_server.api_key, url=direct(chat_server)) as client:
            client.acting_as("alice").rooms.messages.send(room, parts=[TextPart(text="Not yet")])
        with pytest.raises(AssertionError) as told:
            chat_server.assert_converged(room, opened, within_s=0.3)
        assert "of bob does not show what the server has" in str(told.value)
        assert "message 1: not here, {" in str(told.value)
        assert "'Not yet'" in str(told.value)
        chat_server.assert_converged(room, opened)


def direct(server: ChatServer) -> str:
    host, _, port = server.internal_url.rpartition(":")
    return f"{host}:{int(port) - 1000}"
