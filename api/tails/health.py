"""Whether this process hears Redis: LIVE or DEGRADED, and how the audit behaves in each. Pure."""

from dataclasses import dataclass
from enum import Enum

LIVE_INTERVAL_S = 0.4
DEGRADED_INTERVAL_S = 0.12
STALE_S = 2.0


class Mode(Enum):
    """How events reach this process."""

    LIVE = "live"
    """Through Redis; the audit repairs what is lost, and grants a publication a moment before it does."""
    DEGRADED = "degraded"
    """Redis is silent or has been: the audit itself delivers, more often and at once."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of Redis at one moment."""

    probe_heard: bool
    """Whether an own publication came back lately."""
    all_confirmed: bool
    """Whether Redis has confirmed every channel that is wanted."""
    verified_since: bool
    """Whether all heads have been compared with PostgreSQL since the last possible gap."""


def mode(signs: Signs) -> Mode:
    """Decide the mode: LIVE takes every sign."""
    if signs.probe_heard and signs.all_confirmed and signs.verified_since:
        return Mode.LIVE
    return Mode.DEGRADED


def interval_s(mode: Mode) -> float:
    """Give the pause between two looks of the audit."""
    return LIVE_INTERVAL_S if mode is Mode.LIVE else DEGRADED_INTERVAL_S


def is_stale(age_s: float) -> bool:
    """Tell whether the audit is too old to serve by: a process that cannot know who was removed serves nobody."""
    return age_s > STALE_S
