"""Signing keys: what an app's tokens are signed with, by us or by the customer, and verified by.

The algorithm is a property of the row. Secrets and private keys are sealed (`tenants.sealing`); a public key is no secret.
The newest key that we can sign with signs; every key that is not retired verifies.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenants.audit_log import By
from tenants.clock import to_rfc3339
from tenants.controls import SigningKeyRetired, send_control
from tenants.errors import NotFound, WrongPublicKey
from tenants.ids import AppId, TenantId, app_name, to_base62
from tenants.postgres import Postgres
from tenants.scope import Scope
from tenants.sealing import MasterKeys, Owner, Sealed

SECRET_BYTES = 32
BATCH = 100

INSERT = text("""
INSERT INTO signing_keys (app_id, key_id, algorithm, sealed, sealed_key, master_version, public_key, customer_signs)
VALUES (:app, :key_id, :algorithm, :sealed, :sealed_key, :master_version, :public_key, :customer_signs)
RETURNING created_at
""")
LIST = text("""
SELECT key_id, algorithm, public_key, customer_signs, created_at, retired_at,
       secret IS NOT NULL OR sealed IS NOT NULL AS signs
  FROM signing_keys WHERE app_id = :app ORDER BY created_at, key_id
""")
SIGNER = text("""
SELECT key_id, algorithm, secret, sealed, sealed_key, master_version FROM signing_keys
 WHERE app_id = :app AND retired_at IS NULL AND (secret IS NOT NULL OR sealed IS NOT NULL)
   AND NOT (:is_ours_alone AND customer_signs)
 ORDER BY created_at DESC, key_id LIMIT 1
""")
RETIRE = text("""
UPDATE signing_keys SET retired_at = coalesce(retired_at, now()) WHERE app_id = :app AND key_id = :key_id
RETURNING retired_at = now() AS is_new
""")
VERIFIER = text("""
SELECT k.key_id, k.algorithm, k.secret, k.sealed, k.sealed_key, k.master_version, k.public_key, k.customer_signs,
       a.tenant_id, a.tokens_valid_from, a.suspended_at IS NOT NULL AS is_suspended
  FROM signing_keys k JOIN apps a ON a.app_id = k.app_id
 WHERE k.app_id = :app AND k.key_id = :key_id AND k.retired_at IS NULL AND a.deleted_at IS NULL
""")
PUBLIC = text("""
SELECT k.key_id, k.algorithm, k.public_key FROM apps a
  LEFT JOIN signing_keys k ON k.app_id = a.app_id AND k.public_key IS NOT NULL AND k.retired_at IS NULL
 WHERE a.app_id = :app AND a.deleted_at IS NULL ORDER BY k.created_at, k.key_id
""")
UNDER_OTHERS = text("""
SELECT k.app_id, a.tenant_id, k.key_id, k.secret, k.sealed, k.sealed_key, k.master_version
  FROM signing_keys k JOIN apps a ON a.app_id = k.app_id
 WHERE k.secret IS NOT NULL OR k.master_version <> :newest
 ORDER BY k.app_id, k.key_id LIMIT :batch FOR NO KEY UPDATE OF k
""")
ALL_APPS = text("SELECT app_id FROM apps")
RESEAL = text("""
UPDATE signing_keys SET secret = NULL, sealed = :sealed, sealed_key = :sealed_key, master_version = :master_version
 WHERE app_id = :app AND key_id = :key_id
""")

State = Literal["active", "verify_only", "retired"]
Material = bytes | str | Ed25519PrivateKey | EllipticCurvePrivateKey
"""What PyJWT signs or verifies with."""


class Algorithm(StrEnum):
    """How an app's tokens are signed."""

    HS256 = "HS256"
    EDDSA = "EdDSA"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What may be shown of a signing key."""

    id: str
    algorithm: Algorithm
    state: State
    """`active` signs, the others only verify, and a retired one does neither."""
    customer_signs: bool
    public_key: str | None
    created_at: str
    retired_at: str | None


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    id: str
    algorithm: Algorithm
    key: Material


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that verifies, and how its app stands."""

    scope: Scope
    id: str
    algorithm: Algorithm
    key: Material
    customer_signs: bool
    tokens_valid_from: float | None
    is_suspended: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """What kind of signing key is to be made."""

    algorithm: Algorithm = Algorithm.HS256
    public_key: str | None = None
    """The customer's own, as PEM: then the customer signs, and we can only verify."""
    reveal: bool = False
    """Whether the customer gets the secret, once, to sign with it too."""


