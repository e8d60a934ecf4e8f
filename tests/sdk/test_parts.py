"""The client's parts that need no service: the outbox, the pace, credentials, and what is unknown."""

import asyncio
import base64
import itertools
import json
import time
from typing import Any

import msgspec
import pytest

from roomlog._generated.models import Ack, RoomPage, ServerFrame
from roomlog.credentials import Credential
from roomlog.models import MessageCreated
from roomlog.realtime import outbox as bounds
from roomlog.realtime.outbox import Outbox
from roomlog.realtime.pace import BURST, PER_S, Pace
from roomlog.retries import Retries, read_retry_after
from roomlog.unknown import Unknown, decode, decode_any, to_wire


async def put(outbox: Outbox, count: int) -> list[asyncio.Task[Ack]]:
    """Write so many, and wait until they stand in the outbox."""
    before = len(outbox)
    writing = [asyncio.create_task(outbox.write({"op": "send", "number": number})) for number in range(count)]
    async with asyncio.timeout(15):
        while len(outbox) < min(before + count, bounds.MAX_WAITING):
            await asyncio.sleep(0)
    return writing


async def test_what_was_on_its_way_goes_out_again_under_the_same_key() -> None:
    """In the same order, and before what came later."""
    outbox = Outbox()
    writing = await put(outbox, 3)
    first, second = outbox.next(0), outbox.next(0)
    assert first is not None
    assert second is not None
    keys = [first.frame["key"], second.frame["key"]]
    outbox.lose()
    again = [outbox.next(0), outbox.next(0), outbox.next(0)]
    assert [write.frame["key"] for write in again[:2] if write] == keys
    assert [write.frame["number"] for write in again if write] == [0, 1, 2]
    outbox.acknowledge(first.mark, Ack(room="r", seq=1))
    assert (await writing[0]).seq == 1
    outbox.fail(ConnectionError())
    assert [type(each) for each in await asyncio.gather(*writing[1:], return_exceptions=True)] == [ConnectionError] * 2


