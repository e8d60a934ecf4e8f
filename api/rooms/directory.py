"""The directory: which number a room's id stands for, remembered, so that a send looks nothing up.

A number is never used again, so what is remembered can be outdated but never wrong: the append finds no live room under
an old number, and the directory looks once more.
"""

from collections import OrderedDict
from collections.abc import Callable

from api.errors import RoomNotFound
from api.ids import RoomId, RoomNumber
from api.log.item import Answer, Item, Outcome
from api.log.lane import Lanes
from tenants.ids import AppId
from tenants.postgres import Postgres
from tenants.scope import Scope

MAX_REMEMBERED = 100_000
"""Past it, the room that was asked for longest ago is forgotten."""

FIND = "SELECT room FROM rooms WHERE app_id = $1 AND room_id = $2 AND deleted_at IS NULL"


class Directory:
    """Room ids of every scope, each under its app."""

    def __init__(self, postgres: Postgres, lanes: Lanes) -> None:
        """Look up in `postgres`, append through `lanes`."""
        self._postgres = postgres
        self._lanes = lanes
        self._numbers: OrderedDict[tuple[AppId, RoomId], RoomNumber] = OrderedDict()

    async def number(self, scope: Scope, room_id: RoomId) -> RoomNumber:
        """Give a room's number, which may be that of a room deleted since; raises `RoomNotFound`."""
        number = self._numbers.get((scope.app, room_id))
        if number is not None:
            self._numbers.move_to_end((scope.app, room_id))
            return number
        rows = await self._postgres.fetch([scope.app], FIND, scope.app, room_id)
        if not rows:
            raise RoomNotFound
        number = self._numbers[scope.app, room_id] = RoomNumber(rows[0]["room"])
        if len(self._numbers) > MAX_REMEMBERED:
            self._numbers.popitem(last=False)
        return number

    async def append(self, scope: Scope, room_id: RoomId, item: Callable[[RoomNumber], Item]) -> Answer:
        """Append to the room that the id stands for now; raises `RoomNotFound` and what lanes raise."""
        number = await self.number(scope, room_id)
        answer = await self._lanes.append(item(number))
        if answer.outcome is not Outcome.ROOM_NOT_FOUND:
            return answer
        self._numbers.pop((scope.app, room_id), None)
        again = await self.number(scope, room_id)
        return answer if again == number else await self._lanes.append(item(again))
