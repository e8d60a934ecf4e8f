"""Passwords: of people who sign in to the dashboard, hashed slowly by argon2id, off the loop and never many at once.

A hash costs tens of milliseconds and 19 MiB, so that guessing does too. That must not become an outage: hashing has threads
of its own, and beyond a bound whoever comes is asked to come back. Nothing that an API key can ask for hashes like this.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tenants.common_passwords import COMMON
from tenants.errors import Unavailable

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
MIN_CHARACTERS = 8
MAX_CHARACTERS = 128
AT_ONCE = 2
"""Hashes that are worked on at the same time."""
MAX_WAITING = 30
"""Those that wait for it: about as many as are done in a second."""

T = TypeVar("T")


class BadPassword(Exception):
    """A password that nobody may choose; the message is a sentence for whoever tried."""


@dataclass(slots=True)
class PasswordCounts:
    """What the hashing of a process has done since it started."""

    hashed: int = 0
    verified: int = 0
    turned_away: int = 0
    """Those who came when as many were waiting as may."""


def check_password(text: str) -> None:
    """Raise `BadPassword` for what nobody may choose: under 8 or over 128 characters, or one that everybody tries first.

    What characters it has is the person's own matter, and it counts exactly as it was typed.
    """
    if len(text) < MIN_CHARACTERS:
        raise BadPassword(f"A password has at least {MIN_CHARACTERS} characters.")
    if len(text) > MAX_CHARACTERS:
        raise BadPassword(f"A password has at most {MAX_CHARACTERS} characters.")
    if text.lower() in COMMON:
        raise BadPassword("This password is among the first that anybody tries; choose another.")


class Passwords:
    """Hashes and verifies, two at a time."""

    def __init__(self) -> None:
        """Make the threads' pool, and one hash to verify against where there is none."""
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(AT_ONCE + MAX_WAITING)
        self._nobodys = self._hasher.hash(secrets.token_bytes(32))
        self.counts = PasswordCounts()

    def close(self) -> None:
        """Let the threads go; what still waits for one is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, text: str) -> str:
        """Hash a password; raises `Unavailable` while too many are waiting."""
        hashed = await self._work(lambda: self._hasher.hash(_spell(text)))
        self.counts.hashed += 1
        return hashed

    async def verify(self, password_hash: str | None, text: str) -> bool:
        """Tell whether a password is the one of a hash; without a hash it is not, after the same work.

        Raises `Unavailable` while too many are waiting.
        """
        compared = self._nobodys if password_hash is None else password_hash
        is_it = await self._work(lambda: self._is_of(compared, text))
        self.counts.verified += 1
        return is_it and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Tell whether a hash was made with less, or more, work than hashes are made with now."""
        return self._hasher.check_needs_rehash(password_hash)

    def _is_of(self, password_hash: str, text: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _spell(text))
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, doing: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            self.counts.turned_away += 1
            raise Unavailable("Too many are signing in right now; retry after the stated time.")
        try:
            work = self._threads.submit(doing)
        except RuntimeError:
            self._places.release()
            raise
        # Its place is free when the thread is done with it, and not already when whoever asked has gone.
        work.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(work)


def _spell(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
