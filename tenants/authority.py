"""Who a credential speaks for: verified once, remembered for a minute at most, forgotten at once when revoked."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from tenants.clock import now
from tenants.controls import Control, FloorMoved
from tenants.errors import AppSuspended, Unauthenticated
from tenants.hashing import Pepper
from tenants.ids import KeyNumber
from tenants.keys import parse_key, verify_key
from tenants.marks import Mark, Marked
from tenants.postgres import Postgres
from tenants.scope import Caller
from tenants.sealing import MasterKeys
from tenants.tokens import MAX_TOKEN_BYTES, verify_token

REMEMBER_S = 60.0
REMEMBER_REFUSED_S = 5.0
MAX_REMEMBERED = 50_000
MAX_REFUSED = 10_000
KEY_PREFIX = "rl_"


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A caller whose credential holds, until when (Unix time; None: until revoked), and what can end it before."""

    caller: Caller
    expires_at: float | None
    issued_at: float | None = None
    """When a token was issued (Unix time); None for an API key."""
    token: str | None = None
    """The name by which a token is revoked."""
    signing_key: str | None = None
    made_by: KeyNumber | None = None
    """The API key that made a ticket, which ends with it."""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Give all under which a control row may name this."""
        app, caller = self.caller.scope.app, self.caller
        marks: list[Mark] = [("app", app, 0)]
        keys = [key for key in (caller.key, self.made_by) if key is not None]
        marks.extend(("key", app, key) for key in keys)
        if caller.user is not None:
            marks.append(("user", app, caller.user.number))
        if self.token is not None:
            marks.append(("token", app, self.token))
        if self.signing_key is not None:
            marks.append(("signing_key", app, self.signing_key))
        return tuple(marks)


@dataclass(frozen=True, slots=True)
class _Remembered:
    who: Credentialed | None
    is_suspended: bool
    until: float

    @property
    def marks(self) -> tuple[Mark, ...]:
        return () if self.who is None else self.who.marks


class Authority:
    """Verifies API keys and tokens."""

    def __init__(self, postgres: Postgres, pepper: Pepper, master_keys: MasterKeys) -> None:
        """Look up in `postgres`, hash with `pepper`, open secrets with `master_keys`."""
        self._postgres = postgres
        self._pepper = pepper
        self._master_keys = master_keys
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        # By itself, or who guesses would push out those who are in.
        self._refused: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._marked: Marked[bytes] = Marked()
        self._under_way: dict[bytes, asyncio.Task[_Remembered]] = {}
        self._forgettings = 0

    async def authenticate(self, credential: str) -> Credentialed:
        """Say for whom a credential speaks; raises `Unauthenticated`, `AppSuspended`, or `Unavailable` without a database."""
        if not credential.isascii() or len(credential) > MAX_TOKEN_BYTES:
            raise Unauthenticated
        digest = hashlib.sha256(credential.encode()).digest()
        loop = asyncio.get_running_loop()
        known = self._remembered.get(digest) or self._refused.get(digest)
        if known is None or known.until <= loop.time():
            task = self._under_way.get(digest)
            if task is None:
                task = self._under_way[digest] = loop.create_task(self._verify(digest, credential))
                task.add_done_callback(lambda done: self._looked(digest, done))
            known = await asyncio.shield(task)
        who = known.who
        if who is None or (who.expires_at is not None and who.expires_at <= now().timestamp()):
            raise Unauthenticated
        if known.is_suspended:
            raise AppSuspended
        return who

    def _looked(self, digest: bytes, done: "asyncio.Task[_Remembered]") -> None:
        self._under_way.pop(digest, None)
        if not done.cancelled():
            done.exception()  # those who waited have had it; if nobody waited any more, nobody misses it

    def remembers(self, credential: str) -> bool:
        """Tell whether a credential was good when it was last looked at, without looking at it."""
        known = self._remembered.get(hashlib.sha256(credential.encode()).digest())
        return known is not None and known.who is not None

    def forget(self, control: Control) -> None:
        """Drop what a control row concerns; what is being verified right now is verified once more."""
        if isinstance(control, FloorMoved):
            return
        self._forgettings += 1
        for digest in self._marked.of(control.mark):
            self._drop(digest)

    def forget_all(self) -> None:
        """Drop everything: control rows may have been missed."""
        self._forgettings += 1
        self._remembered.clear()
        self._refused.clear()
        self._marked = Marked()

    def _drop(self, digest: bytes) -> None:
        known = self._remembered.pop(digest, None)
        if known is not None:
            self._marked.remove(digest, known.marks)

    async def _verify(self, digest: bytes, credential: str) -> _Remembered:
        while True:
            forgettings = self._forgettings
            if credential.startswith(KEY_PREFIX):
                who, is_suspended = await self._verify_key(credential)
            else:
                who, is_suspended = await self._verify_token(credential)
            if forgettings == self._forgettings:
                break
            # Something was revoked while we looked, perhaps this.
        moment = asyncio.get_running_loop().time()
        self._drop(digest)
        if who is None:
            known = self._refused[digest] = _Remembered(None, is_suspended, moment + REMEMBER_REFUSED_S)
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
            return known
        known = self._remembered[digest] = _Remembered(who, is_suspended, moment + REMEMBER_S)
        self._marked.add(digest, known.marks)
        if len(self._remembered) > MAX_REMEMBERED:
            self._drop(next(iter(self._remembered)))
        return known

    async def _verify_key(self, credential: str) -> tuple[Credentialed | None, bool]:
        key = parse_key(credential)
        if key is None:
            return None, False
        verified = await verify_key(self._postgres, self._pepper, key)
        if verified is None:
            return None, False
        caller = Caller(verified.scope, key=key.number, grants=verified.grants)
        return Credentialed(caller, verified.expires_at), verified.is_suspended

    async def _verify_token(self, credential: str) -> tuple[Credentialed | None, bool]:
        verified = await verify_token(self._postgres, self._master_keys, credential)
        if verified is None:
            return None, False
        if verified.user is None:
            caller = Caller.inspector(verified.scope)
        else:
            reach = verified.reach
            caller = Caller(verified.scope, user=verified.user, grants=reach.grants, rooms=reach.rooms)
        who = Credentialed(
            caller,
            verified.expires_at,
            issued_at=verified.issued_at,
            token=verified.mark,
            signing_key=verified.signing_key,
        )
        return who, verified.is_suspended
