"""The request log, as an app's people are shown it."""

import asyncio
import re
import subprocess
from html import unescape

import asyncpg
import httpx2
import pytest

from api.dashboard.snippets import repeated_snippet
from tenants.ids import parse_app_name
from tests.support.dashboard import Browser, text_of
from tests.support.processes import Service

WAIT_S = 15.0
FILL = """
INSERT INTO request_lines SELECT $1, 1024 * line::bigint, 'GET', '/v1/line-' || line, '', 200, NULL, 1, '', 1, NULL, NULL, 0
  FROM generate_series(1, $2::integer) AS line
"""
KEY = "rl_test_of_a_customer"
EVIL = "/v1/rooms/<img src=x onerror=alert(1)>'\"{{7*7}}"


async def ask(service: Service, key: str, method: str, path: str, **more: object) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as http:
        return await http.request(method, path, **more)  # type: ignore[arg-type]


async def page_with(owner: Browser, app: str, words: str, query: str = "") -> str:
    """Give the page once it says that."""
    async with asyncio.timeout(WAIT_S):
        while words not in (page := unescape((await owner.get(f"/apps/{app}/requests{query}")).text)):
            await asyncio.sleep(0.1)
    return page


async def fill(environment: dict[str, str], app: str, lines: int) -> None:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        await connection.execute(FILL, parse_app_name(app), lines)
    finally:
        await connection.close()


def paths_of(page: str) -> list[str]:
    return [unescape(path) for path in re.findall(r'<span class="path">([^<]*)</span>', page)]


async def test_a_request_stands_there_with_all_that_is_known(owner: Browser, service: Service) -> None:
    """Within seconds: its id, its key by its label, its problem in words, and itself for a shell, without the key."""
    app = await owner.make_app()
    assert "Nothing yet" in (await owner.get(f"/apps/{app}/requests")).text
    key_id, key = await owner.make_key(app, "Production")
    answer = await ask(service, key, "GET", "/v1/rooms/nowhere?limit=1")
    page = await page_with(owner, app, answer.headers["x-request-id"])
    text = " ".join(text_of(page).split())
    assert "GET /v1/rooms/nowhere?limit=1" in text
    assert f"Production {key_id}" in text
    assert "room_not_found No such room for this caller." in text
    assert f"curl '{service.url}/v1/rooms/nowhere?limit=1'" in text
    assert '-H "Authorization: Bearer $ROOMLOG_API_KEY"' in text
    assert key[-49:] not in page


async def test_what_is_asked_for_stays_text(owner: Browser, service: Service) -> None:
    """A path, and what is typed into the filter, run nothing and are shown as they are."""
    app = await owner.make_app()
    _, key = await owner.make_key(app)
    await ask(service, key, "GET", EVIL)
    await page_with(owner, app, "onerror=alert")
    page = (
        await owner.get(
            f"/apps/{app}/requests",
        )
    ).text
    assert "<img src=x" not in page
    assert EVIL in text_of(page)
    answer = await owner.get(f"/apps/{app}/requests?words=%22%3E%3Cimg+src%3Dx%3E&code=%3Cb%3E")
    assert "<img src=x" not in answer.text
    assert "<b>" not in answer.text.partition('id="code"')[2].partition(">")[0]
    assert "Nothing in the log matches." in answer.text


async def test_pages_lead_both_ways_and_keep_the_filter(owner: Browser, environment: dict[str, str]) -> None:
    """Fifty a page, each line once, from the newest to the oldest and back."""
    app = await owner.make_app()
    await fill(environment, app, 120)
    seen: list[str] = []
    query = "?words=line"
    for count in (50, 50, 20):
        page = (await owner.get(f"/apps/{app}/requests{query}")).text
        assert len(paths_of(page)) == count
        seen += paths_of(page)
        older = re.search(r'href="/apps/\w+/requests(\?[^"]+)">Older', page)
        query = "" if older is None else unescape(older[1])
        assert (query == "") == (count == 20)
    assert seen == [f"/v1/line-{number}" for number in range(120, 0, -1)]
    newer = re.search(r'href="/apps/\w+/requests(\?[^"]+)">Newer', page)
    assert newer is not None
    back = (await owner.get(f"/apps/{app}/requests{unescape(newer[1])}")).text
    assert paths_of(back) == seen[50:100]
    assert 'value="line"' in back
    newest = re.search(r'href="/apps/\w+/requests(\?[^"]+)">Newer', back)
    assert newest is not None
    first = (await owner.get(f"/apps/{app}/requests{unescape(newest[1])}")).text
    assert paths_of(first) == seen[:50]
    assert ">Newer<" not in first


