"""Commands and their replies on one connection: each its own, whoever is cancelled, refused or late."""

import asyncio
from collections.abc import AsyncIterator

import hiredis
import pytest
from redis.asyncio import Redis

from api.embedded import Servers
from tenants.wire import Address, Pipe, pack

WAIT_S = 10.0


@pytest.fixture
async def client(stores: Servers) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.redis_url) as opened:
        yield opened


@pytest.fixture
async def pipe(stores: Servers) -> AsyncIterator[Pipe]:
    made = Pipe(Address.parse(stores.redis_url))
    yield made
    made.close()


async def test_a_refused_command_costs_its_neighbours_nothing(pipe: Pipe) -> None:
    """An error is the reply of the one command that Redis refuses."""
    replies = await pipe.ask([pack("ECHO", 1), pack("NO SUCH COMMAND"), pack("ECHO", b"\xff")], WAIT_S)
    assert (replies[0], replies[2]) == (b"1", b"\xff")
    assert isinstance(replies[1], hiredis.ReplyError)


async def test_questions_at_once_have_each_its_own_replies(pipe: Pipe) -> None:
    """They share the connection and its order."""
    questions = [pipe.ask([pack("ECHO", number), pack("ECHO", -number)], WAIT_S) for number in range(100)]
    answers = await asyncio.gather(*questions)
    assert answers == [[b"%d" % number, b"%d" % -number] for number in range(100)]


async def test_the_address_says_which_database(stores: Servers, client: Redis) -> None:
    """What is written through `?db=3` stands in database 3, and nowhere else."""
    pipe = Pipe(Address.parse(stores.redis_url + "?db=3"))
    await pipe.ask([pack("SET", "of-database-3", "here")], WAIT_S)
    pipe.close()
    assert await client.get("of-database-3") is None
    await client.select(3)
    assert await client.get("of-database-3") == b"here"


async def test_a_connection_that_has_ended_is_made_anew(pipe: Pipe, client: Redis) -> None:
    """Who asks when the connection ends is told so; who asks next has another."""
    (number,) = await pipe.ask([pack("CLIENT", "ID")], WAIT_S)
    waiting = asyncio.create_task(pipe.ask([pack("BLPOP", "never", 0)], WAIT_S))
    while b"blpop" not in str(await client.client_list()).encode():
        await asyncio.sleep(0.005)
    await client.execute_command("CLIENT", "KILL", "ID", str(number))
    with pytest.raises(ConnectionError):
        await waiting
    (again,) = await pipe.ask([pack("CLIENT", "ID")], WAIT_S)
    assert again != number


async def test_a_late_reply_is_nobody_s(pipe: Pipe) -> None:
    """After a time-out the connection is another: what was asked before is answered to nobody."""
    (number,) = await pipe.ask([pack("CLIENT", "ID")], WAIT_S)
    with pytest.raises(TimeoutError):
        await pipe.ask([pack("BLPOP", "never", 0)], 0.05)
    again, echo = await pipe.ask([pack("CLIENT", "ID"), pack("ECHO", "mine")], WAIT_S)
    assert (again != number, echo) == (True, b"mine")


async def test_a_cancelled_question_leaves_the_others_theirs(pipe: Pipe) -> None:
    """Its replies are counted and thrown away."""
    await pipe.ask([pack("PING")], WAIT_S)
    first = asyncio.create_task(pipe.ask([pack("ECHO", 1), pack("ECHO", 2)], WAIT_S))
    second = asyncio.create_task(pipe.ask([pack("ECHO", 3)], WAIT_S))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [b"3"]


async def test_without_redis_it_says_so() -> None:
    """No connection is an OSError, at once."""
    pipe = Pipe(Address.parse("redis://127.0.0.1:1"))
    with pytest.raises(OSError, match=r"."):
        await pipe.ask([pack("PING")], WAIT_S)


async def test_a_refused_password_is_no_connection(stores: Servers) -> None:
    """Redis that does not let us in answers nothing else either."""
    address = Address.parse("unix://nobody:wrong@" + stores.redis_url.removeprefix("unix://"))
    assert address.password == "wrong"
    with pytest.raises(ConnectionRefusedError):
        await Pipe(address).ask([pack("PING")], WAIT_S)
