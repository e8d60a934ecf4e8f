"""Limits on the real service: who goes beyond is told so and when to come back, and nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.document import public_client
from tests.support.processes import Service, running_service
from tests.support.world import App, new_app

SLOWLY = 0.01
TEXT = {"parts": [{"type": "text", "text": "x"}]}


@asynccontextmanager
async def limited(service: Service, **bursts: int) -> AsyncIterator[App]:
    """An app whose named limits have a burst, and fill up too slowly to matter."""
    limits = {name: {"per_s": SLOWLY, "burst": burst} for name, burst in bursts.items()}
    async with public_client(service.url) as http:
        yield await new_app(service, http, limits=limits)


def count(answers: list[httpx2.Response], status: int) -> int:
    return sum(answer.status_code == status for answer in answers)


async def test_an_app_gets_its_burst_exactly_and_its_neighbour_notices_nothing(service: Service) -> None:
    """Of 30 requests at once 20 are answered and 10 refused; another app's 30 are all answered."""
    async with limited(service, app_requests=20) as app, limited(service) as other:
        asked = [each.ask("GET", "/v1/rooms") for _ in range(30) for each in (app, other)]
        answers = await asyncio.gather(*asked)
    assert (count(answers[::2], 200), count(answers[::2], 429)) == (20, 10)
    assert count(answers[1::2], 200) == 30


async def test_a_refusal_says_what_is_exhausted_and_when_to_come_back(service: Service) -> None:
    """429 carries the problem, `Retry-After`, and the fields of the rate limit draft; so do answers that count."""
    async with limited(service, app_requests=1) as app:
        first, second = await app.ask("GET", "/v1/rooms"), await app.ask("GET", "/v1/rooms")
    assert first.headers["RateLimit-Policy"] == '"app_requests";q=1;w=100'
    assert first.headers["RateLimit"] == '"app_requests";r=0;t=100'
    assert second.status_code == 429
    problem = second.json()
    assert (problem["code"], problem["detail"]) == ("rate_limited", "Exhausted: app_requests.")
    assert 90_000 < problem["retry_after_ms"] <= 100_000
    assert second.headers["Retry-After"] in {"99", "100"}
    assert second.headers["RateLimit"].startswith('"app_requests";r=0;t=')


