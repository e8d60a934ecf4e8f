"""The request log: the last requests of an app, as many as there is room for, and nothing in them that lets anybody in."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tenants import request_log as module
from tenants.apps import delete_app
from tenants.ids import KeyNumber, UserNumber
from tenants.request_log import KEPT_LINES, Line, Request, RequestLog, Wanted, clean_path, clean_query, lines_of, sweep
from tests.support.inside import Inside

HOLD = text("SELECT FROM apps WHERE app_id = :app FOR UPDATE")
FILL = text("""
INSERT INTO request_lines SELECT :app, at, 'GET', '/filled', '', 200, NULL, 1, '', NULL, NULL, NULL, 0
  FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS at
""")
AGED = text("""
INSERT INTO request_lines
SELECT :app, CAST(extract(epoch FROM now() - make_interval(days => days)) * 1000000 AS bigint) * 1024,
       'GET', '/' || days, '', 200, NULL, 1, '', NULL, NULL, NULL, 0 FROM unnest(ARRAY[0, 6, 8, 30]) AS days
""")
KEY = "rl_test_0000000A0001_" + "x" * 49


def ask(log: RequestLog, here: Inside, path: str, status: int = 200, **more: Any) -> bool:
    """Take a request down if it is wanted."""
    if not log.wants(here.scope.app, failed=status >= 400):
        return False
    told: dict[str, Any] = {"method": "GET", "query": b"", "code": None, "took_s": 0.0121, "request_id": "req_1"}
    told |= {"key": KeyNumber(1), "user": None, "address": "10.0.0.1", **more}
    at = asyncio.get_running_loop().time()
    log.add(Request(app=here.scope.app, path=path, status=status, at=at, **told))
    return True


async def found(here: Inside, **more: Any) -> list[Line]:
    wanted = more.pop("wanted", Wanted())
    return await lines_of(here.wiring.postgres, here.scope.app, wanted, **more)


async def test_a_line_says_all_that_is_known(here: Inside) -> None:
    """Of a key whence it came, of a user who it is; newest first."""
    log, ann = RequestLog(here.wiring.postgres), await here.user("ann")
    ask(log, here, "/v1/rooms", query=b"limit=5&prefix=a", code=None)
    ask(log, here, "/v1/x", 404, method="PUT", key=None, user=ann.number, address=None, code="not_found")
    await log.flush()
    second, first = await found(here)
    assert (first.method, first.path, first.query, first.status) == ("GET", "/v1/rooms", "limit=5&prefix=…", 200)
    assert (first.key, first.is_user, first.user, first.address) == (1, False, None, "10.0.0.1")
    assert (first.took_ms, first.request_id, first.code, first.left_out) == (12, "req_1", None, 0)
    assert (second.method, second.status, second.code) == ("PUT", 404, "not_found")
    assert (second.key, second.is_user, second.user, second.address) == (None, True, "ann", None)
    assert first.at < second.at


async def test_of_many_in_a_second_failures_are_kept_first(here: Inside) -> None:
    """Twenty are kept whatever comes, in their order; how many were not stands in the last of them."""
    log = RequestLog(here.wiring.postgres)
    kept = [ask(log, here, f"/fine/{number}") for number in range(30)]
    assert kept == [True] * 20 + [False] * 10
    for number in range(5):
        assert ask(log, here, f"/failed/{number}", 500)
    await log.flush()
    lines = await found(here)
    assert [line.path for line in lines[::-1]] == [f"/fine/{n}" for n in range(15)] + [f"/failed/{n}" for n in range(5)]
    assert [line.left_out for line in lines] == [15] + [0] * 19
    assert all(ask(log, here, "/bad", 429) for _ in range(20))
    assert not ask(log, here, "/bad", 429)
    await log.flush()
    assert [line.left_out for line in await found(here, limit=20)] == [1] + [0] * 19


async def test_one_app_leaves_another_its_lines(here: Inside, there: Inside) -> None:
    """However much it asks, and neither sees the other's."""
    log = RequestLog(here.wiring.postgres)
    for _ in range(100):
        ask(log, here, "/busy")
    ask(log, there, "/quiet")
    await log.flush()
    assert [line.path for line in await found(there)] == ["/quiet"]
    assert len(await found(here)) == 20


