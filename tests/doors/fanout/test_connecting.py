"""Finding Redis, being let in, and going easy on one that refuses."""

import asyncio
import os
import signal
from pathlib import Path
from subprocess import Popen

import pytest
from redis.asyncio import Redis

from api.embedded import redis_server
from api.fanout.listener import NotListening
from tests.doors.fanout.conftest import Heard, Script


@pytest.fixture
async def closed(redis: "Popen[bytes]", path: Path) -> Path:
    """A Redis that lets in the user `roomlog` with the password `p@ss`, on channels of `rl1` only."""
    async with Redis(unix_socket_path=str(path)) as client:
        await client.execute_command("ACL", "SETUSER", "roomlog", "on", ">p@ss", "resetchannels", "&rl1:*", "+@all")
        await client.execute_command("ACL", "SETUSER", "default", "off")
    return path


async def test_a_user_with_a_password_is_let_in(closed: Path) -> None:
    """Username and password, as the URL spells them, come before everything else."""
    async with Heard(f"unix://roomlog:p%40ss@{closed}").running() as heard:
        await heard.until(lambda: heard.listener.connected)
        await heard.listener.subscribe("rl1:c")
        assert heard.listener.all_confirmed


@pytest.mark.parametrize("user", ["roomlog:wrong@", ""])
async def test_one_who_is_refused_knocks_ever_more_slowly(closed: Path, user: str) -> None:
    """A wrong password, or none, makes a handful of attempts in two seconds, and no connection."""
    async with Heard(f"unix://{user}{closed}").running() as heard:
        await asyncio.sleep(2)
        assert not heard.listener.connected
        with pytest.raises(NotListening):
            await heard.listener.subscribe("rl1:c")
    async with Redis(unix_socket_path=str(closed), username="roomlog", password="p@ss") as client:
        assert (await client.info("stats"))["total_connections_received"] < 15


async def test_a_forbidden_channel_makes_no_storm(closed: Path) -> None:
    """A connection that is given up again and again is made ever more slowly, too."""
    async with Heard(f"unix://roomlog:p%40ss@{closed}").running() as heard:
        await heard.until(lambda: heard.listener.connected)
        with pytest.raises(NotListening):
            await heard.listener.subscribe("elsewhere")
        await asyncio.sleep(2)
        assert not heard.listener.all_confirmed
        assert heard.listener.reconnects < 15


async def test_one_who_takes_connections_and_says_nothing_is_no_connection(script: Script, path: Path) -> None:
    """A Redis that hangs is given up after a second, and subscribing meanwhile says so at once."""
    script.answers_pings = False
    async with Heard(f"unix://{path}").running() as heard:
        await heard.until(lambda: script.connections >= 2, 2.5)
        assert not heard.listener.connected
        with pytest.raises(NotListening):
            async with asyncio.timeout(0.1):
                await heard.listener.subscribe("c")


async def test_a_hanging_server_is_noticed_in_two_and_a_half_seconds(redis: "Popen[bytes]", heard: Heard) -> None:
    """A second of silence, a question, and a second without an answer."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    redis.send_signal(signal.SIGSTOP)
    await heard.until(lambda: not heard.listener.connected, 2.5)
    redis.send_signal(signal.SIGCONT)
    await heard.until(lambda: heard.gaps == 1)
    assert heard.listener.all_confirmed


async def test_a_server_that_comes_back_empty_is_told_everything(path: Path) -> None:
    """All 3,000 channels are subscribed on the new server before the gap is told."""
    channels = [f"c{number}" for number in range(3000)]
    async with Heard(f"unix://{path}").running() as heard:
        with redis_server(path, path.parent / "log", os.environ):
            await heard.until(lambda: heard.listener.connected)
            await asyncio.gather(*(heard.listener.subscribe(channel, 5) for channel in channels))
            assert heard.gaps == 0
        await heard.until(lambda: not heard.listener.connected)
        with redis_server(path, path.parent / "log", os.environ):
            await heard.until(lambda: heard.gaps == 1)
            async with Redis(unix_socket_path=str(path)) as client:
                assert {count for _, count in await client.pubsub_numsub(*channels)} == {1}


async def test_a_connection_that_is_given_up_is_renewed(redis: "Popen[bytes]", heard: Heard) -> None:
    """Whoever distrusts the connection gets another one, and the gap in between is told."""
    await heard.until(lambda: heard.listener.connected)
    await heard.listener.subscribe("c")
    heard.listener.renew()
    await heard.until(lambda: heard.gaps == 1)
    assert heard.listener.reconnects == 1


async def test_over_tls_nothing_is_said_in_the_clear() -> None:
    """`rediss://` begins with a TLS hello that names the host, and a password comes only after it."""
    heard_first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(4096)
        if not heard_first.done():
            heard_first.set_result(first)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Heard(f"rediss://roomlog:secret@localhost:{port}").running():
        async with asyncio.timeout(15):
            first = await heard_first
    assert first.startswith(b"\x16\x03")
    assert b"localhost" in first
    assert b"secret" not in first


async def test_over_tcp_the_password_comes_first(script: Script) -> None:
    """`redis://` with a password alone says it before anything else."""
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Heard(f"redis://:secret@localhost:{port}").running() as heard:
        await heard.until(lambda: heard.listener.connected)
    assert script.said[:2] == [[b"AUTH", b"secret"], [b"PING"]]
