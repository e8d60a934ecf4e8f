"""Losing pushes: the server's own Redis refuses to publish, as one does that fails over at that moment."""

import asyncio
import socket
import time
from types import TracebackType
from urllib.parse import unquote, urlsplit

GIVEN_UP_S = 0.75
"""The service publishes within half a second of the acknowledgement or not at all, and waits 0.1 s after a failure."""
ANSWER_S = 5.0


class LostPushes:
    """Loses the push of whatever is written inside `with` or `async with`: PostgreSQL has it, and the audit delivers it."""

    def __init__(self, redis_url: str) -> None:
        """Lose what that Redis is asked to publish."""
        self._path = unquote(urlsplit(redis_url).path)

    def __enter__(self) -> None:
        """Begin."""
        self._tell("-publish")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until what was written inside has been given up, and let Redis publish again."""
        try:
            time.sleep(GIVEN_UP_S)
        finally:
            self._tell("+publish")

    async def __aenter__(self) -> None:
        """Begin."""
        self._tell("-publish")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until what was written inside has been given up, and let Redis publish again."""
        try:
            await asyncio.sleep(GIVEN_UP_S)
        finally:
            self._tell("+publish")

    def _tell(self, rule: str) -> None:
        words = ["ACL", "SETUSER", "default", rule]
        said = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.socket(socket.AF_UNIX) as redis:
            redis.settimeout(ANSWER_S)
            redis.connect(self._path)
            redis.sendall(said.encode())
            answer = redis.recv(1024)
        if answer != b"+OK\r\n":
            raise RuntimeError(f"Redis answered {answer!r}.")
