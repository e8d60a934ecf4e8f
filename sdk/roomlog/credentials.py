"""Who asks: an API key, a token, or a function that gives tokens; asked before the old one ends, and once at a time."""

import asyncio
import base64
import binascii
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

TokenProvider: TypeAlias = Callable[[], str] | Callable[[], Awaitable[str]]
"""Gives a token that holds for a while; called from the client's loop or thread, never twice at once."""

MAX_REFUSED = 5
"""Tokens in a row that are replaced when they are refused: one may have been ended while it was on its way."""
EARLY_S = 30.0
"""How long before its end a token is replaced; half its life, where that is shorter."""


class Credential:
    """A credential and, where there is one, the function that renews it."""

    def __init__(self, fixed: str | None, provider: TokenProvider | None) -> None:
        """Hold a fixed one or a provider."""
        self._provider = provider
        self._now = fixed
        self._renew_at = float("inf")
        self._lock = threading.Lock()
        self._alock: asyncio.Lock | None = None

    def __repr__(self) -> str:
        """Show what it is, never what it says."""
        if self._provider is not None:
            return "<token provider>"
        return "<API key>" if (self._now or "").startswith("rl_") else "<token>"

    @property
    def renews(self) -> bool:
        """Whether another can be had."""
        return self._provider is not None

    def get(self, refused: str | None = None) -> str:
        """Give the credential for a request; `refused` is one that did not hold."""
        with self._lock:
            if self._provider is not None and self._must_renew(refused):
                given = self._provider()
                if inspect.isawaitable(given):
                    _close(given)
                    raise TypeError("A token provider is a plain function or, for AsyncRoomlog, an `async def`.")
                self._keep(str(given))
            return self._now or ""

    async def aget(self, refused: str | None = None) -> str:
        """Give the credential for a request; who comes while one is fetched waits for that one."""
        if self._provider is None:
            return self._now or ""
        if not inspect.iscoroutinefunction(self._provider):
            # It may be slow, and the loop has sockets to read.
            return await asyncio.to_thread(self.get, refused)
        if self._alock is None:
            self._alock = asyncio.Lock()
        async with self._alock:
            if self._must_renew(refused):
                self._keep(str(await self._provider()))
            return self._now or ""

    def _must_renew(self, refused: str | None) -> bool:
        return self._now is None or refused == self._now or time.time() >= self._renew_at

    def _keep(self, token: str) -> None:
        self._now = token
        ends_at = _end_of(token)
        life_s = ends_at - time.time()
        self._renew_at = float("inf") if ends_at == float("inf") else ends_at - min(EARLY_S, life_s / 2)


class Refusals:
    """The tokens, one after the other, that did not hold."""

    def __init__(self) -> None:
        """Begin with none."""
        self.last: str | None = None
        self._count = 0

    def is_worth_another(self, token: str) -> bool:
        """Take in a token that was refused; gives whether to ask for another: not if this is the same again, or one too many."""
        if token == self.last or self._count >= MAX_REFUSED:
            return False
        self.last, self._count = token, self._count + 1
        return True

    def clear(self) -> None:
        """Note that one did hold."""
        self.last, self._count = None, 0


def _end_of(token: str) -> float:
    """Read when a JWT ends; its signature is the service's business. What is no JWT has no end that we could read."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return float("inf")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return float("inf")


def _close(given: object) -> None:
    close = getattr(given, "close", None)
    if close is not None:
        close()
