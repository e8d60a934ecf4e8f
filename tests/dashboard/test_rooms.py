"""The rooms and users of an app, looked at from the dashboard: found, paged, and shown as what they are."""

import re
from collections.abc import AsyncIterator
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from tenants.ids import parse_app_name
from tests.support.dashboard import Browser, text_of
from tests.support.document import public_client
from tests.support.processes import Service
from tests.support.world import App

GRANTS = [
    "messages:read",
    "messages:write",
    "rooms:read",
    "rooms:write",
    "users:read",
    "users:write",
    "tokens:create",
    "app:manage",
]
PAGE = 50
CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</title></textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "<!--",
    "\u202eevil",
    "<x-evil hx-get=/sign-out hx-trigger=load>",
]


@pytest.fixture
async def app(owner: Browser, service: Service) -> AsyncIterator[App]:
    """An app of the owner's, with a key that may do everything."""
    name = await owner.make_app()
    _, key = await owner.make_key(name, grants=GRANTS)
    async with public_client(service.url) as http:
        yield App(name, key, service, http)


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes, as a browser takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))


def ids_in(page: str, app: App, noun: str) -> list[str]:
    """Give the ids that a list links to, in its order."""
    return re.findall(rf'<td class="clip"><a href="/apps/{app.id}/{noun}/([^"]+)">', page)


def link(page: str, name: str) -> str:
    """Give where a link leads."""
    found = re.search(rf'<a class="button" href="([^"]+)"[^>]*>{name}</a>', page)
    assert found is not None, name
    return found[1].replace("&amp;", "&")


async def test_rooms_are_listed_newest_first_and_paged(owner: Browser, app: App) -> None:
    """Fifty a page, all of them once, private ones too, with what is told of each."""
    for number in range(PAGE + 3):
        await app.room(f"room-{number:02}", private=number == 1)
    await app.room("room-01", ("ann",), private=True)
    await app.ask("PUT", "/v1/rooms/room-00/members/ann")
    first = (await owner.get(f"/apps/{app.id}/rooms")).text
    second = (await owner.get(link(first, "Next"))).text
    listed = ids_in(first, app, "rooms") + ids_in(second, app, "rooms")
    assert listed == [f"room-{number:02}" for number in reversed(range(PAGE + 3))]
    assert ">Next<" not in second
    row = second.partition('rooms/room-01"')[2].partition("</tr>")[0]
    assert (">private<" in row, "<time" in row) == (True, True)
    assert ids_in((await owner.get(link(second, "First"))).text, app, "rooms") == listed[:PAGE]


async def test_a_room_is_found_by_its_id_or_by_what_its_name_begins_with(owner: Browser, app: App) -> None:
    """The one of that id first; names in their order, paged; another app's never."""
    for number in range(PAGE + 2):
        await app.room(f"id-{number:02}", name=f"Support {number:02}")
    await app.room("Support", name="Zebra")
    await app.room("else", name="support in small letters")
    page = (await owner.get(f"/apps/{app.id}/rooms?q=Support")).text
    following = (await owner.get(link(page, "Next"))).text
    found = ids_in(page, app, "rooms") + ids_in(following, app, "rooms")
    assert found == ["Support", *(f"id-{number:02}" for number in range(PAGE + 2))]
    assert 'value="Support"' in page
    assert ids_in((await owner.get(f"/apps/{app.id}/rooms?q=id-07")).text, app, "rooms") == ["id-07"]
    assert (await owner.get(f"/apps/{app.id}/rooms?q=%00")).status_code == 404
    for nothing in ("no-such", "%", "%ff", "%ed%a0%80", "x" * 300, "..", "%F0%9F%92%A9"):
        answer = await owner.get(f"/apps/{app.id}/rooms?q={nothing}")
        assert answer.status_code == 200, nothing
        assert ids_in(answer.text, app, "rooms") == []
    other = await owner.make_app("Other")
    assert ids_in((await owner.get(f"/apps/{other}/rooms?q=Support")).text, app, "rooms") == []


