"""PostgreSQL away, Redis away, a process that is told to stop: what is promised meanwhile, and after."""

import asyncio
import contextlib
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.promises.cluster import Cluster, running_cluster
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.sockets import Socket, connect
from tests.support.world import App, new_app

TEXT = {"parts": [{"type": "text", "text": "x"}]}
PATH = "/v1/rooms/r/messages"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path, 2, {"ROOMLOG_DRAIN_S": "2"}) as running:
        yield running


@pytest.fixture
async def app(cluster: Cluster) -> AsyncIterator[App]:
    async with public_client(cluster.services[0].url) as http:
        made = await new_app(cluster.services[0], http)
        await made.room("r", ("ann",))
        yield made


def readiness(service: Service) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(service.internal_url + "/readyz", timeout=5) as answer:
            return answer.status, dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return error.code, dict(json.load(error))


async def until_ready(service: Service, *, mode: str = "live") -> None:
    async with asyncio.timeout(40):
        while (state := await asyncio.to_thread(readiness, service))[0] != 200 or state[1]["mode"] != mode:
            await asyncio.sleep(0.05)


@pytest.mark.timeout(90)
async def test_without_postgresql_sends_are_refused_safely_and_subscriptions_stay(cluster: Cluster, app: App) -> None:
    """503 with Retry-After while it is away; subscribers are told of the stall, keep their sockets, and miss nothing."""
    async with app.socket("ann") as live:
        await live.open("r")
        cluster.stop_postgres()
        refused = await app.ask("POST", PATH, TEXT, user="ann", key="retried")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        await live.say(op="send", id="s", room="r", key="by socket", **TEXT)
        assert (await live.hear_answer("s"))["problem"]["status"] == 503
        assert (await live.hear())["type"] == "stalled"
        assert (await asyncio.to_thread(readiness, cluster.services[0]))[0] == 503
        await live.say(op="subscribe", id="o", rooms=[{"room": "r"}])
        assert (await live.hear_answer("o"))["problem"]["status"] == 503
        cluster.start_postgres()
        for service in cluster.services:
            await until_ready(service)
        first = await app.ask("POST", PATH, TEXT, user="ann", key="retried")
        again = await app.ask("POST", PATH, TEXT, user="ann", key="retried")
        assert first.json()["seq"] == again.json()["seq"] == 3
        assert (await live.hear())["type"] == "live"
        await live.open("r")
        said = await app.say("r", "after", "ann")
        assert [event["seq"] for event in await live.until_seq(said["seq"])][-1] == said["seq"]


@pytest.mark.timeout(90)
async def test_a_subscription_catches_up_after_a_stall(cluster: Cluster, app: App) -> None:
    """A subscription that stood through an outage is handed all that was committed before and after it, in order."""
    async with app.socket("ann") as live:
        start = (await live.open("r"))["snapshot"]["seq"]
        for round_ in range(2):
            await app.say("r", f"before {round_}", "ann")
            cluster.stop_postgres()
            await asyncio.sleep(2.5)
            cluster.start_postgres()
            for service in cluster.services:
                await until_ready(service)
            said = await app.say("r", f"after {round_}", "ann")
        seen = [event["seq"] for event in await live.until_seq(said["seq"])]
        assert seen == list(range(start + 1, said["seq"] + 1))


@pytest.mark.timeout(90)
async def test_without_redis_everything_is_delivered_and_said_to_be_degraded(cluster: Cluster, app: App) -> None:
    """Sends succeed, rooms open, events arrive on the other process; the process says that it is degraded."""
    other = cluster.services[1]
    cluster.kill_redis()
    async with asyncio.timeout(40):
        while (await asyncio.to_thread(readiness, other))[1]["mode"] != "degraded":
            await asyncio.sleep(0.05)
    async with connect(other.socket_url, await app.token("ann")) as live:
        await live.open("r")
        delays = []
        for number in range(20):
            said = await app.say("r", str(number), "ann")
            acked_at = time.monotonic()
            assert [event["seq"] for event in await live.until_seq(said["seq"])] == [said["seq"]]
            delays.append(time.monotonic() - acked_at)
        cluster.start_redis()
        await until_ready(other)
        said = await app.say("r", "live again", "ann")
        assert [event["seq"] for event in await live.until_seq(said["seq"])] == [said["seq"]]


@pytest.mark.timeout(90)
async def test_without_redis_limits_hold_in_each_process(cluster: Cluster) -> None:
    """Redis killed in the middle of it: two processes together let through twice the limit, and not one more.

    Nor does a Redis that comes back empty open anything.
    """
    first, second = cluster.services
    limits = {"app_requests": {"per_s": 0.01, "burst": 20}}
    async with (
        public_client(first.url) as http,
        public_client(second.url) as elsewhere,
    ):
        app = await new_app(first, http, limits=limits)
        headers = {"Authorization": f"Bearer {app.key}"}

        async def allowed(count: int) -> int:
            asked = [each.get("/v1/rooms", headers=headers) for _ in range(count) for each in (http, elsewhere)]
            answers = [answer.status_code for answer in await asyncio.gather(*asked)]
            assert set(answers) <= {200, 429}
            return answers.count(200)

        assert await allowed(5) == 10
        cluster.kill_redis()
        assert await allowed(30) == 2 * 20 - 10
        cluster.start_redis()
        assert await allowed(10) == 0


@pytest.mark.timeout(90)
async def test_a_process_told_to_stop_moves_its_clients_and_answers_what_it_took(cluster: Cluster, app: App) -> None:
    """Not ready at once, clients are asked to move, accepted sends are answered, then the sockets close with 1012."""
    service = cluster.services[0]
    token = await app.token("ann")
    async with connect(service.socket_url, token) as staying, connect(service.socket_url, token) as moving:
        await staying.open("r")
        service.send(signal.SIGTERM)
        asked = await moving.hear_type("reconnect")
        assert 0 <= asked["after_ms"] <= 2000
        assert (await asyncio.to_thread(readiness, service))[0] == 503
        with pytest.raises((InvalidStatus, OSError)):
            async with connect(service.socket_url, token):
                pass
        assert (await staying.hear())["type"] == "reconnect"
        for number in range(5):
            await staying.say(op="send", id=number, room="r", **TEXT)
        acks = [await staying.hear_answer(number) for number in range(5)]  # type: ignore[arg-type]
        assert [ack["type"] for ack in acks] == ["ack"] * 5
        await moving.raw.close()
        await closed(staying)
        assert staying.raw.close_code == 1012
    assert await asyncio.to_thread(service.end) == 0
    async with connect(cluster.services[1].socket_url, token) as back:
        assert (await back.open("r"))["snapshot"]["seq"] == 7


async def closed(socket: Socket) -> None:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await socket.hear(10)