async def test_lines_wait_for_the_database_and_are_bounded(here: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written waits; beyond the bound it is left out, which the next line tells."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    log = RequestLog(here.wiring.postgres)
    async with here.as_owner() as owner:
        await owner.execute(HOLD, {"app": here.scope.app})
        for number in range(3):
            ask(log, here, f"/{number}")
        with pytest.raises(DBAPIError):
            await log.flush()
    await log.flush()
    ask(log, here, "/later")
    await log.flush()
    assert [(line.path, line.left_out) for line in await found(here)] == [("/later", 1), ("/1", 0), ("/0", 0)]


async def test_of_an_app_the_last_lines_are_kept(here: Inside) -> None:
    """As soon as a process writes for it the oldest go, a bounded number at once."""
    log, app = RequestLog(here.wiring.postgres), here.scope.app
    async with here.as_owner() as owner:
        await owner.execute(FILL, {"app": app, "first": 1, "last": KEPT_LINES + 500})
    ask(log, here, "/new")
    await log.flush()
    assert (await found(here))[0].path == "/new"
    oldest = await found(here, after=0, limit=1)
    assert [line.id for line in oldest] == [502]


async def test_a_line_goes_after_a_week(here: Inside) -> None:
    """Those of six days stay."""
    async with here.as_owner() as owner:
        await owner.execute(AGED, {"app": here.scope.app})
    while await sweep(here.wiring.postgres):
        pass
    assert [line.path for line in await found(here)] == ["/0", "/6"]


async def test_a_deleted_app_gets_no_line(here: Inside, there: Inside) -> None:
    """And spoils none of the others that are written with it."""
    log = RequestLog(here.wiring.postgres)
    ask(log, here, "/late")
    ask(log, there, "/fine")
    await delete_app(here.wiring.postgres, here.scope.app)
    await log.flush()
    assert await found(here) == []
    assert [line.path for line in await found(there)] == ["/fine"]


async def test_lines_are_found_by_what_they_say(here: Inside) -> None:
    """By class of status, code, key, request and words of method or path, in pages both ways."""
    log = RequestLog(here.wiring.postgres)
    ask(log, here, "/v1/rooms/one", method="POST", status=201, key=KeyNumber(2), request_id="req_a")
    ask(log, here, "/v1/rooms/two_%", status=404, code="room_not_found")
    ask(log, here, "/v1/users", key=None, user=UserNumber(1))
    await log.flush()

    async def paths(**wanted: Any) -> list[str]:
        return [line.path for line in await found(here, wanted=Wanted(**wanted))]

    assert await paths(status=4) == await paths(code="room_not_found") == await paths(words="_%") == ["/v1/rooms/two_%"]
    assert (
        await paths(key=KeyNumber(2))
        == await paths(request_id="req_a")
        == await paths(words="post /V1")
        == ["/v1/rooms/one"]
    )
    assert await paths(words="/rooms/") == ["/v1/rooms/two_%", "/v1/rooms/one"]
    assert await paths(status=5) == await paths(words="' OR true --") == []
    newest, middle, oldest = await found(here)
    assert await found(here, before=newest.id, limit=1) == [middle]
    assert await found(here, after=oldest.id, limit=1) == [middle]
    assert await found(here, after=oldest.id) == [newest, middle]


async def test_a_user_who_was_deleted_has_no_name_in_it(here: Inside) -> None:
    """Its lines stay, and are nobody's that one could name."""
    log, ann = RequestLog(here.wiring.postgres), await here.user("ann")
    ask(log, here, "/v1/rooms", key=None, user=ann.number)
    await log.flush()
    async with here.as_owner() as owner:
        await owner.execute(text("UPDATE users SET deleted_at = now() WHERE user_number = :user"), {"user": ann.number})
    (line,) = await found(here)
    assert (line.is_user, line.user) == (True, None)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/rooms/general/messages", "/v1/rooms/general/messages"),
        (f"/v1/rooms/{KEY}", "/v1/rooms/…"),
        (f"/v1/{KEY[:30]}", "/v1/…"),
        ("/v1/rooms/tk_0000000A" + "y" * 43, "/v1/rooms/…"),
        ("/v1/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln/x", "/v1/…/x"),
        ("/v1/\x00\n\u202e", "/v1/\ufffd\ufffd\ufffd"),
        ("/" + "a" * 600, "/" + "a" * 499),
        ("/" + "a" * 490 + KEY, "/" + "a" * 490 + "…"),
    ],
)
async def test_no_credential_stands_in_a_path(path: str, kept: str) -> None:
    """Whole or in part, wherever it was put by mistake."""
    assert clean_path(path) == kept


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"", ""),
        (b"before=12&limit=50", "before=12&limit=50"),
        (b"ticket=tk_0000000Axyz", "ticket=…"),
        (b"limit=tk_0000000Axyz&prefix=0049123", "limit=…&prefix=…"),
        (KEY.encode(), "…"),
        (b"a%00b=1", "…"),
        (b"Token=1", "…"),
        (b"&".join([b"a=1"] * 17), "…"),
        (b"limit=\xd9\xa3", "limit=…"),
    ],
)
async def test_of_a_query_the_names_are_kept(query: bytes, kept: str) -> None:
    """And the numbers that say which page; no other value."""
    assert clean_query(query) == kept
