"""The pace of frames: the service closes a socket that says more than 50 in a second after a burst of 200."""

PER_S = 40.0
BURST = 150


class Pace:
    """Says how long to wait before the next frame. Pure."""

    def __init__(self) -> None:
        """Begin with the whole burst."""
        self._full_at = 0.0

    def wait_s(self, now: float) -> float:
        """Give how long to wait at `now`; 0.0 takes one frame."""
        full_at = max(self._full_at, now) + 1 / PER_S
        wait_s = full_at - now - BURST / PER_S
        if wait_s > 0:
            return wait_s
        self._full_at = full_at
        return 0.0
