"""What belongs to another app answers exactly like what never existed: on every operation and every op of a socket."""

import asyncio
import json
import secrets
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from api.ids import Place, RoomNumber, read_cursor, read_message_id, write_cursor, write_message_id
from api.subscriptions.frames import ClientFrame, Wanted
from tests.document.operations import OPERATIONS, Operation
from tests.document.things import Ids, own
from tests.support.document import document
from tests.support.sockets import WAIT_S, Socket
from tests.support.world import App, World

PUBLIC = {"getJwks"}
"""Public keys are for everybody."""
MAKES = {"putUser"}
"""Under another app's id it makes a user of one's own."""
NEVER = RoomNumber(2**40)
PASSING = {"x-request-id", "date", "ratelimit", "ratelimit-policy", "retry-after", "content-length"}
"""Headers that differ between any two answers."""
NAMED = sorted(name for name, operation in OPERATIONS.items() if operation.parameters and name not in PUBLIC | MAKES)


def nobodys(like: Ids) -> Ids:
    """Give ids of the same shapes that never were."""
    place = read_message_id(like["message_id"])
    assert place is not None
    return {
        "room_id": f"room-{secrets.token_hex(6)}",
        "message_id": write_message_id(Place(NEVER, place.epoch, place.seq)),
        "key_id": secrets.token_hex(4) + like["key_id"][8:],
        "signing": secrets.token_hex(8)[: len(like["signing"])],
        "user_id": f"user-{secrets.token_hex(6)}",
        "job_id": "job_0" + secrets.token_hex(5),
    }


def blank(text: str, ids: Ids) -> str:
    """Take the ids out of an answer, for it may repeat what was asked for."""
    for name, value in ids.items():
        text = text.replace(value, f"<{name}>")
    return text


async def answer(
    app: App, operation: Operation, ids: Ids, user: str | None, *, acting: str | None = None
) -> tuple[int, str, list[tuple[str, str]]]:
    """Ask with the document's example; gives status, body and headers without what differs between any two answers."""
    given = ids | ({"key_id": ids["signing"]} if "signing-keys" in operation.path else {})
    path = operation.path.format_map(given) + ("?wait=0" if operation.id == "pollRoom" else "")
    if acting is None and user is None and operation.is_of_a_room:
        acting = "ann"
    if operation.id == "subscribeRoom":
        return await streamed(app, path, ids, user, acting)
    body = operation.body()
    if operation.id == "addMembers":
        body = {"members": [{"user": "bob"}]}
    got = await app.ask(operation.method, path, body, user=user, acting=acting, key=secrets.token_hex(8))
    return told(got, got.text, ids)


async def streamed(
    app: App, path: str, ids: Ids, user: str | None, acting: str | None
) -> tuple[int, str, list[tuple[str, str]]]:
    credential = app.key if user is None else await app.token(user)
    headers = {"Authorization": f"Bearer {credential}"} | ({} if acting is None else {"Roomlog-As": acting})
    async with app.http.stream("GET", path, headers=headers) as got:
        return told(got, "" if got.status_code == 200 else (await got.aread()).decode(), ids)


def told(got: Any, text: str, ids: Ids) -> tuple[int, str, list[tuple[str, str]]]:
    if "x-request-id" in got.headers:
        text = text.replace(got.headers["x-request-id"], "<request>")
    headers = sorted((name, blank(value, ids)) for name, value in got.headers.items() if name not in PASSING)
    return got.status_code, blank(text, ids), headers


@pytest.mark.parametrize("name", NAMED)
async def test_another_app_s_things_are_not_there(world: World, name: str) -> None:
    """Asked by a key and by a user: byte for byte the answer for ids that never were, where their own app is obeyed."""
    operation = OPERATIONS[name]
    await world.other.token("ann")
    foreign = await own(world.app)
    unknown = nobodys(foreign)
    for user in (None, "ann"):
        seen = await answer(world.other, operation, foreign, user)
        assert seen == await answer(world.other, operation, unknown, user)
        is_for_keys = user is not None and seen[0] == 403
        assert seen[0] == 404 or is_for_keys, seen
    status, text, _ = await answer(world.app, operation, foreign, None)
    assert status < 300, text


