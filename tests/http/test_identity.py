"""Keys and tokens, and what does not pass for one."""

import asyncio
import base64
import json
import time
from typing import Any

import asyncpg
import jwt
import pytest

from tenants.keys import parse_key
from tests.support.plain import plain_client
from tests.support.processes import Service
from tests.support.secrets import signing_secret
from tests.support.world import App, World

HERE = "/v1/rooms"


async def status_of(app: App, credential: str, **headers: str) -> int:
    sent = {"Authorization": f"Bearer {credential}", **headers}
    return (await app.http.get(HERE, headers=sent)).status_code


@pytest.fixture
async def secret(world: World, environment: dict[str, str]) -> tuple[str, bytes]:
    """The signing key of the app: its id and its secret, straight from the database."""
    return await signing_secret(environment, world.app)


def forge(app: App, secret: tuple[str, bytes], header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Sign a token with the app's own secret, good but for what is given; None takes a claim or header out."""
    now = int(time.time())
    good = {"iss": app.id, "aud": "roomlog", "sub": "ann", "iat": now, "exp": now + 60}
    merged = {name: value for name, value in {**good, **claims}.items() if value is not None}
    headers = {"kid": secret[0], "typ": "roomlog+jwt", **(header or {})}
    return jwt.encode(merged, secret[1], algorithm="HS256", headers=headers)


async def test_a_token_signed_by_the_book_holds(world: World, secret: tuple[str, bytes]) -> None:
    """The forger of the next tests makes good tokens, when asked to."""
    await world.app.token("ann")
    assert await status_of(world.app, forge(world.app, secret)) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": 1},
        {"exp": "later"},
        {"exp": int(time.time()) + 90_000},
        {"iat": None},
        {"iat": "x"},
        {"iat": int(time.time()) + 600, "exp": int(time.time()) + 700},
        {"iat": 1, "exp": int(time.time()) + 60},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 129},
        {"sub": "nobody"},
        {"sub": "a\0b"},
        {"iss": None},
        {"iss": "app_00000000"},
        {"iss": ["x"]},
        {"aud": None},
        {"aud": "other"},
        {"aud": ["roomlog", "other"]},
    ],
    ids="-".join,
)
async def test_a_token_with_one_claim_wrong_is_refused(
    world: World, secret: tuple[str, bytes], claims: dict[str, Any]
) -> None:
    """Each claim is demanded, of its type, and right."""
    await world.app.token("ann")
    try:
        token = forge(world.app, secret, **claims)
    except (TypeError, ValueError, jwt.PyJWTError):
        token = _unchecked(world.app, secret, claims)
    assert await status_of(world.app, token) == 401


def _unchecked(app: App, secret: tuple[str, bytes], claims: dict[str, Any]) -> str:
    """Sign what PyJWT would not."""
    now = int(time.time())
    merged = {"iss": app.id, "aud": "roomlog", "sub": "ann", "iat": now, "exp": now + 60, **claims}
    headers = {"kid": secret[0], "typ": "roomlog+jwt"}
    return jwt.PyJWS().encode(json.dumps(merged).encode(), secret[1], algorithm="HS256", headers=headers)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"kid": "unknown"},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": "a\0b"},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": ["exp"]},
    ],
    ids=str,
)
async def test_a_token_with_a_strange_header_is_refused(
    world: World, secret: tuple[str, bytes], header: dict[str, Any]
) -> None:
    """The header names a key of the app, and brings none of its own."""
    await world.app.token("ann")
    assert await status_of(world.app, forge(world.app, secret, header)) == 401