async def test_a_room_shows_its_log_newest_first(owner: Browser, app: App) -> None:
    """Messages, members and changes, each with its seq; what was deleted is a tombstone everywhere; a page has fifty."""
    await app.room("general", ("ann",), name="General", data={"topic": "news"})
    body = {"parts": [{"type": "text", "text": "of old"}], "metadata": {"mood": "good"}}
    await app.ask("POST", "/v1/rooms/general/messages", body, user="ann")
    doomed = await app.say("general", "regretted at once", "ann")
    edit = {"parts": [{"type": "text", "text": "regretted later"}]}
    await app.ask("PATCH", f"/v1/rooms/general/messages/{doomed['id']}", edit, user="ann")
    await app.ask("DELETE", f"/v1/rooms/general/messages/{doomed['id']}", user="ann")
    await app.ask("PATCH", "/v1/rooms/general", {"name": "Town hall"})
    for number in range(PAGE):
        # As the app's server, from whom no user's budget is taken.
        said = {"parts": [{"type": "text", "text": f"number {number}"}]}
        assert (await app.ask("POST", "/v1/rooms/general/messages", said, acting="ann")).status_code == 201
    path = f"/apps/{app.id}/rooms/general"
    first = (await owner.get(path)).text
    second = (await owner.get(link(first, "Older"))).text
    head = (await app.ask("GET", "/v1/rooms/general")).json()["seq"]
    seqs = [int(seq) for seq in re.findall(r'class="seq" title="seq">(\d+)<', first + second)]
    assert seqs == list(range(head, 0, -1))
    assert first.count('class="seq"') == PAGE
    assert first.index("number 49") < first.index("number 1<")
    shown = text_of(second)
    for word in ("message.deleted", "message.edited", "room.updated", "Town hall, public", "is a member now", "mood"):
        assert word in shown, word
    assert shown.count("What was said here has been deleted.") == 3
    for page in (first, second):
        assert "regretted" not in page
    assert "&#34;topic&#34;: &#34;news&#34;" in first
    assert 'name="q"' not in first
    assert (await owner.get(f"{path}?before=1")).status_code == 200
    for wrong in ("before=x", "members=x", "before=" + "9" * 30, "before=-1"):
        assert (await owner.get(f"{path}?{wrong}")).status_code == 404, wrong


async def test_what_is_no_longer_kept_is_said_to_be(owner: Browser, app: App, environment: dict[str, str]) -> None:
    """A log that begins late has no older page, and says why."""
    await app.room("general", ("ann",))
    for number in range(5):
        await app.say("general", f"number {number}", "ann")
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("DELETE FROM events WHERE app_id = $1 AND seq < 5", parse_app_name(app.id))
    await connection.close()
    page = (await owner.get(f"/apps/{app.id}/rooms/general")).text
    assert "no longer kept" in page
    assert ">Older<" not in page


async def test_members_are_paged_and_lead_to_users(owner: Browser, app: App) -> None:
    """Twenty a page in the order of their joining; a user's page leads back to the rooms."""
    users = [f"user-{number:02}" for number in range(25)]
    await app.ask("POST", "/v1/users/batch", {"users": [{"id": user} for user in users]})
    await app.ask("POST", "/v1/rooms", {"id": "big", "members": users})
    await app.ask("PUT", "/v1/rooms/big/members/user-00", {"role": "admin"})
    path = f"/apps/{app.id}/rooms/big"
    first = (await owner.get(path)).text
    members = first.partition('id="members"')[2]
    second = (await owner.get(link(members, "Next"))).text.partition('id="members"')[2]
    found = re.findall(rf'href="/apps/{app.id}/users/([^"]+)"', members + second)
    assert sorted(found) == users
    assert ">admin<" in members
    user = (await owner.get(f"/apps/{app.id}/users/user-00")).text
    assert ids_in(user, app, "rooms") == ["big"]
    assert "admin" in text_of(user).partition("Where this user is a member")[2]
    for nothing in ("nobody", "%00", "..%2f"):
        assert (await owner.get(f"/apps/{app.id}/users/{nothing}")).status_code == 404, nothing
        assert (await owner.get(f"/apps/{app.id}/rooms/{nothing}")).status_code == 404, nothing