HS256 = NewKey()


async def insert_signing_key(
    connection: AsyncConnection, master_keys: MasterKeys, scope: Scope, wish: NewKey = HS256
) -> tuple[SigningKey, bytes | None]:
    """Make a signing key within a transaction; gives its secret too if that is to be revealed.

    Raises `WrongPublicKey` for one that is not of the algorithm.
    """
    key_id = to_base62(secrets.randbits(64), 11)
    secret: bytes | None = None
    public_key: str | None = None
    if wish.public_key is not None:
        public_key = _checked(wish.public_key, wish.algorithm)
    else:
        secret, public_key = _draw(wish.algorithm)
    owner = Owner(scope.tenant, scope.app, key_id)
    sealed = None if secret is None else master_keys.seal(secret, owner)
    customer_signs = wish.reveal or wish.public_key is not None
    values = {
        "app": scope.app,
        "key_id": key_id,
        "algorithm": wish.algorithm.value,
        "sealed": None if sealed is None else sealed.secret,
        "sealed_key": None if sealed is None else sealed.key,
        "master_version": None if sealed is None else sealed.master,
        "public_key": public_key,
        "customer_signs": customer_signs,
    }
    row = (await connection.execute(INSERT, values)).one()
    state: State = "verify_only" if secret is None else "active"
    made = SigningKey(
        key_id, wish.algorithm, state, customer_signs, public_key, to_rfc3339(row.created_at), retired_at=None
    )
    return made, secret if wish.reveal else None


async def create_signing_key(
    postgres: Postgres, master_keys: MasterKeys, scope: Scope, wish: NewKey = HS256, *, by: By | None = None
) -> tuple[SigningKey, bytes | None]:
    """Make a signing key; tokens of the older ones go on to hold. Raises `WrongPublicKey`."""
    async with postgres.transaction(scope) as connection:
        key, secret = await insert_signing_key(connection, master_keys, scope, wish)
        if by is not None:
            await by.note(connection, "signing_key.made", key.id, app=app_name(scope.app), algorithm=key.algorithm)
    return key, secret


async def list_signing_keys(postgres: Postgres, scope: Scope) -> list[SigningKey]:
    """Give an app's signing keys without their secrets, oldest first."""
    async with postgres.transaction(scope) as connection:
        rows = (await connection.execute(LIST, {"app": scope.app})).all()
    # As SIGNER chooses: of those made at one moment, the first by its id.
    signing = [row for row in rows if row.signs and row.retired_at is None]
    newest = max((row.created_at for row in signing), default=None)
    active = min((row.key_id for row in signing if row.created_at == newest), default=None)
    return [_shown(row, active) for row in rows]


async def retire_signing_key(postgres: Postgres, scope: Scope, key_id: str, *, by: By | None = None) -> None:
    """Retire a signing key: within a second its tokens hold nowhere. Raises `NotFound`."""
    values = {"app": scope.app, "key_id": key_id}
    async with postgres.transaction(scope) as connection:
        row = (await connection.execute(RETIRE, values)).one_or_none()
        if row is None:
            raise NotFound
        await send_control(connection, SigningKeyRetired(scope.app, key_id))
        if by is not None and row.is_new:
            await by.note(connection, "signing_key.retired", key_id, app=app_name(scope.app))


async def find_signer(
    connection: AsyncConnection, master_keys: MasterKeys, scope: Scope, *, is_ours_alone: bool = False
) -> Signer:
    """Give the key that signs now, or of those whose secret the customer has not; raises `NotFound` without one, `CannotOpen`."""
    values = {"app": scope.app, "is_ours_alone": is_ours_alone}
    row = (await connection.execute(SIGNER, values)).one_or_none()
    if row is None:
        raise NotFound("This app has no key that signs; make one with POST /v1/signing-keys.")
    algorithm = Algorithm(row.algorithm)
    secret = _open(row, master_keys, Owner(scope.tenant, scope.app, row.key_id))
    return Signer(row.key_id, algorithm, secret if algorithm is Algorithm.HS256 else _private(secret))


async def find_verifier(
    connection: AsyncConnection, master_keys: MasterKeys, app: AppId, key_id: str
) -> Verifier | None:
    """Give an app's key that a token names, None if it is unknown or retired; raises `CannotOpen`."""
    row = (await connection.execute(VERIFIER, {"app": app, "key_id": key_id})).one_or_none()
    if row is None:
        return None
    tenant = TenantId(row.tenant_id)
    key = row.public_key
    if key is None:
        key = _open(row, master_keys, Owner(tenant, app, key_id))
    return Verifier(
        scope=Scope(tenant, app),
        id=key_id,
        algorithm=Algorithm(row.algorithm),
        key=key,
        customer_signs=row.customer_signs,
        tokens_valid_from=None if row.tokens_valid_from is None else row.tokens_valid_from.timestamp(),
        is_suspended=row.is_suspended,
    )