WITHIN = [
    (name, given)
    for name in NAMED
    for given in OPERATIONS[name].parameters
    if given != "room_id" in OPERATIONS[name].parameters
]


@pytest.mark.parametrize(("name", "given"), WITHIN)
async def test_another_app_s_things_are_not_in_one_s_own_room(world: World, name: str, given: str) -> None:
    """A message or a user of another app, in a room of one's own: byte for byte as one that never was."""
    foreign, ours = await own(world.app), await own(world.other)
    unknown = nobodys(foreign)
    seen = [
        await answer(world.other, OPERATIONS[name], ours | {given: ids[given]}, None, acting="ann")
        for ids in (foreign, unknown)
    ]
    assert seen[0] == seen[1]
    assert seen[0][0] == 404


async def test_making_a_user_of_a_foreign_id_leaves_the_other_alone(world: World) -> None:
    """Each app has its own users, whatever they are called."""
    await world.app.ask("PUT", "/v1/users/ann", {"name": "Theirs"})
    assert (await world.other.ask("PUT", "/v1/users/ann", {"name": "Ours"})).status_code == 201
    assert (await world.app.ask("GET", "/v1/users/ann")).json()["name"] == "Theirs"


# ---- realtime: each field of a frame and each parameter of a stream that names a thing, one at a time

PARTS = [{"type": "text", "text": "t"}]
FRAMES: dict[str, Any] = {
    "subscribe": {"rooms": [{"room": "{room}", "cursor": "{cursor}"}]},
    "unsubscribe": {"rooms": ["{room}"]},
    "send": {"room": "{room}", "as": "{user}", "parts": PARTS},
    "edit": {"room": "{room}", "message": "{message}", "as": "{user}", "parts": PARTS},
    "delete": {"room": "{room}", "message": "{message}", "as": "{user}"},
}
NAMES_NOTHING = {"id", "key", "parts", "metadata", "expected_seq", "last", "rooms", "token"}
"""Fields of frames that name no thing; what `rooms` lists is looked at by itself, and a token is itself a credential."""
OF_ROOMS = {"subscribe": Wanted, "unsubscribe": None}