async def test_the_filter_finds_by_each_of_its_fields(owner: Browser, service: Service) -> None:
    """Status, words, code, key and request id, one by one; what matches nothing says so."""
    app = await owner.make_app()
    first_id, first = await owner.make_key(app, "First")
    second_id, second = await owner.make_key(app, "Second")
    good = (await ask(service, first, "GET", "/v1/rooms")).headers["x-request-id"]
    bad = (await ask(service, second, "GET", "/v1/rooms/nowhere")).headers["x-request-id"]
    for request in (good, bad):
        await page_with(owner, app, request)
    for query, found in (
        ("status=2", "/v1/rooms"),
        ("status=4", "/v1/rooms/nowhere"),
        ("words=NOWHERE", "/v1/rooms/nowhere"),
        ("code=room_not_found", "/v1/rooms/nowhere"),
        (f"key={first_id}", "/v1/rooms"),
        (f"key={second_id}&status=", "/v1/rooms/nowhere"),
        (f"request=+{good}+", "/v1/rooms"),
    ):
        assert paths_of((await owner.get(f"/apps/{app}/requests?{query}")).text) == [found], query
    page = (await owner.get(f"/apps/{app}/requests?status=5")).text
    assert "Nothing in the log matches." in page


@pytest.mark.parametrize(
    "query", ["before=x", "before=" + "9" * 5_000, "after=-1", "status=9", "key=000000000001", "key=x", "words=%00"]
)
async def test_what_no_page_links_to_is_not_found(owner: Browser, query: str) -> None:
    """Nor is another app's key."""
    app = await owner.make_app()
    assert (await owner.get(f"/apps/{app}/requests?{query}")).status_code == 404


async def test_a_viewer_is_not_shown_it(owner: Browser) -> None:
    """Neither the log nor the way there: whose users ask for what is for those who build."""
    app = await owner.make_app()
    viewer, developer = await owner.invite("viewer"), await owner.invite("developer")
    assert (await viewer.get(f"/apps/{app}/requests")).status_code == 403
    assert "/requests" not in (await viewer.get(f"/apps/{app}")).text
    assert f'href="/apps/{app}/requests"' in (await developer.get(f"/apps/{app}")).text


def read_by_shell(text: str) -> list[str]:
    """Give what a shell makes of a call of curl."""
    script = "curl() { printf '%s\\0' \"$@\"; }\n" + text
    read = subprocess.run(
        ["sh", "-c", script], env={"ROOMLOG_API_KEY": KEY}, capture_output=True, check=True, timeout=10
    )
    assert read.stderr == b""
    return read.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize(
    ("path", "query", "user"),
    [
        ("/v1/rooms", "limit=3&before=4&prefix=…&ticket=…", None),
        ('/v1/rooms/it\'s $(touch x) `y` "z" \\ !', "", "o'neil $HOME"),
        ("/v1/users/a@b.example/é?#&", "", None),
    ],
)
def test_a_copied_request_is_one_that_a_shell_reads_back(path: str, query: str, user: str | None) -> None:
    """Whatever stands in it: a shell makes of it the words that were meant, and runs nothing else."""
    text = repeated_snippet("https://chat.example", "PATCH", path, query, user, status=200)
    assert text is not None
    words = read_by_shell(text)
    url = httpx2.URL(words[0])
    assert (url.host, url.path) == ("chat.example", path)
    assert dict(url.params) == ({"limit": "3", "before": "4"} if query else {})
    assert words[words.index("-X") + 1] == "PATCH"
    named = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
    asked = [f"Authorization: Bearer {KEY}", *([f"Roomlog-As: {user}"] if user else [])]
    assert named == [*asked, "Content-Type: application/json"]


def test_what_a_shell_cannot_repeat_is_not_offered() -> None:
    """A socket, and a path whose words were hidden."""
    assert repeated_snippet("https://chat.example", "GET", "/v1/connect", "", None, status=101) is None
    assert repeated_snippet("https://chat.example", "GET", "/v1/rooms/…", "", None, status=404) is None
