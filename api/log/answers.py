"""What an append's answer means to who asked: an event, or a refusal."""

import msgspec

from api.errors import (
    BadRequest,
    KeyReused,
    MessageNotFound,
    NotAllowed,
    NotAMember,
    RoomBusy,
    RoomNotFound,
    SeqConflict,
)
from api.log.event import Event
from api.log.item import Answer, Outcome
from tenants.errors import ServiceError

REFUSALS: dict[Outcome, type[ServiceError]] = {
    Outcome.KEY_REUSED: KeyReused,
    Outcome.ROOM_NOT_FOUND: RoomNotFound,
    Outcome.NOT_A_MEMBER: NotAMember,
    Outcome.NOT_ALLOWED: NotAllowed,
    Outcome.MESSAGE_NOT_FOUND: MessageNotFound,
    Outcome.SEQ_CONFLICT: SeqConflict,
    Outcome.HELD: RoomBusy,
    Outcome.POISON: BadRequest,
}


class Written(msgspec.Struct, frozen=True, gc=False):
    """An event that stands in the log."""

    event: Event
    replayed: bool
    """Whether it stood there already, from the same request under the same key."""


def settled(answer: Answer) -> Written | None:
    """Give what was written, or None where nothing had to be; raises the refusal otherwise."""
    refusal = REFUSALS.get(answer.outcome)
    if refusal is not None:
        raise refusal
    if answer.event is None or answer.outcome is Outcome.UNCHANGED:
        return None
    return Written(answer.event, replayed=answer.outcome is Outcome.DUPLICATE)


def written(answer: Answer) -> Written:
    """Give what was written by a kind of event that always writes; raises the refusal otherwise."""
    result = settled(answer)
    if result is None:
        raise ServiceError
    return result