async def test_only_so_many_are_on_their_way_and_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound the next one is taken when one is done, and no sooner."""
    monkeypatch.setattr(bounds, "MAX_WAITING", 5)
    monkeypatch.setattr(bounds, "MAX_IN_FLIGHT", 2)
    outbox = Outbox()
    writing = await put(outbox, 7)
    assert len(outbox) == 5
    one, two = outbox.next(0), outbox.next(0)
    assert outbox.next(0) is None
    assert one is not None
    assert two is not None
    outbox.acknowledge(one.mark, Ack(room="r"))
    await asyncio.wait([writing[0]])
    third = outbox.next(0)
    assert third is not None
    assert third.frame["number"] == 2
    async with asyncio.timeout(15):
        while len(outbox) < 5:
            await asyncio.sleep(0)
    for task in writing:
        task.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    assert len(outbox) == 0


async def test_what_is_put_off_waits_for_its_time_alone() -> None:
    """Others pass it by; a write that is refused for good is raised where it was made."""
    outbox = Outbox()
    writing = await put(outbox, 2)
    first = outbox.next(0)
    assert first is not None
    outbox.put_off(first.mark, until=10)
    assert outbox.next_at() == 10
    second = outbox.next(0)
    assert second is not None
    assert second.frame["number"] == 1
    assert outbox.next(9.9) is None
    assert outbox.next(10) is first
    outbox.refuse(first.mark, ValueError("too long"))
    with pytest.raises(ValueError, match="too long"):
        await writing[0]
    outbox.fail(ConnectionError())
    await asyncio.gather(*writing, return_exceptions=True)


def test_the_pace_is_a_burst_and_then_so_many_a_second() -> None:
    """Whoever waits as told says no more than that in any window."""
    pace, now, said = Pace(), 100.0, []
    for _ in range(500):
        while (wait_s := pace.wait_s(now)) > 0:
            now += wait_s
        said.append(now)
    assert said[BURST - 1] == pytest.approx(said[0])
    for first, last in itertools.combinations(range(len(said)), 2):
        assert last - first <= BURST + PER_S * (said[last] - said[first])


def token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
    return f"e30.{claims}.x"


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_token_is_fetched_once_for_all_who_need_it(*, is_async: bool) -> None:
    """And kept until shortly before its end, or until it is refused."""
    given: list[str] = []

    def fetch() -> str:
        given.append(token(3600) + str(len(given)))
        return given[-1]

    async def fetch_later() -> str:
        await asyncio.sleep(0.01)
        return fetch()

    credential = Credential(None, fetch_later if is_async else fetch)
    got = await asyncio.gather(*(credential.aget() for _ in range(10)))
    assert (len(set(got)), len(given)) == (1, 1)
    got = await asyncio.gather(*(credential.aget(refused=got[0]) for _ in range(10)))
    assert (set(got), len(given)) == ({given[1]}, 2)


@pytest.mark.parametrize(("life_s", "is_fetched"), [(20, False), (29, False), (3600, False), (0, True)])
async def test_a_token_is_replaced_before_it_ends(life_s: float, *, is_fetched: bool) -> None:
    """30 s before, or at half its life where that is shorter."""
    given: list[str] = []

    def fetch() -> str:
        given.append(token(life_s))
        return given[-1]

    credential = Credential(None, fetch)
    await credential.aget()
    await credential.aget()
    assert (len(given) == 2) is is_fetched
    credential._renew_at = time.time()
    await credential.aget()
    assert len(given) == 2 + is_fetched


def test_waits_grow_are_random_and_never_shorter_than_asked() -> None:
    """And no service can have a client wait for ever."""
    retries = Retries()
    for attempt in range(10):
        waits = [retries.wait_s(attempt) for _ in range(200)]
        most = min(retries.most_s, retries.first_s * 2**attempt)
        assert 0 <= min(waits) < most / 4
        assert most * 3 / 4 < max(waits) <= most
    assert retries.wait_s(0, 3.0) >= 3.0
    assert retries.wait_s(0, 1e9) <= retries.most_asked_s + retries.first_s
    assert read_retry_after("2") == 2.0
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert read_retry_after("soon") is None


PLACE = {"room": "r", "seq": 7, "cursor": "c", "at": "2026-01-01T00:00:00.000Z"}
MESSAGE = {
    "id": "m1",
    "seq": 7,
    "number": 1,
    "updated_seq": 7,
    "created_at": PLACE["at"],
    "sender": "ann",
    "metadata": {},
    "parts": [{"type": "text", "text": "Hi"}],
}


def read(frame: dict[str, Any]) -> Any:
    return decode_any(json.dumps(frame), ServerFrame)


def test_unknown_members_of_unions_are_kept_wherever_they_stand() -> None:
    """As they came, to be sent on as they came; and what only looks like one is left alone."""
    event = {"type": "message.sung", **PLACE, "notes": [1, 2]}
    assert read(event) == Unknown(event)
    part = {"type": "hologram", "depth": {"type": "far"}}
    message = {**MESSAGE, "parts": [*MESSAGE["parts"], part], "metadata": {"type": "anything", "list": [{"type": "x"}]}}
    created = read({"type": "message.created", **PLACE, "message": message, "more": {"type": "unheard"}})
    assert isinstance(created, MessageCreated)
    assert created.message.parts[1] == Unknown(part)
    assert created.message.metadata == message["metadata"]
    assert to_wire(created.message.parts) == message["parts"]


def test_what_is_of_no_promised_shape_is_refused() -> None:
    """A known type with another shape is no newer server's, and neither is what is no JSON."""
    with pytest.raises(msgspec.ValidationError):
        read({"type": "message.created", **PLACE, "message": 3})
    with pytest.raises(msgspec.DecodeError):
        decode_any("{", ServerFrame)
    with pytest.raises(msgspec.ValidationError):
        decode('{"rooms": 1}', RoomPage)