async def test_a_user_is_limited_alone(service: Service) -> None:
    """One user's requests are spent; another's, and the app's own key, go on. The app's budget loses nothing by refusals."""
    async with limited(service, user_requests=3, app_requests=10) as app:
        tokens = [await app.token("ann"), await app.token("bob")]  # two of the app's ten
        answers = [await app.ask("GET", "/v1/rooms", user="ann") for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 5
        assert answers[0].headers["RateLimit"].count(";r=") == 2
        assert (await app.ask("GET", "/v1/rooms", user="bob")).status_code == 200
        assert [(await app.ask("GET", "/v1/rooms")).status_code for _ in range(5)] == [200] * 4 + [429]
    assert len(set(tokens)) == 2


async def test_tokens_have_a_budget_of_their_own(service: Service) -> None:
    """An app that has issued its tokens may still do everything else."""
    async with limited(service, app_tokens=2) as app:
        asked = [await app.ask("POST", "/v1/tokens", {"user": f"u{number}"}) for number in range(4)]
        assert [answer.status_code for answer in asked] == [201, 201, 429, 429]
        assert asked[2].json()["detail"] == "Exhausted: app_tokens."
        assert (await app.ask("GET", "/v1/rooms")).status_code == 200


async def test_sends_by_rest_and_on_sockets_share_a_budget(service: Service) -> None:
    """Of a user's five sends two by REST leave three on the socket; the socket stays open, and reads and pings go on."""
    async with limited(service, user_sends=5) as app:
        await app.room("r", ("ann",))
        for _ in range(2):
            assert (await app.ask("POST", "/v1/rooms/r/messages", TEXT, user="ann")).status_code == 201
        async with app.socket("ann") as socket:
            for mark in range(6):
                await socket.say(op="send", id=mark, room="r", **TEXT)
            answers = [await socket.hear() for _ in range(6)]
            assert sorted(answer["type"] for answer in answers) == ["ack"] * 3 + ["error"] * 3
            errors = [answer for answer in answers if answer["type"] == "error"]
            assert [error["id"] for error in errors] == [3, 4, 5]
            assert {error["problem"]["code"] for error in errors} == {"rate_limited"}
            assert all(error["problem"]["retry_after_ms"] > 1000 for error in errors)
            await socket.open("r")
            await socket.say(op="ping", id="p")
            assert (await socket.hear())["type"] == "pong"
        # The cursor's resume costs nothing of what is exhausted.
        async with app.socket("ann") as socket:
            await socket.open("r")
        refused = await app.ask("POST", "/v1/rooms/r/messages", TEXT, user="ann")
        assert refused.json()["detail"] == "Exhausted: user_sends."
        page = (await app.ask("GET", "/v1/rooms/r/messages", user="ann")).json()
        assert len(page["messages"]) == 5


async def test_a_room_s_sends_are_limited_whoever_sends(service: Service) -> None:
    """Users and the app's key share what one room takes, by REST and on sockets; another room goes on."""
    async with limited(service, room_sends=3) as app:
        for room in ("r", "other"):
            await app.room(room, ("ann", "bob"))
        for user in ("ann", "bob"):
            assert (await app.ask("POST", "/v1/rooms/r/messages", TEXT, user=user)).status_code == 201
        assert (await app.ask("POST", "/v1/rooms/r/messages", TEXT, acting="ann")).status_code == 201
        refused = await app.ask("POST", "/v1/rooms/r/messages", TEXT, user="bob")
        assert (refused.status_code, refused.json()["detail"]) == (429, "Exhausted: room_sends.")
        assert '"room_sends";r=0' in refused.headers["RateLimit"]
        async with app.socket("ann") as socket:
            await socket.say(op="send", id=1, room="r", **TEXT)
            assert (await socket.hear())["problem"]["code"] == "rate_limited"
            await socket.say(op="send", id=2, room="other", **TEXT)
            assert (await socket.hear())["type"] == "ack"


async def test_the_limits_are_shown(service: Service) -> None:
    """An app sees its limits, the named and the default ones."""
    async with limited(service, app_sends=7) as app:
        answer = await app.ask("GET", "/v1/limits", user="ann")
    shown = {limit["name"]: limit for limit in answer.json()["limits"]}
    assert shown["app_sends"] == {"name": "app_sends", "per_s": SLOWLY, "burst": 7}
    assert "user_openings" in shown


async def test_openings_have_a_budget_of_their_own(service: Service) -> None:
    """Who opens stream after stream is refused in the end, by the status of the upgrade or of the poll."""
    async with limited(service, user_openings=2) as app:
        await app.room("r", ("ann",))
        for _ in range(2):
            assert (await app.ask("GET", "/v1/rooms/r/events?wait=0", user="ann")).status_code == 200
        refused = await app.ask("GET", "/v1/rooms/r/events?wait=0", user="ann")
        assert (refused.status_code, refused.json()["detail"]) == (429, "Exhausted: user_openings.")
        assert refused.headers["RateLimit"].startswith('"app_openings"')
        with pytest.raises(InvalidStatus) as upgrade:
            async with app.socket("ann"):
                pass
        headers = upgrade.value.response.headers
        assert upgrade.value.response.status_code == 429
        assert headers["RateLimit"].startswith('"app_openings"')
        assert headers["X-Request-Id"] == json.loads(upgrade.value.response.body or b"{}")["request_id"]


# ---- quotas


@asynccontextmanager
async def with_quotas(service: Service, **quotas: int) -> AsyncIterator[App]:
    async with public_client(service.url) as http:
        yield await new_app(service, http, limits=quotas)


def used_up(answer: httpx2.Response) -> str:
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded"), answer.text
    return str(answer.json()["detail"])


async def test_rooms_and_their_members_are_no_more_than_the_quota(service: Service) -> None:
    """The last one that fits is made, the next one refused by name; who is a member already is no further one."""
    async with with_quotas(service, rooms=2, room_members=2) as app:
        for user in ("ann", "bob", "cy"):
            await app.token(user)
        await app.room("a", ("ann",))
        assert used_up(await app.ask("POST", "/v1/rooms", {"id": "x", "members": ["ann", "bob", "cy"]}))
        await app.room("b")
        assert used_up(await app.ask("POST", "/v1/rooms", {"id": "c"})) == "Used up: rooms."
        assert (await app.ask("POST", "/v1/rooms/a/join", user="bob")).status_code == 200
        assert used_up(await app.ask("POST", "/v1/rooms/a/join", user="cy")) == "Used up: room_members."
        assert used_up(await app.ask("PUT", "/v1/rooms/a/members/cy", {})) == "Used up: room_members."
        assert (await app.ask("PUT", "/v1/rooms/a/members/bob", {"role": "admin"})).status_code == 200
        shown = (await app.ask("GET", "/v1/limits")).json()["quotas"]
        assert (shown["rooms"], shown["room_members"]) == (2, 2)
        assert (await app.ask("DELETE", "/v1/rooms/b")).status_code == 204
        assert (await app.ask("POST", "/v1/rooms", {"id": "c"})).status_code == 201


async def test_connections_are_no_more_than_the_quota(service: Service) -> None:
    """A user's next socket is refused at its upgrade; one that has been closed makes room."""
    async with with_quotas(service, user_connections=2) as app:
        async with app.socket("ann"), app.socket("ann"), app.socket("bob"):
            with pytest.raises(InvalidStatus) as refused:
                async with app.socket("ann"):
                    pass
            assert refused.value.response.status_code == 403
        async with app.socket("ann"):
            pass


async def test_an_app_that_stores_too_much_may_send_no_more(service: Service) -> None:
    """Its bytes are measured behind its sends; from then on they are refused, and reading goes on."""
    async with with_quotas(service, stored_bytes=10) as app:
        await app.room("r", ("ann",))
        async with asyncio.timeout(10):
            while True:
                answer = await app.ask("POST", "/v1/rooms/r/messages", TEXT, user="ann")
                if answer.status_code != 201:
                    break
        assert used_up(answer) == "Used up: stored_bytes."
        assert (await app.ask("GET", "/v1/rooms/r/messages", user="ann")).status_code == 200


# ---- addresses

FAILURES = 10


@pytest.fixture(scope="module")
def strict(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service behind a proxy on this machine, strict with wrong credentials."""
    more = {"ROOMLOG_MAX_FAILURES": str(FAILURES), "ROOMLOG_TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.0/8"}
    with running_service(environment | more, Path(tmp_path_factory.mktemp("strict")) / "log") as running:
        yield running


async def guess(http: httpx2.AsyncClient, number: int, came_by: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer rl_test_{number}", "X-Forwarded-For": came_by}
    return await http.get("/v1/rooms", headers=headers)


async def settled(http: httpx2.AsyncClient, app: App) -> None:
    """Wait until the process has heard of everything that was changed about an app: it hears in order."""
    operator = {"Authorization": f"Bearer {app.service.operator_token}"}
    keys = f"{app.service.internal_url}/operator/apps/{app.id}/keys"
    key = (await http.post(keys, json={"label": "k"}, headers=operator)).json()
    headers = {"Authorization": f"Bearer {key['key']}", "X-Forwarded-For": "198.51.100.99"}
    assert (await http.get("/v1/rooms", headers=headers)).status_code == 200
    await http.delete(f"{keys}/{key['id']}", headers=operator)
    async with asyncio.timeout(15):
        while (await http.get("/v1/rooms", headers=headers)).status_code != 401:
            await asyncio.sleep(0.01)


async def test_an_address_that_guesses_is_barred_and_others_are_not(strict: Service) -> None:
    """Ten wrong keys get 401, the next 429; what the address invents about itself changes nothing."""
    async with public_client(strict.url) as http:
        app = await new_app(strict, http)
        known = {"Authorization": f"Bearer {app.key}", "X-Forwarded-For": "203.0.113.7"}
        await settled(http, app)
        assert (await http.get("/v1/rooms", headers=known)).status_code == 200
        # A client may write whatever it likes to the left of what the proxies add.
        answers = [await guess(http, number, f"198.51.100.{number}, 203.0.113.7, 10.0.0.1") for number in range(15)]
        assert [answer.status_code for answer in answers] == [401] * FAILURES + [429] * 5
        assert answers[-1].json()["detail"] == "Exhausted: address_failures."
        assert int(answers[-1].headers["Retry-After"]) <= 60 / FAILURES
        missing = await http.get("/v1/rooms", headers={"X-Forwarded-For": "203.0.113.7"})
        assert missing.status_code == 429
        # Others are heard, and so is a key that is known although it comes from there.
        assert (await guess(http, 0, "203.0.113.8")).status_code == 401
        assert (await http.get("/v1/rooms", headers=known)).status_code == 200


async def test_a_network_of_ipv6_counts_as_one_address(strict: Service) -> None:
    """Whoever has 2^64 addresses has one bucket."""
    async with public_client(strict.url) as http:
        answers = [await guess(http, number, f"2001:db8::{number:x}") for number in range(12)]
        assert count(answers, 429) == 2
        assert (await guess(http, 0, "2001:db8:0:1::1")).status_code == 401


async def test_nobody_is_believed_who_is_no_trusted_proxy(service: Service) -> None:
    """Without trusted proxies the header is ignored: the answer tells https apart by nothing that a client sends."""
    async with public_client(service.url) as http:
        answer = await http.get("/v1/rooms", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
        assert "strict-transport-security" not in answer.headers


async def test_a_trusted_proxy_tells_that_it_was_https(strict: Service) -> None:
    """Behind a proxy that ends TLS, browsers are told to stay with https."""
    async with public_client(strict.url) as http:
        answer = await http.get("/v1/rooms", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
        assert "strict-transport-security" in answer.headers
