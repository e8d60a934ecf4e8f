"""Sockets that break the protocol at each of its levels: what each gets for it, and that nobody else notices."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.endurance.raw import BINARY, CLOSE, PING, PONG, TEXT, End, Raw, dial, frame, raw_socket, upgrade
from tests.support.document import read_frame
from tests.support.processes import Service
from tests.support.sockets import Socket
from tests.support.world import App, World, new_world

LIMIT = 128 * 1024
PING_FRAME = json.dumps({"op": "ping", "id": "alive"}).encode()


@pytest.fixture(scope="module")
async def world(service: Service) -> AsyncIterator[World]:
    """Two apps for all tests here: what is hostile to one of its sockets must not reach the next either."""
    async with new_world(service) as made:
        yield made


@contextlib.asynccontextmanager
async def healthy_neighbour(app: App) -> AsyncIterator[Socket]:
    """Somebody else's socket, which must come through with all its events."""
    await app.room("calm", ("neighbour",))
    async with app.socket("neighbour") as socket:
        snapshot = await socket.open("calm")
        seq = snapshot["snapshot"]["seq"]
        yield socket
        said = await app.say("calm", "still here", "neighbour")
        assert said["seq"] == seq + 1
        assert [event["seq"] for event in await socket.until_seq(seq + 1)] == [seq + 1]


async def is_alive(raw: Raw) -> bool:
    await raw.send(frame(PING_FRAME))
    while (answer := await raw.hear_json()).get("id") != "alive":
        pass
    return answer["type"] == "pong"


TEXT_FRAME = frame(PING_FRAME)
# What is sent -> the close code, or None for a socket that goes on.
FRAMES: dict[str, tuple[bytes, int | None]] = {
    "reserved bit 1": (frame(PING_FRAME, reserved=4), 1002),
    "reserved bit 2": (frame(PING_FRAME, reserved=2), 1002),
    "reserved bit 3": (frame(PING_FRAME, reserved=1), 1002),
    "unknown opcode": (frame(b"x", 3), 1002),
    "unknown control opcode": (frame(b"x", 11), 1002),
    "unmasked": (frame(PING_FRAME, masked=False), 1002),
    "continuation without a start": (frame(b"x", 0), 1002),
    "text within a fragmented text": (frame(b"{", fin=False) + TEXT_FRAME, 1002),
    "ping over 125 bytes": (frame(b"x" * 126, PING), 1002),
    "fragmented ping": (frame(b"x", PING, fin=False), 1002),
    "fragmented close": (frame(b"\x03\xe8", CLOSE, fin=False), 1002),
    "close with one byte": (frame(b"\x03", CLOSE), 1002),
    "close with a code of nobody": (frame(b"\x03\xe7", CLOSE), 1002),
    "close with a code never sent": (frame(b"\x03\xed", CLOSE), 1002),
    "close with a reason that is no text": (frame(b"\x03\xe8\xff\xfe", CLOSE), 1007),
    "close": (frame(b"\x03\xe8bye", CLOSE), 1000),
    "text that is no UTF-8": (frame(b'{"op":"ping","id":"\xff"}'), 1007),
    "text cut within a letter": (frame('{"op":"ping","id":"é'.encode()[:-1]), 1007),
    "a surrogate in UTF-8": (frame(b'{"op":"ping","id":"\xed\xa0\x80"}'), 1007),
    "binary": (frame(b"{}", BINARY), 4400),
    "2^63 bytes announced": (frame(b"", length=2**63), 1009),
    "2^62 bytes announced": (frame(b"", length=2**62), 1009),
    "one byte over the protocol's limit": (frame(b"", length=2 * LIMIT + 1), 1009),
    "fragments over the protocol's limit": (
        frame(b" " * LIMIT, fin=False) + frame(b" " * LIMIT, 0, fin=False) + frame(b" ", 0),
        1009,
    ),
    "one byte over our limit": (frame(b" " * (LIMIT + 1)), 4413),
    "a thousand empty fragments and more": (frame(b"", fin=False) + frame(b"", 0, fin=False) * 1_100, 1009),
    "pings without end": (frame(b"", PING) * 1_000, 4429),
    "fragments with pings between": (
        frame(PING_FRAME[:5], fin=False)
        + frame(b"p", PING)
        + frame(PING_FRAME[5:10], 0, fin=False)
        + frame(PING_FRAME[10:], 0),
        None,
    ),
    "a letter cut by a fragment": (
        frame('{"op":"ping","id":"é'.encode()[:-1], fin=False) + frame(b'\xa9"}', 0),
        None,
    ),
    "a pong that nobody asked for": (frame(b"x", PONG), None),
    "ping of 125 bytes": (frame(b"x" * 125, PING), None),
    "an empty fragment": (frame(b"", fin=False) + frame(PING_FRAME, 0), None),
}


