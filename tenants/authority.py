"""Who a credential speaks for: verified once, remembered for a minute at most, forgotten at once when revoked."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from tenants.clock import now
from tenants.controls import AppChanged, Control, FloorMoved, KeyRevoked, KeyRotated
from tenants.errors import Unauthenticated
from tenants.hashing import Pepper
from tenants.ids import AppId
from tenants.keys import parse_key, verify_key
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.tokens import MAX_TOKEN_BYTES, verify_token

REMEMBER_S = 60.0
REMEMBER_REFUSED_S = 5.0
MAX_REMEMBERED = 50_000
KEY_PREFIX = "rl_"


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A caller whose credential holds, and until when (Unix time; None: until revoked)."""

    caller: Caller
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class _Remembered:
    who: Credentialed | None
    app: AppId | None
    until: float


class Authority:
    """Verifies API keys and users' tokens."""

    def __init__(self, postgres: Postgres, pepper: Pepper) -> None:
        """Look up in `postgres`, hash with `pepper`."""
        self._postgres = postgres
        self._pepper = pepper
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Credentialed | None]] = {}
        self._forgettings = 0

    async def authenticate(self, credential: str) -> Credentialed:
        """Say for whom a credential speaks; raises `Unauthenticated`, or `Unavailable` without a database."""
        if not credential.isascii() or len(credential) > MAX_TOKEN_BYTES:
            raise Unauthenticated
        digest = hashlib.sha256(credential.encode()).digest()
        loop = asyncio.get_running_loop()
        known = self._remembered.get(digest)
        if known is not None and known.until > loop.time():
            who = known.who
        else:
            task = self._under_way.get(digest)
            if task is None:
                task = self._under_way[digest] = loop.create_task(self._verify(digest, credential))
                task.add_done_callback(lambda _: self._under_way.pop(digest, None))
            who = await asyncio.shield(task)
        if who is None or (who.expires_at is not None and who.expires_at < now().timestamp()):
            raise Unauthenticated
        return who

    def remembers(self, credential: str) -> bool:
        """Tell whether a credential was good when it was last looked at, without looking at it."""
        known = self._remembered.get(hashlib.sha256(credential.encode()).digest())
        return known is not None and known.who is not None

    def forget(self, control: Control) -> None:
        """Drop what a control row concerns; what is being verified right now is verified once more."""
        if isinstance(control, FloorMoved):
            return
        self._forgettings += 1
        for digest, known in list(self._remembered.items()):
            is_key = known.who is not None and known.who.caller.is_server
            concerns = isinstance(control, AppChanged) or is_key == isinstance(control, KeyRevoked | KeyRotated)
            if known.app == control.app and concerns:
                del self._remembered[digest]

    async def _verify(self, digest: bytes, credential: str) -> Credentialed | None:
        while True:
            forgettings = self._forgettings
            if credential.startswith(KEY_PREFIX):
                who = await self._verify_key(credential)
            else:
                who = await self._verify_token(credential)
            if forgettings == self._forgettings:
                break
            # Something was revoked while we looked, perhaps this.
        lifetime_s = REMEMBER_REFUSED_S if who is None else REMEMBER_S
        until = asyncio.get_running_loop().time() + lifetime_s
        app = None if who is None else who.caller.scope.app
        self._remembered[digest] = _Remembered(who, app, until)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return who

    async def _verify_key(self, credential: str) -> Credentialed | None:
        key = parse_key(credential)
        if key is None:
            return None
        verified = await verify_key(self._postgres, self._pepper, key)
        if verified is None:
            return None
        return Credentialed(Caller(verified.scope, key=key.number, grants=verified.grants), verified.expires_at)

    async def _verify_token(self, credential: str) -> Credentialed | None:
        verified = await verify_token(self._postgres, credential)
        if verified is None:
            return None
        caller = Caller(verified.scope, user=verified.user, grants=verified.reach.grants, rooms=verified.reach.rooms)
        return Credentialed(caller, verified.expires_at)
