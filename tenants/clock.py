"""The wall clock, for what people read and tokens state. It orders nothing."""

from datetime import UTC, datetime
from functools import lru_cache


def now() -> datetime:
    """Tell the present moment in UTC."""
    return datetime.now(UTC)


@lru_cache(maxsize=1_000)
def to_rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with milliseconds, as every surface shows times."""
    # Remembered for a moment: all that one call commits has the same time.
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