@pytest.mark.parametrize("case", FRAMES)
async def test_a_frame_against_the_protocol_ends_its_own_socket_only(world: World, case: str) -> None:
    """RFC 6455's codes for what it forbids, ours for our limits; a neighbour loses nothing."""
    data, code = FRAMES[case]
    app = world.app
    before = app.service.log.read_text()
    async with healthy_neighbour(app), raw_socket(app.service.port, await app.token("ann")) as raw:
        await raw.send(data)
        if code is None:
            assert await is_alive(raw)
        else:
            assert (await raw.end()).code == code
    assert "Traceback" not in app.service.log.read_text()[len(before) :]


KINDS = {"text": TEXT, "binary": BINARY, "continuation": 0, "close": CLOSE, "ping": PING, "pong": PONG}
CONTROLS = {"close": CLOSE, "ping": PING, "pong": PONG}
FORBIDDEN = {
    **{f"opcode {opcode}": frame(b"x", opcode) for opcode in (*range(3, 8), *range(11, 16))},
    **{f"reserved {bits} of {kind}": frame(b"", KINDS[kind], reserved=bits) for kind in KINDS for bits in range(1, 8)},
    **{f"unmasked {kind}": frame(b"", KINDS[kind], masked=False) for kind in KINDS},
    **{f"fragmented {kind}": frame(b"", CONTROLS[kind], fin=False) for kind in CONTROLS},
    **{f"{kind} of 126 bytes": frame(b"\x03\xe8" + b"x" * 124, CONTROLS[kind]) for kind in CONTROLS},
    **{
        f"close code {code}": frame(code.to_bytes(2, "big"), CLOSE)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65_535)
    },
}
FAREWELLS = (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)


async def test_each_frame_that_is_forbidden_ends_its_own_socket_at_once(world: World) -> None:
    """Each opcode, bit, length and close code that RFC 6455 does not allow is 1002; farewells that it allows are returned."""
    app = world.app
    token = await app.token("ann")
    async with healthy_neighbour(app):
        for said, data in FORBIDDEN.items():
            async with raw_socket(app.service.port, token) as raw:
                await raw.send(data)
                assert (await raw.end()).code == 1002, said
        for code in FAREWELLS:
            async with raw_socket(app.service.port, token) as raw:
                await raw.send(frame(code.to_bytes(2, "big") + b"bye", CLOSE))
                assert (await raw.end()).code == code


async def test_a_farewell_that_is_not_answered_is_not_waited_for(world: World) -> None:
    """Whoever neither answers the close frame nor hangs up is hung up on."""
    async with raw_socket(world.app.service.port, await world.app.token("ann")) as raw:
        await raw.send(frame(b"{"))
        assert (await raw.end(30, politely=False)).code == 4400


async def test_a_frame_byte_by_byte_is_a_frame(world: World) -> None:
    """TCP promises no packets."""
    async with raw_socket(world.app.service.port, await world.app.token("ann")) as raw:
        for byte in frame(PING_FRAME):
            await raw.send(bytes([byte]))
            await asyncio.sleep(0.005)
        assert (await raw.hear_json())["type"] == "pong"