def fields_of(kind: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


TOLD = {str(kind.__struct_config__.tag): kind for kind in get_args(ClientFrame)}
PLACES = sorted(
    (op, place)
    for op, kind in TOLD.items()
    for place in (fields_of(kind) | (fields_of(OF_ROOMS[op] or Wanted) if op in OF_ROOMS else set())) - NAMES_NOTHING
    if (op, place) != ("unsubscribe", "cursor")
)
"""All that clients' structs have: whoever adds an op or a field that names a thing has it tried here."""
NAMES = {"room": "room", "cursor": "cursor", "message": "message", "as": "user"}


async def things(app: App) -> Ids:
    """Make a room with what can be named in it; nothing of it has a name that another app has."""
    user, room = f"user-{secrets.token_hex(6)}", f"room-{secrets.token_hex(6)}"
    await app.room(room, (user, "ann"))
    ticket = (await app.ask("POST", f"/v1/rooms/{room}/tickets", user=user)).json()
    polled = (await app.ask("GET", f"/v1/rooms/{room}/events", user=user)).json()
    message = await app.say(room, "hush", user)
    return {
        "user": user,
        "room": room,
        "message": message["id"],
        "cursor": polled["cursor"],
        "ticket": ticket["ticket"],
    }


def no_things(like: Ids) -> Ids:
    """Give names of the same shapes that never were."""
    message, cursor = read_message_id(like["message"]), read_cursor(like["cursor"])
    assert message is not None
    assert cursor is not None
    return {
        "user": f"user-{secrets.token_hex(6)}",
        "room": f"room-{secrets.token_hex(6)}",
        "message": write_message_id(replace(message, room=NEVER)),
        "cursor": write_cursor(replace(cursor, room=NEVER)),
        "ticket": like["ticket"][:-20] + "0" * 20,
    }


def filled(value: Any, ids: Ids) -> Any:
    match value:
        case str():
            return value.format_map(ids)
        case [*elements]:
            return [filled(each, ids) for each in elements]
        case {**members}:
            return {name: filled(each, ids) for name, each in members.items()}
        case _:
            return value


async def said(socket: Socket, op: str, ids: Ids, *, names_user: bool) -> list[str]:
    """Say a frame, and give all that is answered until the next one's answer, as it came."""
    fields = filled(FRAMES[op], ids)
    if not names_user:
        fields.pop("as", None)
    await socket.say(op=op, id="1", **fields)
    await socket.say(op="ping", id="2")
    heard: list[str] = []
    async with asyncio.timeout(WAIT_S):
        # The last words of what was opened come before what is asked next, but an ack may be overtaken by a pong.
        while not (any('"id":"1"' in each for each in heard) and any('"id":"2"' in each for each in heard)):
            text = await socket.raw.recv()
            assert isinstance(text, str)
            if not text.startswith('{"type":"heartbeat"'):
                heard.append(text)
    return sorted(heard)


@pytest.mark.parametrize(("op", "place"), PLACES)
@pytest.mark.parametrize("user", [None, "ann"], ids=["key", "user"])
async def test_what_a_frame_names_of_another_app_is_not_there(
    world: World, op: str, place: str, user: str | None
) -> None:
    """One name of another app among one's own: byte for byte the answer for a name that never was; its own app is obeyed."""
    theirs, ours = await things(world.app), await things(world.other)
    name, nobody = NAMES[place], no_things(theirs)
    names_user = user is None or place == "as"
    heard = []
    async with world.other.socket(user) as socket:
        for ids in (theirs, nobody):
            answers = await said(socket, op, ours | {name: ids[name]}, names_user=names_user)
            heard.append([blank(each, ids | {"request": request_id(each)}) for each in answers])
    assert heard[0] == heard[1]
    is_refused = any('"error"' in each or '"reset"' in each for each in heard[0])
    assert is_refused or op == "unsubscribe", "one leaves what one has not opened, too"
    assert theirs["user"] not in str(heard)
    by_own_user = theirs["user"] if user else None
    async with world.app.socket(by_own_user) as socket:
        answers = await said(socket, op, theirs, names_user=user is None)
        assert not any('"error"' in each or '"reset"' in each for each in answers), answers


def request_id(text: str) -> str:
    return str(json.loads(text).get("problem", {}).get("request_id", "\0"))


def test_no_op_is_passed_over() -> None:
    """One that is added is tried here, or has no field that names a thing."""
    assert set(FRAMES) == {op for op, _ in PLACES}
    assert set(TOLD) - set(FRAMES) == {"auth", "ping"}
    assert {place for _, place in PLACES} == set(NAMES)


# Parameters of queries and headers that name a thing, and which; all others are numbers, words and places in an order.
PARAMETERS = {
    ("subscribeRoom", "cursor"): "cursor",
    ("subscribeRoom", "Last-Event-ID"): "cursor",
    ("subscribeRoom", "ticket"): "ticket",
    ("pollRoom", "after"): "cursor",
    ("listRooms", "member"): "user",
}
WORDS = {"limit", "last", "wait", "private", "direct", "prefix", "before", "around", "role", "messages", "app"}
WORDS |= {"Idempotency-Key", "If-Match", "by", "since", "days"}
ORDERS = {("listRooms", "after"), ("listUsers", "after"), ("listMembers", "after"), ("listMessages", "after")}
"""Where a list goes on: nothing is looked up by it."""
ELSEWHERE = {("connect", "rooms")}
"""In `tests/http/test_named_rooms.py`."""
ACTING = "Roomlog-As"


def parameters_of(operation: Operation) -> set[str]:
    components = document()["components"]["parameters"]
    told = [
        components[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in operation.told["parameters"]
    ]
    return {each["name"] for each in told if each["in"] in {"query", "header"}}


def test_no_parameter_is_passed_over() -> None:
    """One that is added to the document is tried here or said to name nothing."""
    all_ = {(name, given) for name, operation in OPERATIONS.items() for given in parameters_of(operation)}
    assert {each for each in all_ if each[1] not in WORDS | {ACTING}} - ORDERS - ELSEWHERE == set(PARAMETERS)


async def told_of(app: App, operation: str, ids: Ids, name: str, value: str) -> tuple[int, str, list[tuple[str, str]]]:
    """Ask with one parameter more, and give the answer; of a stream all up to what a reader begins with."""
    path = OPERATIONS[operation].path.format(room_id=ids["room"]) + "?"
    headers = {"Authorization": f"Bearer {app.key}"}
    if name == "Last-Event-ID":
        headers[name] = value
    else:
        path += f"{name}={value}&"
    if operation != "subscribeRoom":
        got = await app.http.get(path + ("wait=0" if operation == "pollRoom" else ""), headers=headers)
        return told(got, got.text, {name: value})
    async with asyncio.timeout(WAIT_S), app.http.stream("GET", path, headers=headers) as got:
        lines = []
        async for line in got.aiter_lines():
            if not line.startswith("retry:"):
                lines.append(line)
            if any(f'"type":"{kind}"' in line for kind in ("snapshot", "reset", "message.created", "closed")):
                break
        return told(got, "\n".join(lines), {name: value})


@pytest.mark.parametrize(("operation", "name"), PARAMETERS)
async def test_what_a_parameter_names_of_another_app_is_not_there(world: World, operation: str, name: str) -> None:
    """A cursor, a ticket, a user of another app: byte for byte as one that never was, over streams, polls and lists."""
    theirs, ours = await things(world.app), await things(world.other)
    kind, nobody = PARAMETERS[operation, name], no_things(theirs)
    foreign = await told_of(world.other, operation, ours, name, theirs[kind])
    assert foreign == await told_of(world.other, operation, ours, name, nobody[kind])
    assert theirs["room"] not in str(foreign)
    own_ = await told_of(world.app, operation, theirs, name, theirs[kind])
    assert own_[0] == 200
    assert own_[1] != (await told_of(world.app, operation, theirs, name, nobody[kind]))[1] or kind == "ticket"


async def test_a_ticket_opens_no_room_of_another_app(world: World) -> None:
    """To its bearer, another app's room is one that never was."""
    theirs, ours = await things(world.app), await things(world.other)
    answers = []
    for room in (theirs["room"], no_things(theirs)["room"]):
        got = await world.other.http.get(f"/v1/rooms/{room}/subscribe?ticket={ours['ticket']}")
        answers.append(told(got, got.text, {"room": room}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_nobody_acts_as_a_user_of_another_app(world: World) -> None:
    """On every operation that takes `Roomlog-As`: as if such a user had never been, and nothing is done."""
    theirs, ours = await own(world.app), await own(world.other)
    refused = []
    # The end of the app comes last, lest one that went through should make all others look refused.
    for operation in sorted(OPERATIONS.values(), key=lambda each: each.id == "deleteOwnApp"):
        if ACTING not in parameters_of(operation) or operation.id == "connect":
            continue
        seen = [
            await answer(world.other, operation, ours | {"acting": user}, None, acting=user)
            for user in (theirs["user_id"], nobodys(theirs)["user_id"])
        ]
        assert seen[0] == seen[1], operation.id
        assert seen[0][0] in {403, 404}, (operation.id, seen)
        refused.append(operation.id)
    assert len(refused) > 35
    assert (await world.other.ask("GET", "/v1/limits")).status_code == 200
