"""A good token, changed in one place at a time: none holds, by REST or on the socket."""

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.secrets import signing_secret
from tests.support.world import World

Json = dict[str, Any]


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: Any) -> str:
    return coded(json.dumps(value).encode())


@dataclass
class Bench:
    """What a forger knows at best: all but nothing, for here it knows the secret too."""

    app: str
    other: str
    key_id: str
    secret: bytes
    others_key_id: str
    public_id: str
    public_pem: bytes
    now: int

    def token(self, header: Json | None = None, claims: Json | None = None, *, secret: bytes | None = None) -> str:
        """Sign by the book; None in `header` or `claims` takes a member out."""
        head = {"alg": "HS256", "kid": self.key_id, "typ": "roomlog+jwt", **(header or {})}
        body = {
            "iss": self.app,
            "aud": "roomlog",
            "sub": "ann",
            "iat": self.now,
            "exp": self.now + 60,
            **(claims or {}),
        }
        return self.signed(part(_without_none(head)) + "." + part(_without_none(body)), secret)

    def signed(self, text: str, secret: bytes | None = None) -> str:
        return text + "." + coded(hmac.new(secret or self.secret, text.encode(), hashlib.sha256).digest())


def _without_none(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}


Mutation = Callable[[Bench], str]


def header(**members: Any) -> Mutation:
    return lambda bench: bench.token(header=members)


def claims(**members: Any) -> Mutation:
    return lambda bench: bench.token(claims=members)


def swapped(algorithm: str) -> Mutation:
    return header(alg=algorithm)


def unsigned(algorithm: str) -> Mutation:
    return lambda bench: bench.token(header={"alg": algorithm}).rpartition(".")[0] + "."


def pieces(change: Callable[[str, str, str], str]) -> Mutation:
    return lambda bench: change(*bench.token().split("."))