SEND = '{"op":"send","id":1,"room":"r","parts":[{"type":"text","text":"x"}]'
# What is said -> the code of the problem that answers it, or the close code.
SAID: dict[str, tuple[str, str | int]] = {
    "no JSON": ("{", 4400),
    "nothing": ("", 4400),
    "two objects": ("{}{}", 4400),
    "NaN": ('{"op":"ping","id":NaN}', "bad_request"),
    "Infinity": ('{"op":"subscribe","id":1,"rooms":[{"room":"r","last":Infinity}]}', "bad_request"),
    "deep arrays": ("[" * 50_000, 4400),
    "deep objects": ('{"a":' * 20_000 + "1" + "}" * 20_000, 4400),
    "deep data": (SEND + ',"metadata":{"a":' + "[" * 500 + "]" * 500 + "}}", "bad_request"),
    "deep within a known field": ('{"op":"subscribe","id":1,"rooms":' + "[" * 500 + "]" * 500 + "}", "bad_request"),
    "an unknown op": ('{"op":"drop","id":1}', "bad_request"),
    "an op that is none": ('{"op":5,"id":1}', "bad_request"),
    "no op": ('{"id":1}', "bad_request"),
    "an unknown field": ('{"op":"ping","id":1,"x":1}', "bad_request"),
    "an id that is an object": ('{"op":"ping","id":{"a":1}}', "bad_request"),
    "an id that is a truth": ('{"op":"drop","id":true}', "bad_request"),
    "an id that is a fraction": ('{"op":"ping","id":1.5}', "bad_request"),
    "an op given twice": ('{"op":"auth","op":"ping","id":1}', "bad_request"),
    "an integer of 100,000 digits": ('{"op":"ping","id":' + "9" * 100_000 + "}", 4400),
    "a number out of range": ('{"op":"subscribe","id":1,"rooms":[{"room":"r","last":1e999}]}', "bad_request"),
    "null where a list is": ('{"op":"subscribe","id":1,"rooms":null}', "bad_request"),
    "a name with a NUL": ('{"op":"subscribe","id":1,"rooms":[{"room":"\\u0000"}]}', "bad_request"),
    "a name that is half a letter": ('{"op":"subscribe","id":1,"rooms":[{"room":"\\ud800"}]}', "bad_request"),
    "a name of 10,000": ('{"op":"subscribe","id":1,"rooms":[{"room":"' + "r" * 10_000 + '"}]}', "bad_request"),
    "too many rooms": (json.dumps({"op": "subscribe", "id": 1, "rooms": [{"room": "r"}] * 1_001}), "bad_request"),
    "auth once more, with what does not hold": ('{"op":"auth","id":1,"token":"x"}', "unauthenticated"),
    "an idempotency key of 256": (SEND + ',"key":"' + "k" * 256 + '"}', "bad_request"),
    "a message that is none": (
        '{"op":"delete","id":1,"room":"r","message":"\'; DROP TABLE events"}',
        "message_not_found",
    ),
}


@pytest.mark.parametrize("case", SAID)
async def test_what_is_said_wrongly_is_answered(world: World, case: str) -> None:
    """A problem where the socket can go on, which it then does, and a close code where it cannot."""
    said, reaction = SAID[case]
    app = world.app
    await app.room("r", ("ann",))
    before = app.service.log.read_text()
    async with raw_socket(app.service.port, await app.token("ann")) as raw:
        await raw.send(frame(said.encode()))
        if isinstance(reaction, int):
            assert (await raw.end()).code == reaction
        else:
            answer = await raw.hear_json()
            read_frame(json.dumps(answer))
            assert answer["type"] == "error", answer
            assert answer["problem"]["code"] == reaction, answer
            assert await is_alive(raw)
    assert "Traceback" not in app.service.log.read_text()[len(before) :]


async def test_what_json_leaves_open_is_decided(world: World) -> None:
    """Of a name given twice the last counts; integers are kept to the digit."""
    async with raw_socket(world.app.service.port, await world.app.token("ann")) as raw:
        await raw.send(frame(b'{"op":"ping","id":1,"id":2}'))
        assert await raw.hear_json() == {"id": 2, "type": "pong"}
        for mark in (2**53 + 1, 2**63 - 1, 10**30, -(2**63)):
            await raw.say(op="ping", id=mark)
            assert await raw.hear_json() == {"id": mark, "type": "pong"}


BEFORE_AUTH: dict[str, tuple[bytes, int]] = {
    "a subscription": (frame(b'{"op":"subscribe","rooms":[{"room":"r"}]}'), 4401),
    "a message": (frame(SEND.encode() + b"}"), 4401),
    "a ping": (frame(PING_FRAME), 4401),
    "binary": (frame(b"{}", BINARY), 4400),
    "no JSON": (frame(b"{"), 4401),
    "no text": (frame(b"\xff"), 1007),
    "9 KiB": (frame(b'{"op":"auth","token":"' + b"x" * 9_000 + b'"}'), 4413),
    "1 MiB": (frame(b"x", length=2**20), 1009),
    "8 KiB in fragments": (frame(b"x" * 4_000, fin=False) + frame(b"x" * 5_000, 0), 4413),
    "pings without end": (frame(b"", PING) * 1_000, 4429),
}


@pytest.mark.parametrize("case", BEFORE_AUTH)
async def test_a_stranger_gets_nowhere(world: World, case: str) -> None:
    """Before a credential that holds, everything but it closes the socket."""
    data, code = BEFORE_AUTH[case]
    async with raw_socket(world.app.service.port, None) as raw:
        await raw.send(data)
        assert (await raw.end()).code == code