async def test_tokens_taken_apart_and_put_together_otherwise_are_refused(
    world: World, secret: tuple[str, bytes]
) -> None:
    """Unsigned, resigned, cut, stretched: none holds."""
    app = world.app
    await app.token("ann")
    good = forge(app, secret)
    head, body, signature = good.split(".")

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    header = {"kid": secret[0], "typ": "roomlog+jwt"}
    bad = [
        f"{part({**header, 'alg': 'none'})}.{body}.",
        f"{part({**header, 'alg': 'None'})}.{body}.{signature}",
        f"{part({**header, 'alg': 'RS256'})}.{body}.{signature}",
        jwt.encode({"sub": "ann"}, b"x" * 32, algorithm="HS256", headers=header),
        f"{head}.{body}",
        f"{head}.{body}.{signature}x",
        f"{head}.{part({'sub': 'ann'})}.{signature}",
        f"{head}..{signature}",
        "..",
        "a.b.c",
        good + "=" * 100_000,
        "Ω" * 50,
    ]
    for token in bad:
        try:
            assert await status_of(app, token) in {400, 401, 431}, token[:80]
        except UnicodeEncodeError:
            continue
    # The other app's key signs nothing here.
    theirs = (await world.other.ask("GET", "/v1/signing-keys")).json()["signing_keys"][0]["id"]
    assert await status_of(app, forge(app, secret, {"kid": theirs})) == 401


async def test_a_wrong_key_is_answered_like_an_unknown_one(world: World) -> None:
    """A key that is not ours, has another secret, or is of nobody gets the same 401."""
    key = world.app.key
    parsed = parse_key(key)
    assert parsed is not None
    answers = []
    for bad in (key[:-1], key[:-7] + "0000000", key.replace("rl_test", "rl_live"), "rl_test_x", "Basic"):
        answer = await world.app.http.get(HERE, headers={"Authorization": f"Bearer {bad}"})
        answers.append((answer.status_code, {**answer.json(), "request_id": 0}))
    assert answers.count(answers[0]) == len(answers)
    assert answers[0][0] == 401
    assert (await world.app.http.get(HERE)).headers["www-authenticate"].startswith("Bearer")


async def test_nothing_of_a_request_is_looked_at_before_its_credential(world: World) -> None:
    """However bad its headers and its body are, who is unknown is told so."""
    bad = {"Authorization": "Bearer rl_test_x", "Idempotency-Key": "", "If-Match": "rubbish"}
    answer = await world.app.http.patch(f"{HERE}/nothing", headers=bad, content=b"{")
    assert answer.status_code == 401


