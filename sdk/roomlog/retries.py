"""When to ask again, and how long to wait before: pure, so that both twins of the client share it."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that pass."""


@dataclass(frozen=True)
class Retries:
    """How often and with what waits something is asked again."""

    times: int = 4
    """After the first time."""
    first_s: float = 0.25
    """The first wait is up to this long; each further one up to twice the one before."""
    most_s: float = 8.0
    """No wait of ours is longer; one that the service asks for is at most `most_asked_s`."""
    most_asked_s: float = 60.0

    def wait_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Give how long to wait after this attempt, counted from 0: full jitter, and never less than the service asked."""
        # Jitter spreads clients that failed together.
        own = random.uniform(0, min(self.most_s, self.first_s * 2**attempt))  # noqa: S311 - no secret
        return own if retry_after_s is None else min(self.most_asked_s, retry_after_s) + own

    def is_worth(self, attempt: int, status: int) -> bool:
        """Tell whether to ask again after this status."""
        return status in AGAIN and attempt < self.times


def read_retry_after(value: str | None) -> float | None:
    """Read the header: seconds, or a date; None for neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