MUTATIONS: dict[str, Mutation] = {
    **{
        f"alg {name}": swapped(name)
        for name in ("HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "hs256", "HS256 ", "")
    },
    "alg missing": header(alg=None),
    "alg a number": header(alg=256),
    "alg a list": header(alg=["HS256"]),
    **{f"alg {name}, unsigned": unsigned(name) for name in ("none", "None", "NONE", "nOnE")},
    "alg none, signature kept": header(alg="none"),
    "a public key as the secret": lambda bench: bench.token(header={"kid": bench.public_id}, secret=bench.public_pem),
    "a public key's id, our secret": lambda bench: bench.token(header={"kid": bench.public_id}),
    "a public key's id and alg": lambda bench: bench.token(header={"kid": bench.public_id, "alg": "EdDSA"}),
    "kid missing": header(kid=None),
    "kid unknown": header(kid="AAAAAAAAAAA"),
    "kid of another app": lambda bench: bench.token(header={"kid": bench.others_key_id}),
    "kid a path": header(kid="../../../../dev/null"),
    "kid SQL": header(kid="' OR '1'='1"),
    "kid a number": header(kid=1),
    "kid a list": header(kid=["x"]),
    "kid with NUL": header(kid="a\0"),
    "kid long": header(kid="k" * 2000),
    "kid empty": header(kid=""),
    **{
        f"header {name}": header(**{name: value})
        for name, value in {
            "jku": "https://evil.example/jwks.json",
            "x5u": "https://evil.example/cert",
            "jwk": {"kty": "oct", "k": "AAAA"},
            "x5c": ["AAAA"],
            "x5t": "AAAA",
            "x5t#S256": "AAAA",
            "crit": ["exp"],
            "b64": False,
        }.items()
    },
    "typ missing": header(typ=None),
    "typ JWT": header(typ="JWT"),
    "typ of another kind": header(typ="at+jwt"),
    "typ a list": header(typ=["roomlog+jwt"]),
    "typ a number": header(typ=1),
    **{f"{name} missing": claims(**{name: None}) for name in ("iss", "aud", "sub", "iat", "exp")},
    **{
        f"{name} {value!r:.20}": claims(**{name: value})
        for name, values in {
            "iss": ["", "app_00000000", "roomlog", 7, ["x"], {"a": 1}, "app_\0"],
            "aud": ["", "other", ["roomlog"], ["roomlog", "other"], 7, {"roomlog": 1}],
            "sub": ["", 7, ["ann"], {"a": 1}, "x" * 129, "a\0b", "nobody", True],
            "iat": ["x", [], {}, True, -1, 1, 1e400, 10**400],
            "exp": ["x", [], {}, True, -1, 0, 1, 1e400, 10**400],
            "nbf": ["x", [], True, 10**400],
            "jti": ["", 7, ["x"], "x" * 129, "a\0"],
            "grants": ["messages:read", 7, ["all"], {"a": 1}, [1], [["messages:read"]]],
            "rooms": ["r", 7, [1], {"r": 1}],
            "user_since": [0, "x", True, []],
        }.items()
        for value in values
    },
    "iss another app": lambda bench: bench.token(claims={"iss": bench.other}),
    "iat and exp beyond all numbers": claims(iat=10**400, exp=10**400 + 1),
    "iat in the future": lambda bench: bench.token(claims={"iat": bench.now + 120, "exp": bench.now + 180}),
    "nbf in the future": lambda bench: bench.token(claims={"nbf": bench.now + 120}),
    "exp at its iat": lambda bench: bench.token(claims={"exp": bench.now, "iat": bench.now}),
    "exp just gone": lambda bench: bench.token(claims={"iat": bench.now - 60, "exp": bench.now - 1}),
    "longer than a day": lambda bench: bench.token(claims={"exp": bench.now + 86_401}),
    "another secret": lambda bench: bench.token(secret=b"x" * 32),
    "an empty secret": lambda bench: bench.token(secret=b"\0"),
    "no signature": pieces(lambda head, body, _: f"{head}.{body}."),
    "no second dot": pieces(lambda head, body, _: f"{head}.{body}"),
    "no dots": pieces(lambda head, body, signature: head + body + signature),
    "a fourth part": pieces(lambda head, body, signature: f"{head}.{body}.{signature}.{signature}"),
    "a cut signature": pieces(lambda head, body, signature: f"{head}.{body}.{signature[:-4]}"),
    "a stretched signature": pieces(lambda head, body, signature: f"{head}.{body}.{signature}AAAA"),
    "a turned signature": pieces(lambda head, body, signature: f"{head}.{body}.{signature[::-1]}"),
    "an empty body": pieces(lambda head, _, signature: f"{head}..{signature}"),
    "an empty header": pieces(lambda _, body, signature: f".{body}.{signature}"),
    "another body": pieces(lambda head, _, signature: f"{head}.{part({'sub': 'bob'})}.{signature}"),
    "a body that is a list": lambda bench: bench.signed(bench.token().split(".")[0] + "." + part([1])),
    "a body that is no JSON": lambda bench: bench.signed(bench.token().split(".")[0] + "." + coded(b"{")),
    "a body nested deep": lambda bench: bench.signed(bench.token().split(".")[0] + "." + coded(b"[" * 2000)),
    "a header that is a list": lambda bench: bench.signed(part([1]) + "." + bench.token().split(".")[1]),
    "a header that is no base64": lambda bench: bench.signed("!!!." + bench.token().split(".")[1]),
    "only dots": lambda _: "..",
    "words": lambda _: "a.b.c",
    "over 4 KiB": claims(more="x" * 4096),
    "100 kB": lambda bench: bench.token() + "=" * 100_000,
}


@pytest.fixture
async def bench(world: World, environment: dict[str, str]) -> Bench:
    """An app whose secret the forger has, and a public key of the customer's beside it."""
    await world.app.token("ann")
    await world.other.token("ann")
    key_id, secret = await signing_secret(environment, world.app)
    others, _ = await signing_secret(environment, world.other)
    pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    wish = {"algorithm": "EdDSA", "public_key": pem.decode()}
    public = (await world.app.ask("POST", "/v1/signing-keys", wish)).json()["id"]
    return Bench(world.app.id, world.other.id, key_id, secret, others, public, pem, int(time.time()))


async def test_no_mutation_holds_by_rest(world: World, bench: Bench) -> None:
    """Each is 401 (or too long for a header), and the token as it was is good."""
    assert await status_of(world, bench.token()) == 200
    held = {name: await status_of(world, mutate(bench)) for name, mutate in MUTATIONS.items()}
    assert {name: status for name, status in held.items() if status not in {401, 431}} == {}
    assert len(held) > 100
    assert await status_of(world, bench.token()) == 200


async def test_no_mutation_holds_on_the_socket(world: World, bench: Bench) -> None:
    """Each closes the socket with 4401, or 4413 if it is too long for a first frame; the good one is greeted."""
    assert await end_of(world, bench.token()) == "connected"
    ends = {name: await end_of(world, mutate(bench)) for name, mutate in MUTATIONS.items()}
    assert {name: end for name, end in ends.items() if end not in {4401, 4413}} == {}


async def status_of(world: World, token: str) -> int:
    return (await world.app.http.get("/v1/rooms", headers={"Authorization": f"Bearer {token}"})).status_code


async def end_of(world: World, token: str) -> int | str:
    async with connect(world.app.service.socket_url) as raw:
        await raw.send(json.dumps({"op": "auth", "token": token}))
        with contextlib.suppress(ConnectionClosed):
            return str(json.loads(await raw.recv())["type"])
        return int(raw.close_code or 0)
