"""Strangers: sockets that are open and have not said yet who they are. They are few, and not for long."""

from collections import Counter

from api.errors import Overloaded, TooManyStrangers

RETRY_AFTER_S = 5.0
"""After so long every stranger of now is known or gone."""


class Strangers:
    """Counts them, from each address and in all."""

    def __init__(self, *, per_address: int, in_all: int) -> None:
        """Let in as many."""
        self._per_address = per_address
        self._in_all = in_all
        self._by_address: Counter[str] = Counter()
        self._count = 0
        self.refused = 0

    def __len__(self) -> int:
        """Count those inside."""
        return self._count

    def admit(self, address: str) -> None:
        """Let one in, who is to be dismissed in the end.

        Raises `TooManyStrangers` from this address, `Overloaded` for too many from anywhere.
        """
        if self._by_address[address] >= self._per_address:
            self.refused += 1
            raise TooManyStrangers(retry_after_s=RETRY_AFTER_S)
        if self._count >= self._in_all:
            self.refused += 1
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._by_address[address] += 1
        self._count += 1

    def dismiss(self, address: str) -> None:
        """Count one out again: gone, or a stranger no longer."""
        self._count -= 1
        self._by_address[address] -= 1
        if self._by_address[address] == 0:
            del self._by_address[address]