async def public_keys(postgres: Postgres, app: AppId) -> list[dict[str, Any]]:
    """Give the public keys that verify an app's tokens as a JWK set's members; raises `NotFound` without such an app."""
    async with postgres.transaction(app) as connection:
        rows = (await connection.execute(PUBLIC, {"app": app})).all()
    if not rows:
        raise NotFound
    return [
        {**_jwk(row.public_key), "kid": row.key_id, "alg": row.algorithm, "use": "sig"}
        for row in rows
        if row.key_id is not None
    ]


async def reseal(postgres: Postgres, master_keys: MasterKeys) -> int:
    """Put a batch of secrets under the newest master key; gives how many, and 0 once all are.

    A row is either as it was or done, so that this may be stopped, repeated and run while tokens are verified. Raises
    `CannotOpen` for a secret that none of our master keys opens.
    """
    async with postgres.ground() as connection:
        apps = [AppId(app) for app in (await connection.execute(ALL_APPS)).scalars()]
    async with postgres.across(apps) as connection:
        values = {"newest": master_keys.newest, "batch": BATCH}
        rows = (await connection.execute(UNDER_OTHERS, values)).all()
        for row in rows:
            owner = Owner(TenantId(row.tenant_id), AppId(row.app_id), row.key_id)
            if row.secret is not None:
                sealed = master_keys.seal(row.secret, owner)
            else:
                sealed = master_keys.reseal(Sealed(row.sealed, row.sealed_key, row.master_version), owner)
            await connection.execute(
                RESEAL,
                {
                    "app": row.app_id,
                    "key_id": row.key_id,
                    "sealed": sealed.secret,
                    "sealed_key": sealed.key,
                    "master_version": sealed.master,
                },
            )
    return len(rows)


def _shown(row: Any, active: str | None) -> SigningKey:  # noqa: ANN401 - a row of SQLAlchemy has no better type
    state: State = "active" if row.key_id == active else "verify_only"
    return SigningKey(
        id=row.key_id,
        algorithm=Algorithm(row.algorithm),
        state=state if row.retired_at is None else "retired",
        customer_signs=row.customer_signs,
        public_key=row.public_key,
        created_at=to_rfc3339(row.created_at),
        retired_at=None if row.retired_at is None else to_rfc3339(row.retired_at),
    )


def _open(row: Any, master_keys: MasterKeys, owner: Owner) -> bytes:  # noqa: ANN401
    if row.secret is not None:  # made before secrets were sealed; `reseal` seals it
        return bytes(row.secret)
    return master_keys.open(Sealed(row.sealed, row.sealed_key, row.master_version), owner)


def _draw(algorithm: Algorithm) -> tuple[bytes, str | None]:
    """Draw a secret, and the public key that goes with it."""
    if algorithm is Algorithm.HS256:
        return secrets.token_bytes(SECRET_BYTES), None
    private = Ed25519PrivateKey.generate() if algorithm is Algorithm.EDDSA else generate_private_key(SECP256R1())
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), _pem(private.public_key())


def _private(der: bytes) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    key = load_der_private_key(der, password=None)
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise TypeError
    return key


def _public(pem: str) -> Ed25519PublicKey | EllipticCurvePublicKey | None:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey) else None


def _checked(pem: str, algorithm: Algorithm) -> str:
    """Give a customer's public key as we write it; raises `WrongPublicKey`."""
    key = _public(pem)
    fits = (algorithm is Algorithm.EDDSA and isinstance(key, Ed25519PublicKey)) or (
        algorithm is Algorithm.ES256 and isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    )
    if key is None or not fits:
        raise WrongPublicKey(pointer="/public_key")
    return _pem(key)


def _pem(key: Ed25519PublicKey | EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _jwk(pem: str) -> dict[str, Any]:
    key = _public(pem)
    if isinstance(key, Ed25519PublicKey):
        return dict(OKPAlgorithm.to_jwk(key, as_dict=True))
    if isinstance(key, EllipticCurvePublicKey):
        return dict(ECAlgorithm.to_jwk(key, as_dict=True))
    raise TypeError
