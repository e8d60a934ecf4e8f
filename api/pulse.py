"""The pulse: how late the event loop is. A loop that is late is late for everybody, so it takes no new ones."""

import asyncio
from collections import deque

EVERY_S = 0.1
LATE_S = 0.5
BEATS = 5
"""One late beat is a hiccup; as many as this in a row are an overload, half a second each."""


class Pulse:
    """Measures by how much each of its own short sleeps is overslept."""

    def __init__(self) -> None:
        """Begin in good health."""
        self._lags: deque[float] = deque([0.0] * BEATS, maxlen=BEATS)

    @property
    def lag_s(self) -> float:
        """The worst of the last few beats."""
        return max(self._lags)

    @property
    def is_late(self) -> bool:
        """Whether every one of the last few beats came late."""
        return min(self._lags) > LATE_S

    def beat(self, lag_s: float) -> None:
        """Take in by how much a beat came late."""
        self._lags.append(lag_s)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.beat(max(0.0, loop.time() - due))
