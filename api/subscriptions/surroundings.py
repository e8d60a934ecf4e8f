"""What all connections of a process share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from api.durations import Durations
from api.log.lane import Lanes
from api.log.pages import Pages
from api.log.read import Reader
from api.rooms.directory import Directory
from api.subscriptions.open_room import RoomOpener
from api.tails.audit import Audit
from tenants.budgets import Budgets
from tenants.errors import ServiceError
from tenants.hashing import Pepper
from tenants.postgres import Postgres
from tenants.tallies import Tallies


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all connections of a process share."""

    opener: RoomOpener
    reader: Reader
    audit: Audit
    lanes: Lanes
    directory: Directory
    pages: Pages
    pepper: Pepper
    postgres: Postgres
    budgets: Budgets
    catch_ups: asyncio.Semaphore
    """Bounds how many connections read old events from PostgreSQL at once."""
    counts: "DeliveryCounts"
    tallies: Tallies
    problem: Callable[[ServiceError], Mapping[str, object]]


@dataclass(slots=True)
class DeliveryCounts:
    """What the connections of a process have done since it started."""

    events: int = 0
    snapshots: int = 0
    resumes: int = 0
    resets: Counter[str] = field(default_factory=Counter[str])
    """By reason."""
    revocations: int = 0
    catch_ups: int = 0
    invariant_violations: int = 0
    """Events that were not the next ones: never sent, always a fault of ours."""
    deliveries: Durations = field(default_factory=Durations)
    """Of each page of a room: from the moment it moved to the moment that the client's transport had taken all."""
