"""Changes of a membership that somebody else ends or begins in between, each forced at its step."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from api.ids import RoomId
from api.log.event import Kind
from api.log.item import Answer, Item
from api.log.lane import Lanes
from api.members.actions import MemberDoors, put_member
from api.members.schemas import MemberChange
from tenants.ids import UserId
from tests.support.inside import Inside, inside

R, ANN = RoomId("r"), UserId("ann")


class Interrupted(Lanes):
    """The real lanes; before or after the first item of a kind goes in, something else happens."""

    def __init__(self, real: Lanes, step: tuple[str, Kind], meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(real.lanes)
        self.step = step
        self.meanwhile = meanwhile
        self.has_happened = False

    async def append(self, item: Item) -> Answer:
        await self.reach(("before", item.kind))
        answer = await super().append(item)
        await self.reach(("after", item.kind))
        return answer

    async def reach(self, step: tuple[str, Kind]) -> None:
        if step == self.step and not self.has_happened:
            self.has_happened = True
            await self.meanwhile()


@pytest.fixture
async def here(environment: dict[str, str]) -> AsyncIterator[Inside]:
    """One process, and a room with one member."""
    async with inside(environment) as opened:
        await opened.room("r", "ann")
        yield opened


async def promote(here: Inside, step: tuple[str, Kind], meanwhile: Callable[[], Awaitable[None]]) -> str:
    lanes = Interrupted(here.wiring.lanes, step, meanwhile)
    doors = MemberDoors(here.wiring.postgres, lanes, here.wiring.pepper, here.wiring.budgets)
    member = await put_member(doors, here.server, R, ANN, MemberChange(role="admin"), "k")
    assert lanes.has_happened
    return member.role


async def test_a_member_removed_before_it_is_looked_at_is_added_as_admin(here: Inside) -> None:
    """The adding found a member, and then there is none: the whole is tried anew."""
    assert await promote(here, ("after", Kind.MEMBER_ADDED), lambda: here.remove("r", "ann")) == "admin"


async def test_a_member_removed_before_its_promotion_is_added_as_admin(here: Inside) -> None:
    """The promotion finds no member, so the whole is tried anew: after it, the user is what was asked for."""
    assert await promote(here, ("before", Kind.MEMBER_ROLE_CHANGED), lambda: here.remove("r", "ann")) == "admin"


async def test_a_member_who_came_back_before_its_promotion_is_promoted(here: Inside) -> None:
    """The promotion was of a membership that is over; the new one is promoted."""

    async def out_and_in() -> None:
        await here.remove("r", "ann")
        await here.add("r", "ann")

    assert await promote(here, ("before", Kind.MEMBER_ROLE_CHANGED), out_and_in) == "admin"


async def test_a_user_added_by_somebody_else_in_between_is_promoted(here: Inside) -> None:
    """The adding finds a member already; the role is what was asked for all the same."""
    await here.remove("r", "ann")
    assert await promote(here, ("before", Kind.MEMBER_ADDED), lambda: here.add("r", "ann")) == "admin"