async def test_users_are_listed_by_id_and_found_by_what_it_begins_with(owner: Browser, app: App) -> None:
    """Fifty a page, in the order of their ids, and of this app alone."""
    users = [f"user-{number:02}" for number in range(PAGE + 2)]
    await app.ask("POST", "/v1/users/batch", {"users": [{"id": user, "name": f"N {user}"} for user in users]})
    await app.token("zoe")
    path = f"/apps/{app.id}/users"
    first = (await owner.get(path)).text
    second = (await owner.get(link(first, "Next"))).text
    assert ids_in(first + second, app, "users") == [*users, "zoe"]
    found = (await owner.get(f"{path}?q=user-5")).text
    assert ids_in(found, app, "users") == ["user-50", "user-51"]
    assert (await owner.get(f"{path}?after=nonsense")).status_code == 404
    assert ids_in((await owner.get(f"{path}?q=%25")).text, app, "users") == []
    other = await owner.make_app("Other")
    assert "zoe" not in (await owner.get(f"/apps/{other}/users")).text


@pytest.mark.parametrize("text", CORPUS)
async def test_what_users_write_stays_text(owner: Browser, app: App, text: str) -> None:
    """As name, message, metadata and data, on every page that shows it; no id can be such a thing at all."""
    assert (await app.ask("POST", "/v1/rooms", {"id": text})).status_code == 400 or text == "javascript:alert(1)"
    data = {text: text}
    await app.ask("PUT", "/v1/users/ann", {"name": text, "data": data})
    await app.room("general", ("ann",), name=text, data=data)
    body: dict[str, Any] = {
        "parts": [
            {"type": "text", "text": text},
            {"type": "data", "media_type": "text/html", "data": text},
            {"type": "url", "url": "https://x.example/" + re.sub(r"\s", "", text)},
        ],
        "metadata": data,
    }
    assert (await app.ask("POST", "/v1/rooms/general/messages", body, user="ann")).status_code == 201
    shown = escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    pages = [f"/apps/{app.id}/{path}" for path in ("rooms", "rooms/general", "users", "users/ann", "inspector")]
    pages.append(f"/apps/{app.id}/rooms?q={quote(text)}")
    for path in pages:
        page = (await owner.get(path)).text
        if set(text) & set("<\"'"):
            assert text not in page.replace("&lt;!--", ""), path
        if not path.endswith("inspector"):
            assert shown in page, path
        found = Tags()
        found.feed(page)
        for tag, names in found.tags:
            assert tag not in {"svg", "x-evil"}, path
            assert tag != "script" or "nonce" in names, path
            assert not any(name.startswith("on") or name == "style" for name in names), (path, tag)
            assert ("hx-nonce" in names) == any(name.startswith("hx-") for name in names), (path, tag)


async def test_links_lead_to_http_alone_and_take_nothing_along(owner: Browser, app: App) -> None:
    """Only what the API takes for a link is one; it names no referrer and follows for no robot."""
    await app.room("general", ("ann",))
    parts = [{"type": "url", "url": "https://x.example/?a=1&b=2"}, {"type": "text", "text": "http://y.example"}]
    await app.ask("POST", "/v1/rooms/general/messages", {"parts": parts}, user="ann")
    bad = {"parts": [{"type": "url", "url": "javascript:alert(1)"}]}
    assert (await app.ask("POST", "/v1/rooms/general/messages", bad, user="ann")).status_code == 400
    page = (await owner.get(f"/apps/{app.id}/rooms/general")).text
    links = re.findall(r'<a href="(https?:[^"]+)"([^>]*)>', page)
    assert links == [("https://x.example/?a=1&amp;b=2", ' rel="noopener noreferrer nofollow"')]


async def test_a_long_message_is_shown_in_part(owner: Browser, app: App) -> None:
    """With how much is left: one of 60,000 characters pushes no others away."""
    await app.room("general", ("ann",))
    await app.say("general", "long " * 12_000, "ann")
    page = (await owner.get(f"/apps/{app.id}/rooms/general")).text
    assert len(page) < 40_000
    assert "58,000 more characters" in page


async def test_a_viewer_sees_no_word_of_it(owner: Browser, app: App) -> None:
    """Nor a tab that would lead there."""
    await app.room("general", ("ann",))
    await app.say("general", "between us", "ann")
    viewer = await owner.invite("viewer")
    for path in ("rooms", "rooms/general", "users", "users/ann", "inspector", "playground"):
        assert (await viewer.get(f"/apps/{app.id}/{path}")).status_code == 403, path
    page = (await viewer.get(f"/apps/{app.id}")).text
    for tab in ("rooms", "users", "inspector", "playground"):
        assert f"/apps/{app.id}/{tab}" not in page