async def test_cursors_that_lie_are_reset(world: World) -> None:
    """Another app's, another room's, changed, negative, huge, of another epoch or of nobody: a snapshot, never an error."""
    app, other = world.app, world.other
    for each in (app, other):
        await each.room("lies", ("ann",))
        await each.say("lies", "x", "ann")
    await app.room("truth", ("ann",))
    cursors: dict[str, str] = {}
    for name, (owner, room) in {"own": (app, "lies"), "foreign": (other, "lies"), "elsewhere": (app, "truth")}.items():
        async with owner.socket("ann") as socket:
            cursors[name] = (await socket.open(room))["snapshot"]["cursor"]
    own = cursors["own"]
    lies: dict[str, object] = {
        "another app's": cursors["foreign"],
        "another room's": cursors["elsewhere"],
        "cut": own[:-1],
        "longer": own + "A",
        "changed": own[:-1] + ("A" if own[-1] != "A" else "B"),
        "in capitals": own.upper(),
        "nothing": "",
        "negative": "-1",
        "zero": "0",
        "huge": "9" * 1_000,
        "bytes": "\x01\x02",
        "letters": "ｃ１２３",
        "spaces": f" {own} ",
        "SQL": "' OR 1=1 --",
        **{
            f"byte {index} changed": own[:index] + chr(ord(own[index]) ^ 1) + own[index + 1 :]
            for index in range(1, len(own))
        },
    }
    async with app.socket("ann") as socket:
        for name, lie in lies.items():
            await socket.say(op="subscribe", id=name, rooms=[{"room": "lies", "cursor": lie}])
            subscribed = await socket.hear_answer(name)
            assert subscribed["type"] == "subscribed", (name, subscribed)
            if subscribed["resumed"]:
                # It can only be one that is true of this room: at or before its end, and the events that follow come.
                assert subscribed["seq"] <= 3, name
                for seq in range(subscribed["seq"] + 1, 4):
                    assert (await socket.hear())["seq"] == seq, name
            else:
                reset = await socket.hear_type("reset")
                assert reset["snapshot"]["seq"] == 3, name
        said = await app.say("lies", "on it goes", "ann")
        assert (await socket.hear())["seq"] == said["seq"]


async def test_a_storm_of_subscriptions_is_too_much_and_leaves_nothing_behind(world: World) -> None:
    """The frames of a storm are counted; the socket ends, others go on, and its rooms are let go."""
    app = world.app
    await app.room("r", ("ann",))

    async def storm() -> End:
        async with raw_socket(app.service.port, await app.token("ann")) as raw:
            on = frame(b'{"op":"subscribe","rooms":[{"room":"r"}]}')
            off = frame(b'{"op":"unsubscribe","rooms":["r"]}')
            ending = asyncio.create_task(raw.end())
            for _ in range(600):
                await raw.send(on + off)
            return await ending

    async with healthy_neighbour(app):
        ends = await asyncio.gather(*(storm() for _ in range(3)))
    assert [end.code for end in ends] == [4429] * 3


# ---- near-valid frames, drawn at random


