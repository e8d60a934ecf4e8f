"""Whether rooms show what the server has: each room's folded state against a fresh snapshot, with a diff that can be read."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import msgspec

from roomlog._generated.models import Snapshot, SnapshotFrame
from roomlog.client import AsyncRoomlog, Roomlog
from roomlog.realtime.blocking import Room
from roomlog.realtime.room import AsyncRoom

WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
LAST = 100
MAX_LINES = 20
PERSONAL = ("membership", "permissions")
"""What a snapshot says of who reads it."""

Opened: TypeAlias = Room | AsyncRoom | Roomlog | AsyncRoomlog


def assert_converged(server: Roomlog, room_id: str, *opened: Opened, within_s: float = WITHIN_S) -> None:
    """Wait until every room shows what the server has, or fail with what differs. `server` is a client with an API key.

    What has come counts, whether it has been taken out or not; nothing is taken out by this.
    """
    rooms = [_room(each, room_id) for each in opened]
    deadline = time.monotonic() + within_s
    while complaint := _complaint(server, room_id, [(each, each.ahead()) for each in rooms], within_s):
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(LOOK_EVERY_S)


async def async_assert_converged(server: Roomlog, room_id: str, *opened: Opened, within_s: float = WITHIN_S) -> None:
    """Do as `assert_converged`, for rooms that are open in this loop."""
    rooms = [_room(each, room_id) for each in opened]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        states = [(each, each.ahead()) for each in rooms]
        complaint = await asyncio.to_thread(_complaint, server, room_id, states, within_s)
        if not complaint:
            return
        if loop.time() > deadline:
            raise AssertionError(complaint)
        await asyncio.sleep(LOOK_EVERY_S)


def _room(opened: Opened, room_id: str) -> Room | AsyncRoom:
    room = opened if isinstance(opened, (Room, AsyncRoom)) else opened.rooms.opened(room_id)
    if room is None or room.id != room_id:
        raise AssertionError(f"{opened!r} does not have the room {room_id!r} open.")
    return room


def _complaint(
    server: Roomlog, room_id: str, states: Iterable[tuple[Room | AsyncRoom, Snapshot | None]], within_s: float
) -> str:
    lines: list[str] = []
    for room, state in states:
        if state is None:
            return f"{room!r} went on from a cursor and has no state to compare."
        user = state.membership.user if state.membership is not None else None
        found = differences(state, _snapshot(server if user is None else server.acting_as(user), room_id))
        if found:
            lines += [f"{room!r} of {user or 'nobody in particular'} does not show what the server has:"]
            lines += [f"  {line}" for line in found[:MAX_LINES]]
            lines += [f"  and {len(found) - MAX_LINES} more"] * (len(found) > MAX_LINES)
    return "\n".join([f"After {within_s:g} s:", *lines]) if lines else ""


def _snapshot(client: Roomlog, room_id: str) -> Snapshot:
    for frame in client.rooms.poll(room_id, last=LAST).frames:
        if isinstance(frame, SnapshotFrame):
            return frame.snapshot
    raise AssertionError(f"The server gives no snapshot of {room_id!r}.")


def differences(here: Snapshot, there: Snapshot) -> list[str]:
    """Give what differs between a room's state and the server's snapshot, a line each."""
    one, other = _comparable(here), _comparable(there)
    since = max(_first(here), _first(there))
    if here.membership is None:
        for name in PERSONAL:
            one.pop(name, None)
            other.pop(name, None)
    for built in (one, other):
        built["message"] = _by_key((each for each in built.pop("messages") if each["number"] >= since), "number")
    one["member"], other["member"] = _by_key(one.pop("members"), "user"), _by_key(other.pop("members"), "user")
    return list(_diff("", one, other))


def _comparable(snapshot: Snapshot) -> dict[str, Any]:
    # The floor and the read cursors are no part of the log, and move without an event.
    built: dict[str, Any] = msgspec.to_builtins(snapshot)
    return {name: value for name, value in built.items() if name not in {"floor", "reads", "cursor"}}


def _first(snapshot: Snapshot) -> int:
    """Give from which number on it shows all messages."""
    return snapshot.messages[0].number if snapshot.messages else snapshot.message_count + 1


def _by_key(items: Iterable[dict[str, Any]], key: str) -> dict[str, Any]:
    return {str(item[key]): item for item in items}


def _diff(path: str, here: Any, there: Any) -> Iterable[str]:
    if isinstance(here, dict) and isinstance(there, dict):
        one, other = cast("dict[str, Any]", here), cast("dict[str, Any]", there)
        for name in dict.fromkeys([*other, *one]):
            yield from _diff(f"{path} {name}".strip(), one.get(name, _ABSENT), other.get(name, _ABSENT))
    elif here is _ABSENT:
        yield f"{path}: not here, {there!r} at the server"
    elif there is _ABSENT:
        yield f"{path}: {here!r} here, not at the server"
    elif here != there:
        yield f"{path}: {here!r} here, {there!r} at the server"


_ABSENT: Any = object()
