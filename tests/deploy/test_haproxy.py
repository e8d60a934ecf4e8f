"""Two processes behind a real HAProxy that runs deploy/haproxy.cfg, with other addresses, and fewer connections."""

import asyncio
import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.document import public_client
from tests.support.plain import plain_client
from tests.support.processes import ROOT, Service, free_port
from tests.support.world import App, new_app

DRAIN = {"ROOMLOG_DRAIN_DELAY_S": "3", "ROOMLOG_DRAIN_S": "2"}
PATIENCE_S = 30.0
MAX_FAILURES = 10
DASHBOARD = "dashboard.example.com"


@pytest.fixture(scope="module")
def nodes(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    folder = tmp_path_factory.mktemp("nodes")
    settings = {**environment, **DRAIN, "ROOMLOG_TRUSTED_PROXIES": "127.0.0.1/32"}
    settings["ROOMLOG_MAX_FAILURES"] = str(MAX_FAILURES)
    settings["ROOMLOG_DASHBOARD_URL"] = f"http://{DASHBOARD}"
    started = [
        Service({**settings, "ROOMLOG_DASHBOARD_PORT": str(free_port())}, folder / f"node{number}.log")
        for number in range(2)
    ]
    try:
        for node in started:
            node.spawn()
        for node in started:
            node.await_ready()
        yield started
    finally:
        for node in started:
            if node.process is not None:
                node.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def proxy(nodes: list[Service], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The balancer, in the shape of a service: its address is what clients use."""
    binary = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert binary is not None, "apt-get install haproxy"
    folder = tmp_path_factory.mktemp("haproxy")
    front = Service(nodes[0].environment, folder / "log", command=[])
    # Of the node that no test ends.
    front.internal_port = nodes[1].internal_port
    text = (ROOT / "deploy" / "haproxy.cfg").read_text().replace("bind :80\n", f"bind 127.0.0.1:{front.port}\n")
    # So many files only root on a prepared machine may open.
    text = text.replace("maxconn 100000", "maxconn 1000")
    for name, node in zip("ab", nodes, strict=True):
        own = f"server {name} 127.0.0.1:{node.port} port {node.internal_port}"
        text, replaced = re.subn(rf"server {name} 10\.0\.0\.\d:8080 port 8090", own, text)
        assert replaced == 1
        pages = f"server {name} 127.0.0.1:{node.environment['ROOMLOG_DASHBOARD_PORT']} port {node.internal_port}"
        text, replaced = re.subn(rf"server {name} 10\.0\.0\.\d:8070 port 8090", pages, text)
        assert replaced == 1
    config = folder / "haproxy.cfg"
    config.write_text(text)
    subprocess.run([binary, "-c", "-f", config], check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        front.process = subprocess.Popen([binary, "-db", "-f", config], stdout=log, stderr=log)
    await_answer(front)
    yield front
    front.end(signal.SIGKILL)


def await_answer(front: Service) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(front.url + "/v1/rooms").status_code == 401:
                return
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
async def app(proxy: Service) -> AsyncIterator[App]:
    async with public_client(proxy.url) as http:
        yield await new_app(proxy, http)


async def test_rest_sockets_and_streams_pass_through(app: App, proxy: Service) -> None:
    """A send by REST reaches a socket, a stream and a poll, all of them through the balancer."""
    await app.room("r", ("ann",))
    headers = {"Authorization": f"Bearer {await app.token('ann')}"}
    async with app.socket("ann") as socket:
        cursor = (await socket.open("r"))["snapshot"]["cursor"]
        async with app.http.stream("GET", "/v1/rooms/r/subscribe", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert stream.headers["content-type"] == "text/event-stream"
            said = await app.say("r", "through", "ann")
            await socket.until_seq(said["seq"])
            async with asyncio.timeout(PATIENCE_S):
                async for line in lines:
                    if '"through"' in line:
                        break
        polled = await app.ask("GET", f"/v1/rooms/r/events?after={cursor}", user="ann")
        assert [frame["seq"] for frame in polled.json()["frames"]] == [said["seq"]]


async def test_the_dashboard_answers_by_its_own_name_alone(proxy: Service) -> None:
    """In whatever case it is spelt; by another name there is the API."""
    async with plain_client(proxy.url) as http:

        async def status(path: str, host: str) -> int:
            return (await http.get(path, headers={"Host": host})).status_code

        async with asyncio.timeout(PATIENCE_S):
            while await status("/sign-in", DASHBOARD) == 503:
                await asyncio.sleep(0.1)
        assert await status("/sign-in", DASHBOARD) == 200
        assert await status("/sign-in", DASHBOARD.upper()) == 200
        assert await status("/sign-in", "api.example.com") == 404
        assert await status("/v1/rooms", "api.example.com") == 401
        assert await status("/v1/rooms", DASHBOARD) == 404
        # The service itself goes by the whole name, which its URL is to say with its port.
        assert await status("/sign-in", f"{DASHBOARD}:8080") == 421


async def test_a_node_that_drains_loses_nobody(app: App, nodes: list[Service]) -> None:
    """One node is told to stop under load: no request fails, and every reader has every event exactly once."""
    await app.room("r", ("ann",))
    seen: list[list[int]] = [[] for _ in range(6)]
    last = asyncio.Event()
    sent: list[int] = []

    async def read(numbers: list[int]) -> None:
        cursor = None
        while not last.is_set() or numbers[-1] < sent[-1]:
            try:
                async with app.socket("ann") as socket:
                    begin = await socket.open("r", **({} if cursor is None else {"cursor": cursor}))
                    if cursor is None:
                        cursor = begin["snapshot"]["cursor"]
                        numbers.append(begin["snapshot"]["seq"])
                    else:
                        assert begin["resumed"]
                    while not last.is_set() or numbers[-1] < sent[-1]:
                        frame = await socket.hear(PATIENCE_S)
                        if frame["type"] == "reconnect":
                            break
                        if "seq" in frame:
                            numbers.append(frame["seq"])
                            cursor = frame["cursor"]
            except (ConnectionClosed, OSError):
                continue

    async with asyncio.timeout(60), asyncio.TaskGroup() as readers:
        for numbers in seen:
            readers.create_task(read(numbers))
        while not all(seen):
            await asyncio.sleep(0.05)
        ending = asyncio.create_task(asyncio.to_thread(nodes[0].end, signal.SIGTERM))
        while not ending.done():
            sent.append((await app.say("r", "on", "ann"))["seq"])
            await asyncio.sleep(0.02)
        sent.append((await app.say("r", "after", "ann"))["seq"])
        last.set()
        # Who waits for a frame gets one more, so that everybody sees the end.
        await app.say("r", "end", "ann")
    assert ending.result() == 0
    for numbers in seen:
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[-1] >= sent[-1]


async def test_a_client_cannot_choose_its_address(app: App, proxy: Service) -> None:
    """Who guesses credentials is slowed down by the address that the balancer saw, whatever he says of himself."""
    # An address of its own, for it will be locked out.
    transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx2.AsyncClient(base_url=proxy.url, transport=transport, timeout=30) as guesser:
        statuses = set()
        for number in range(3 * MAX_FAILURES):
            forged = {"X-Forwarded-For": f"9.9.9.{number}", "Authorization": "Bearer guess"}
            statuses.add((await guesser.get("/v1/rooms", headers=forged)).status_code)
    assert statuses == {401, 429}
    assert (await app.ask("GET", "/v1/rooms")).status_code == 200