NAMES = st.sampled_from(["r", "calm", "none", "", "a b", "r" * 129, "é", "\x00", "__proto__"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=True), st.text(max_size=20), NAMES
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
WANTED = st.fixed_dictionaries(
    {}, optional={"room": NAMES | JSON, "cursor": st.text(max_size=60) | JSON, "last": st.integers(-5, 200) | JSON}
)
FIELDS = {
    "id": st.integers(0, 99) | st.text(max_size=5) | JSON,
    "rooms": st.lists(WANTED | JSON, max_size=3) | JSON,
    "room": NAMES | JSON,
    "key": st.text(max_size=5) | JSON,
    "parts": st.lists(st.fixed_dictionaries({}, optional={"type": st.just("text") | JSON, "text": JSON}), max_size=3)
    | JSON,
    "metadata": JSON,
    "message": st.text(max_size=20) | JSON,
    "expected_seq": st.integers(-1, 5) | JSON,
    "as": NAMES | JSON,
    "token": st.text(max_size=20) | JSON,
}
OPS = st.sampled_from(["subscribe", "unsubscribe", "send", "edit", "delete", "ping", "auth", "nope"])
NEARLY = st.builds(lambda op, rest: {"op": op, **rest}, OPS | JSON, st.fixed_dictionaries({}, optional=FIELDS))
ESCAPED = (NEARLY | JSON).map(json.dumps)
SPOILT = st.builds(
    lambda text, at, cut, put: text[: at % (len(text) + 1)] + put + text[at % (len(text) + 1) + cut :],
    ESCAPED,
    st.integers(0, 500),
    st.integers(0, 3),
    st.sampled_from(
        ["", '"', "}", "[" * 70, "{", ",", '"id":7,', "\\u0000", "\\ud800", "-", "9" * 400, "NaN", "\t", "é", "\x7f"]
    ),
)
"""Texts with a piece cut out or put in: names given twice, deep nesting, numbers beyond all bounds, half letters."""
OWN_TOKEN = "{own token}"
TEXTS = ESCAPED | SPOILT | st.just(json.dumps({"op": "auth", "id": 5, "token": OWN_TOKEN}))
DOCUMENTED = {4400, 4413, 4429, 1007, 1009}
UNHEARD = {4400, 4401, 4413}
"""How strangers end."""


class Session:
    """A raw socket that is opened anew whenever it has been closed for a documented reason."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token

    async def say_all(self, said: list[str]) -> None:
        frames = [frame(each.replace(OWN_TOKEN, self._token).encode()) for each in said]
        async with raw_socket(self._app.service.port, self._token) as raw, asyncio.timeout(10):
            await raw.send(b"".join(frames) + frame(PING_FRAME))
            while True:
                opcode, payload = await raw.hear()
                if opcode == CLOSE:
                    assert int.from_bytes(payload[:2], "big") in DOCUMENTED, (said, payload)
                    return
                if opcode != TEXT:
                    continue
                answer = read_frame(payload)
                if answer == {"id": "alive", "type": "pong"}:
                    return
                if answer["type"] == "error":
                    assert answer["problem"]["status"] < 500, (said, answer)

    async def say_as_stranger(self, said: str) -> None:
        async with raw_socket(self._app.service.port, None) as raw:
            await raw.send(frame(said.encode()))
            assert (await raw.end()).code in UNHEARD, said


@contextlib.asynccontextmanager
async def busy_neighbour(app: App) -> AsyncIterator[None]:
    """Somebody else's socket, in whose room something is said all the time; it must hear all of it, in order."""
    await app.room("busy", ("neighbour",))
    is_over = asyncio.Event()
    said: list[int] = []

    async def talk() -> None:
        while not is_over.is_set():
            said.append((await app.say("busy", "on and on", "neighbour"))["seq"])

    async with app.socket("neighbour") as socket:
        begin = (await socket.open("busy"))["snapshot"]["seq"]
        talking = asyncio.create_task(talk())
        try:
            yield
        finally:
            is_over.set()
            await talking
        heard = [event["seq"] for event in await socket.until_seq(said[-1])]
    assert heard == said == list(range(begin + 1, said[-1] + 1))


async def test_near_valid_frames_are_answered_or_close_their_socket(world: World) -> None:
    """Whatever nearly fits the grammar, before and after a credential, has a documented reaction: no hang, no fault.

    No word of our insides is told, and a neighbour hears meanwhile all that is said to it, in order.
    """
    app = world.app
    await app.room("r", ("ann",))
    before = app.service.log.read_text()
    async with busy_neighbour(app):
        session = Session(app, await app.token("ann"))
        loop = asyncio.get_running_loop()
        # hypothesis drives plain functions: each example runs in this loop, from a thread that waits for it.
        await asyncio.to_thread(run_examples, session, loop)
    assert "Traceback" not in app.service.log.read_text()[len(before) :]


def run_examples(session: Session, loop: asyncio.AbstractEventLoop) -> None:
    bounded = settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @given(said=st.lists(TEXTS, min_size=1, max_size=12))
    @bounded
    def after_auth(said: list[str]) -> None:
        asyncio.run_coroutine_threadsafe(session.say_all(said), loop).result(30)

    @given(said=ESCAPED | SPOILT)
    @bounded
    def before_auth(said: str) -> None:
        asyncio.run_coroutine_threadsafe(session.say_as_stranger(said), loop).result(30)

    after_auth()
    before_auth()


async def test_a_refused_upgrade_is_no_error_in_our_log(service: Service, world: World) -> None:
    """A stranger's wrong tokens are answered, and leave no line that would wake somebody up."""
    before = len(service.log.read_bytes())
    for _ in range(3):
        async with dial(service.port) as raw:
            await raw.send(upgrade("nonsense"))
            assert (await raw.head())[0] == 401
            await raw.hung_up()
    assert (await world.app.ask("GET", "/v1/rooms")).status_code == 200
    assert b"ERROR" not in service.log.read_bytes()[before:]
