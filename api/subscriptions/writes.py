"""What a client writes on its socket: the verbs of REST, with the order of its frames kept."""

import asyncio
import secrets
from collections.abc import Callable

import structlog

from api.ids import RoomId
from api.log.answers import Written
from api.messages.edit import delete, edit
from api.messages.send import send
from api.names import room_id as checked
from api.permits import permit
from api.subscriptions import frames
from api.subscriptions.surroundings import Surroundings
from tenants.budgets import Budget
from tenants.errors import ServiceError
from tenants.grants import Grant
from tenants.scope import Caller
from tenants.users import acting_as

MAX_WRITES = 64
"""Writes of one connection without their answer; the next frame is read when one has been answered."""

log = structlog.get_logger()


class Writes:
    """The writes of one connection that are under way."""

    def __init__(
        self,
        around: Surroundings,
        caller: Caller,
        say: Callable[[str], None],
        refuse: Callable[[frames.Id, ServiceError, str], None],
    ) -> None:
        """Write as `caller`; acks go to `say`, refusals to `refuse`."""
        self._around = around
        self.caller = caller
        self._say = say
        self._refuse = refuse
        self._writes: set[asyncio.Task[None]] = set()
        self._last: asyncio.Future[None] | None = None
        """Done once the latest frame's write has entered the lane, or never will."""

    async def settle(self) -> None:
        """Wait until every write that was taken in has been answered."""
        if self._writes:
            await asyncio.wait(self._writes)

    async def end(self) -> None:
        """Give up what is under way, its outcome unknown to the client."""
        for write in self._writes:
            write.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def start(self, frame: frames.Write) -> None:
        """Start a write; those of one connection enter the lane in the order of their frames.

        What each takes from its caller's limits is asked for at once, so that those that come together share a trip.
        """
        while len(self._writes) >= MAX_WRITES:
            await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)
        turn, self._last = self._last, asyncio.get_running_loop().create_future()
        write = asyncio.create_task(self._write(self.caller, frame, turn, self._last))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _write(
        self, caller: Caller, frame: frames.Write, turn: "asyncio.Future[None] | None", entered: "asyncio.Future[None]"
    ) -> None:
        try:
            written = await self._in_turn(caller, frame, turn, entered)
        except ServiceError as error:
            self._refuse(frame.id, error, frame.room)
        except Exception:
            log.exception("write_failed", **caller.log_fields())
            self._refuse(frame.id, ServiceError(), frame.room)
        else:
            self._say(frames.ack(frame.id, frame.room, written))

    async def _in_turn(
        self, caller: Caller, frame: frames.Write, turn: "asyncio.Future[None] | None", entered: "asyncio.Future[None]"
    ) -> Written | None:
        """Write once the frame before has entered the lane (`turn`), and say when this one has (`entered`)."""
        around = self._around
        try:
            try:
                taken = await around.budgets.take(caller, Budget.SENDS, room=frame.room)
            finally:
                # Refused or not: who comes after it must not overtake those before it.
                if turn is not None:
                    await turn
            taken.check()
            permit(caller, Grant.MESSAGES_WRITE, frame.room)
            actor = await acting_as(around.postgres, caller, frame.act_as)
            # Known from here on, so that a message is in the lane before this step ends, and anybody else's begins.
            await around.directory.number(actor.scope, checked(frame.room, "/room"))
        finally:
            if not entered.done():
                entered.set_result(None)
        return await self._do(actor, frame, RoomId(frame.room))

    async def _do(self, caller: Caller, frame: frames.Write, room_id: RoomId) -> Written | None:
        around = self._around
        key = frame.key or secrets.token_urlsafe(16)
        match frame:
            case frames.Send():
                return await send(around.directory, around.pepper, caller, room_id, frame, key)
            case frames.Edit():
                doors = (around.lanes, around.pages, around.pepper)
                return await edit(*doors, caller, room_id, frame.message, frame, key)
            case frames.Delete():
                doors = (around.lanes, around.pages, around.pepper)
                return await delete(*doors, caller, room_id, frame.message, key)
