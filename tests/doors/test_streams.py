"""Streams and polls taken apart: the shells driven in the test's own loop, as a server would drive them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.edge.failures import Failures
from api.errors import BadRequest
from api.subscriptions import connections as registry
from api.subscriptions import poll
from api.subscriptions.admission import Admission
from api.subscriptions.poll import PollShell
from api.subscriptions.sse import StreamShell
from tenants.keys import create_key
from tests.support.inside import Inside

WAIT_S = 15.0


class Client:
    """An HTTP client beneath which there is no network: it reads what it is sent, or for a while does not."""

    def __init__(self, here: Inside) -> None:
        wiring = here.wiring
        admission = Admission(
            wiring.authority,
            wiring.tickets,
            wiring.policies,
            wiring.postgres,
            wiring.connections,
            wiring.pulse,
            Failures(wiring.authority, wiring.limits, wiring.settings.max_failures),
            wiring.budgets,
        )
        shared = (wiring.around, wiring.connections, admission)
        self.shells = {"subscribe": StreamShell(*shared, wiring.tickets), "events": PollShell(*shared)}
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.left = asyncio.Event()
        self._arrived = asyncio.Event()

    async def ask(self, path: str, credential: str, query: str = "") -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path_params": {"room_id": "r"},
            "query_string": query.encode(),
            "headers": [(b"authorization", b"Bearer " + credential.encode())],
            "state": {},
        }
        await self.shells[path](scope, self._receive, self._send)  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)
        self._arrived.set()

    @property
    def body(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def frames(self) -> list[dict[str, Any]]:
        lines = self.body.split("\n")
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    async def until(self, kind: str, count: int = 1) -> None:
        async with asyncio.timeout(WAIT_S):
            while sum(frame["type"] == kind for frame in self.frames) < count:
                self._arrived.clear()
                await self._arrived.wait()


@contextlib.asynccontextmanager
async def streaming(client: Client, path: str, credential: str, query: str = "") -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(client.ask(path, credential, query))
    try:
        yield task
    finally:
        client.left.set()
        client.reads.set()
        await asyncio.wait_for(task, WAIT_S)


async def a_key(here: Inside) -> str:
    return (await create_key(here.wiring.postgres, here.wiring.pepper, here.scope.app, "k"))[1]


async def test_a_stream_that_nobody_reads_is_ended_and_may_be_resumed(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is piled up for it, others are not held up, it is let go of, and the rest comes from its last id."""
    monkeypatch.setattr(registry, "BLOCKED_S", 0.5)
    await here.room("r", "ann")
    credential = await a_key(here)
    stuck, well = Client(here), Client(here)
    async with streaming(stuck, "subscribe", credential) as stuck_task:
        async with streaming(well, "subscribe", credential):
            await stuck.until("snapshot")
            await well.until("snapshot")
            assert len(here.wiring.connections) == 2
            stuck.reads.clear()
            for number in range(20):
                await here.say("r", str(number), "ann")
            await well.until("message.created", 20)
            await asyncio.wait_for(asyncio.shield(stuck_task), WAIT_S)
            assert len(here.wiring.connections) == 1
    last_id = [line for line in stuck.body.split("\n") if line.startswith("id: ")][-1].removeprefix("id: ")
    again = Client(here)
    async with streaming(again, "subscribe", credential, f"cursor={last_id}"):
        await again.until("message.created", 20)
    assert [frame["seq"] for frame in again.frames if frame["type"] == "message.created"] == list(range(3, 23))


