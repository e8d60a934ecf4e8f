"""Signing keys: three algorithms, the customer's own, secrets at rest, public keys for everybody."""

import base64
import time
from typing import Any

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.secrets import signing_secret
from tests.support.world import App, World

Private = Any


def pem_of(private: Private) -> str:
    text: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


async def status_of(app: App, token: str) -> int:
    return (await app.http.get("/v1/rooms", headers={"Authorization": f"Bearer {token}"})).status_code


def sign(app: App, key_id: str, key: Any, algorithm: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(time.time())
    good = {"iss": app.id, "aud": "roomlog", "sub": "ann", "iat": now, "exp": now + 60, **claims}
    return jwt.encode(good, key, algorithm=algorithm, headers={"kid": key_id, **(header or {})})


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "ES256"])
async def test_our_keys_of_each_algorithm_sign_and_are_published(world: World, algorithm: str) -> None:
    """The newest signs; its public key, and no secret, is there for everybody; retired, it is not."""
    app = world.app
    made = await app.ask("POST", "/v1/signing-keys", {"algorithm": algorithm})
    assert (made.status_code, made.json()["state"]) == (201, "active"), made.text
    token = (await app.mint("ann"))["token"]
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert await status_of(app, token) == 200
    states = {key["id"]: key["state"] for key in (await app.ask("GET", "/v1/signing-keys")).json()["signing_keys"]}
    assert sorted(states.values()) == ["active", "verify_only"]
    published = await app.http.get(f"/v1/apps/{app.id}/jwks.json")
    assert "max-age" in published.headers["cache-control"]
    keys = {key["kid"]: key for key in published.json()["keys"]}
    assert (made.json()["id"] in keys) == (algorithm != "HS256")
    for key in keys.values():
        assert not {"d", "k"} & key.keys()
        verified = jwt.decode(token, jwt.PyJWK(key), algorithms=[algorithm], audience="roomlog", issuer=app.id)
        assert verified["sub"] == "ann"
    await app.ask("DELETE", f"/v1/signing-keys/{made.json()['id']}")
    assert (await app.http.get(f"/v1/apps/{app.id}/jwks.json")).json() == {"keys": []}
    assert (await app.http.get("/v1/apps/app_00000000/jwks.json")).status_code == 404


async def test_customers_sign_themselves(world: World) -> None:
    """With their own key pair or a revealed secret; `typ` may be what libraries write; ours go on to sign."""
    app = world.app
    await app.token("ann")
    mine: list[tuple[str, Private]] = [
        ("EdDSA", Ed25519PrivateKey.generate()),
        ("ES256", generate_private_key(SECP256R1())),
    ]
    for algorithm, private in mine:
        wish = {"algorithm": algorithm, "public_key": pem_of(private)}
        made = (await app.ask("POST", "/v1/signing-keys", wish)).json()
        assert (made["state"], made["customer_signs"]) == ("verify_only", True)
        for typ in ("JWT", "roomlog+jwt", None):
            assert await status_of(app, sign(app, made["id"], private, algorithm, {"typ": typ})) == 200, typ
        assert await status_of(app, sign(app, made["id"], private, algorithm, {"typ": "at+jwt"})) == 401
        # Its public key is no HMAC secret.
        forged = sign(app, made["id"], base64.b64encode(pem_of(private).encode()), "HS256")
        assert await status_of(app, forged) == 401
    revealed = (await app.ask("POST", "/v1/signing-keys", {"reveal": True})).json()
    secret = base64.urlsafe_b64decode(revealed["secret"] + "=")
    assert len(secret) == 32
    assert await status_of(app, sign(app, revealed["id"], secret, "HS256")) == 200
    assert "secret" not in (await app.ask("GET", "/v1/signing-keys")).text
    assert await status_of(world.other, sign(world.other, revealed["id"], secret, "HS256")) == 401


async def test_keys_of_another_kind_are_refused(world: World) -> None:
    """An algorithm takes its own kind of public key, never a private one."""
    ed, p256 = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    private = ed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    wrong: list[tuple[str, str]] = [
        ("EdDSA", pem_of(p256)),
        ("ES256", pem_of(ed)),
        ("ES256", pem_of(generate_private_key(SECP384R1()))),
        ("HS256", pem_of(ed)),
        ("EdDSA", private),
        ("EdDSA", "x"),
    ]
    for algorithm, pem in wrong:
        answer = await world.app.ask("POST", "/v1/signing-keys", {"algorithm": algorithm, "public_key": pem})
        assert (answer.status_code, answer.json()["code"]) == (400, "wrong_public_key"), algorithm
    assert (await world.app.ask("POST", "/v1/signing-keys", {"algorithm": "none"})).status_code == 400
    assert (await world.app.ask("POST", "/v1/signing-keys", {"algorithm": "ES256", "reveal": True})).status_code == 400


async def test_no_signing_secret_stands_in_the_database(world: World, environment: dict[str, str]) -> None:
    """A dump holds neither secrets nor their hex or base64; a row moved to another app signs and verifies nothing."""
    app, other = world.app, world.other
    key_id, secret = await signing_secret(environment, app)
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 5
    for table in tables:
        for row in await connection.fetch(f'SELECT t::text AS text FROM "{table["tablename"]}" t'):
            assert secret.hex() not in row["text"]
            assert base64.b64encode(secret).decode()[:40] not in row["text"]
    token = (await app.mint("ann"))["token"]
    await other.token("ann")
    await connection.execute(
        """INSERT INTO signing_keys (app_id, key_id, algorithm, sealed, sealed_key, master_version)
           SELECT o.app_id, k.key_id, k.algorithm, k.sealed, k.sealed_key, k.master_version
             FROM signing_keys k, signing_keys o WHERE k.key_id = $1 AND o.key_id = $2""",
        key_id,
        (await signing_secret(environment, other))[0],
    )
    await connection.close()
    assert await status_of(app, token) == 200
    assert await status_of(other, sign(other, key_id, secret, "HS256", {"typ": "roomlog+jwt"})) in {401, 500}