async def test_an_api_key_from_a_browser_is_refused(world: World) -> None:
    """A key that came with an Origin is on a page for all to read."""
    answer = await world.app.ask("GET", HERE, headers={"Origin": "https://shop.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "api_key_in_browser")
    token = await world.app.token("ann")
    assert await status_of(world.app, token, Origin="https://shop.example") == 200


async def test_users_do_not_manage_keys(world: World) -> None:
    """Keys and tokens are made by API keys only."""
    for method, path, body in (
        ("GET", "/v1/keys", None),
        ("POST", "/v1/keys", {"label": "x"}),
        ("DELETE", "/v1/keys/AAAAAAAAAAAA", None),
        ("GET", "/v1/signing-keys", None),
        ("POST", "/v1/signing-keys", None),
        ("POST", "/v1/tokens", {"user": "ann"}),
    ):
        assert (await world.app.ask(method, path, body, user="ann")).status_code == 403, path


async def test_a_revoked_key_holds_no_longer_than_a_second(world: World) -> None:
    """After a revocation the key is refused, on sockets too; other keys go on."""
    app = world.app
    made = (await app.ask("POST", "/v1/keys", {"label": "second"})).json()
    second = App(app.id, made["key"], app.service, app.http)
    assert (await second.ask("GET", HERE)).status_code == 200
    async with second.socket() as socket:
        assert (await app.ask("DELETE", f"/v1/keys/{made['id']}")).status_code == 204
        await asyncio.wait_for(socket.raw.wait_closed(), 10)
        assert socket.raw.close_code == 4403
    assert (await second.ask("GET", HERE)).status_code == 401
    assert (await app.ask("GET", HERE)).status_code == 200
    assert (await world.other.ask("DELETE", f"/v1/keys/{made['id']}")).status_code == 404
    listed = (await app.ask("GET", "/v1/keys")).json()["keys"]
    assert [key["revoked_at"] is None for key in listed] == [True, False]
    assert all("key" not in key for key in listed)


async def test_a_retired_signing_key_s_tokens_hold_no_longer_than_a_second(world: World) -> None:
    """Rotation: a new key signs, tokens of the old one hold until it is retired."""
    app = world.app
    old = await app.token("ann")
    keys = (await app.ask("GET", "/v1/signing-keys")).json()["signing_keys"]
    await app.ask("POST", "/v1/signing-keys")
    new = (await app.mint("ann"))["token"]
    assert await status_of(app, old) == await status_of(app, new) == 200
    assert (await app.ask("DELETE", f"/v1/signing-keys/{keys[0]['id']}")).status_code == 204
    deadline = time.monotonic() + 1.0
    while await status_of(app, old) == 200 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert await status_of(app, old) == 401
    assert await status_of(app, new) == 200


async def test_no_secret_stands_in_the_database(world: World, environment: dict[str, str]) -> None:
    """An API key's secret is nowhere in the tables."""
    parsed = parse_key(world.app.key)
    assert parsed is not None
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    rows = await connection.fetch("SELECT k::text AS text FROM api_keys k")
    await connection.close()
    assert rows
    assert not any(parsed.secret in row["text"] or parsed.secret.encode().hex() in row["text"] for row in rows)


async def test_the_operator_s_rest_takes_the_operator_s_token(service: Service) -> None:
    """Nobody else makes tenants, and nothing of it is on the public listener."""
    async with plain_client() as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = await http.get(service.internal_url + "/operator/tenants", headers=headers)
            assert answer.status_code == 401
        good = {"Authorization": f"Bearer {service.operator_token}"}
        assert (await http.get(service.internal_url + "/operator/tenants", headers=good)).status_code == 200
        assert (await http.get(service.url + "/operator/tenants", headers=good)).status_code == 404
        assert (await http.get(service.url + "/metrics")).status_code == 404


async def test_the_app_comes_from_the_credential(world: World) -> None:
    """With another app's key, a room's answers are those for a room that never was."""
    await world.app.room("mine", ("ann",))
    message = await world.app.say("mine", "x", "ann")
    body = {"parts": [{"type": "text", "text": "x"}]}
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/v1/rooms/{}", None),
        ("PATCH", "/v1/rooms/{}", {"name": "x"}),
        ("DELETE", "/v1/rooms/{}", None),
        ("GET", "/v1/rooms/{}/members", None),
        ("PUT", "/v1/rooms/{}/members/ann", {}),
        ("DELETE", "/v1/rooms/{}/members/ann", None),
        ("GET", "/v1/rooms/{}/messages", None),
        ("POST", "/v1/rooms/{}/messages", body),
        ("GET", f"/v1/rooms/{{}}/messages/{message['id']}", None),
        ("PATCH", f"/v1/rooms/{{}}/messages/{message['id']}", body),
        ("DELETE", f"/v1/rooms/{{}}/messages/{message['id']}", None),
        ("POST", "/v1/rooms/{}/join", None),
        ("POST", "/v1/rooms/{}/leave", None),
        ("PUT", "/v1/rooms/{}/read", {"seq": 1}),
    ]
    await world.other.token("ann")
    for method, path, sent in calls:
        theirs = await world.other.ask(method, path.format("mine"), sent, acting="ann")
        nobody = await world.other.ask(method, path.format("never-was"), sent, acting="ann")
        assert theirs.status_code == nobody.status_code == 404, (method, path)
        assert {**theirs.json(), "request_id": 0} == {**nobody.json(), "request_id": 0}, (method, path)
    for method, path, sent in [*calls[7:8], *calls[:1], *calls[4:5]]:
        assert (await world.app.ask(method, path.format("mine"), sent, acting="ann")).status_code < 300, path