async def test_a_quiet_stream_says_that_it_is_alive(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a frame of its own kind, which is no event and has no id; a poll is not ended by it."""
    monkeypatch.setattr(registry, "HEARTBEAT_S", 0.2)
    await here.room("r", "ann")
    credential = await a_key(here)
    client = Client(here)
    async with streaming(client, "subscribe", credential):
        await client.until("heartbeat", 2)
    assert '\n\ndata: {"type":"heartbeat"}\n\n' in client.body
    cursor = next(frame["snapshot"]["cursor"] for frame in client.frames if frame["type"] == "snapshot")
    polling = Client(here)
    await polling.ask("events", credential, f"after={cursor}&wait=1")
    assert json.loads(polling.body) == {"frames": [], "cursor": cursor}


async def test_a_client_that_leaves_is_let_go_of(here: Inside) -> None:
    """Its room, its place in the registry, and a poll's wait end with it."""
    await here.room("r", "ann")
    credential = await a_key(here)
    first = Client(here)
    await first.ask("events", credential)
    wait = f"wait=60&after={json.loads(first.body)['cursor']}"
    for path, query in (("subscribe", ""), ("events", wait)):
        client = Client(here)
        async with streaming(client, path, credential, query):
            async with asyncio.timeout(WAIT_S):
                while here.wiring.connections.readings != 1:
                    await asyncio.sleep(0.01)
        assert len(here.wiring.connections) == here.wiring.connections.readings == 0


async def test_a_draining_process_spreads_its_streams(here: Inside) -> None:
    """Each is told when it will end, ends then and not before, and all are gone in time."""
    await here.room("r", "ann")
    credential = await a_key(here)
    clients = [Client(here) for _ in range(20)]
    async with contextlib.AsyncExitStack() as stack:
        tasks = [await stack.enter_async_context(streaming(client, "subscribe", credential)) for client in clients]
        for client in clients:
            await client.until("snapshot")
        began = asyncio.get_running_loop().time()
        ends: list[float] = []
        for task in tasks:
            task.add_done_callback(lambda _: ends.append(asyncio.get_running_loop().time() - began))
        await here.wiring.connections.drain(2.0)
        await asyncio.wait(tasks, timeout=WAIT_S)
    assert len(ends) == 20
    assert max(ends) < 3.0
    assert max(ends) - min(ends) > 0.5
    for client in clients:
        told = [frame for frame in client.frames if frame["type"] == "reconnect"]
        assert 0 <= told[0]["after_ms"] <= 2000
        assert client.frames[-1] == {"type": "closed", "code": 1012, "reason": "restart"}


@pytest.mark.parametrize("wait", [0, 1])
async def test_a_poll_gives_at_once_what_is_there(here: Inside, wait: int) -> None:
    """From memory or from PostgreSQL, in pages of at most `limit`, and nothing is lost between them."""
    await here.room("r", "ann")
    credential = await a_key(here)
    first = Client(here)
    await first.ask("events", credential)
    snapshot = json.loads(first.body)
    cursor = snapshot["cursor"]
    assert [frame["type"] for frame in snapshot["frames"]] == ["snapshot"]
    for number in range(25):
        await here.say("r", str(number), "ann")
    seen: list[int] = []
    while True:
        client = Client(here)
        await client.ask("events", credential, f"after={cursor}&wait={wait}&limit=10")
        answer = json.loads(client.body)
        if not answer["frames"]:
            break
        assert len(answer["frames"]) <= 10
        seen += [frame["seq"] for frame in answer["frames"]]
        cursor = answer["cursor"]
    assert seen == list(range(3, 28))
    assert cursor == answer["cursor"]


async def test_a_poll_that_does_not_wait_waits_for_what_is_known_to_be_there(
    here: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that have fallen out of memory are read from PostgreSQL, which takes a while, and come all the same."""
    await here.room("r", "ann")
    credential = await a_key(here)
    first = Client(here)
    await first.ask("events", credential)
    cursor = json.loads(first.body)["cursor"]
    for number in range(10):
        await here.say("r", str(number), "ann")
    monkeypatch.setattr("api.tails.tail.Tail.after", lambda *_: None)  # as if the ring held nothing
    client = Client(here)
    await client.ask("events", credential, f"after={cursor}&wait=0")
    assert [frame["seq"] for frame in json.loads(client.body)["frames"]] == list(range(3, 13))


async def test_an_answer_to_a_poll_has_an_end(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the events are: it ends with the one that passes the bound."""
    monkeypatch.setattr(poll, "MAX_ANSWER_BYTES", 3_000)
    await here.room("r", "ann")
    credential = await a_key(here)
    first = Client(here)
    await first.ask("events", credential)
    cursor = json.loads(first.body)["cursor"]
    for _ in range(10):
        await here.say("r", "x" * 1_000, "ann")
    client = Client(here)
    await client.ask("events", credential, f"after={cursor}&wait=0&limit=500")
    assert 2 <= len(json.loads(client.body)["frames"]) <= 3


@pytest.mark.parametrize(
    "query", ["wait=61", "wait=-1", "wait=x", "limit=0", "limit=501", "last=101", "after=" + "c" * 300]
)
async def test_a_poll_that_is_asked_for_wrongly_is_refused(here: Inside, query: str) -> None:
    """On either side of each bound."""
    await here.room("r", "ann")
    client = Client(here)
    with pytest.raises(BadRequest):
        await client.ask("events", await a_key(here), query)
    assert not client.sent
