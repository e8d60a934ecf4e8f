"""Jobs on the wire."""

from typing import Self

import msgspec

from api.texts import Moment
from tenants.jobs import Job


class JobView(msgspec.Struct):
    """A job: what it does, how much of it is done, and whether it is finished."""

    id: str
    kind: str
    done: int
    """Rows and events dealt with so far."""
    created_at: Moment
    finished_at: Moment | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job."""
        return cls(job.id, job.kind, job.done, job.created_at, job.finished_at)
