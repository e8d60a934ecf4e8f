"""A flag to wait for: `asyncio.Event` without a queue for those who wait, of which there is mostly one or none.

Each such queue takes 760 bytes, and every connection has several flags.
"""

import asyncio


class Flag:
    """Lowered at first."""

    __slots__ = ("_is_raised", "_waiting")

    def __init__(self) -> None:
        """Be lowered."""
        self._is_raised = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Tell whether it is raised."""
        return self._is_raised

    def set(self) -> None:
        """Raise it, and wake all who wait."""
        self._is_raised = True
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Lower it."""
        self._is_raised = False

    async def wait(self) -> None:
        """Return once it is raised, be it for a moment."""
        if self._is_raised:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            self._forget(future)
            raise

    def _forget(self, future: asyncio.Future[None]) -> None:
        if self._waiting is not None and future in self._waiting:
            self._waiting.remove(future)
