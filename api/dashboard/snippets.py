"""What to do first, ready to be pasted: of an app's own, but for the secrets, which nobody can give again."""

import shlex
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from tenants.request_log import HIDDEN

SWITCHED = 101
WITH_BODY = {"POST", "PUT", "PATCH"}
INSTALL = "pip install roomlog"
MINT = """\
from roomlog import Roomlog

# {app}: the key comes from ROOMLOG_API_KEY
with Roomlog(url="{url}") as server:
    server.users.put("bob")
    token = server.tokens.create(user="alice").token
    server.rooms.create(id="general", members=["alice", "bob"])"""
SEND = """\
from roomlog import Roomlog
from roomlog.models import TextPart

# {app}: the token is that of alice
with Roomlog(token=token, url="{url}") as client:
    client.rooms.messages.send("general", parts=[TextPart(text="Hello")])"""
SUBSCRIBE = """\
from roomlog import Roomlog

# {app}: the token is that of alice
with Roomlog(token=token, url="{url}") as client:
    with client.rooms.open("general") as room:
        for message in room.state.messages:
            print(message.sender, message.parts)
        for event in room:
            print(event)"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A step with its text."""

    title: str
    sentence: str
    language: str
    text: str


def curl_snippet(public_url: str, key: str) -> Snippet:
    """Show a key at work."""
    text = (
        f"curl {public_url}/v1/tokens \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        """  -d '{"user": "alice"}'"""
    )
    return Snippet("Try it", "It issues a token for a user of yours, and makes the user if new.", "sh", text)


def repeated_snippet(
    public_url: str, method: str, path: str, query: str, user: str | None, *, status: int
) -> str | None:
    """Spell a request of the log for a shell, asked by an API key from `ROOMLOG_API_KEY`, as its user if it had one.

    Values that were not kept are left out, and a body comes from a file. None for a socket, and for a path that is hidden.
    """
    if status == SWITCHED or HIDDEN in path:
        return None
    kept = parse_qsl("&".join(pair for pair in query.split("&") if HIDDEN not in pair))
    url = public_url + quote(path, safe="/:@~+") + ("?" + urlencode(kept) if kept else "")
    parts = ["curl " + shlex.quote(url)]
    if method != "GET":
        parts.append("-X " + shlex.quote(method))
    parts.append('-H "Authorization: Bearer $ROOMLOG_API_KEY"')
    if user is not None:
        parts.append("-H " + shlex.quote(f"Roomlog-As: {user}"))
    if method in WITH_BODY:
        parts += ["-H 'Content-Type: application/json'", "-d @body.json"]
    return " \\\n  ".join(parts)


def snippets_of(public_url: str, app: str) -> list[Snippet]:
    """Show the way from nothing to a followed room in this app."""
    return [
        Snippet("Install", "The Python client. Anything that speaks HTTP and JSON will do as well.", "sh", INSTALL),
        Snippet(
            "Mint a token",
            "On your server, which alone has an API key: a room of two, and a token for one of them.",
            "python",
            MINT.format(app=app, url=public_url),
        ),
        Snippet(
            "Send",
            "As the user. Repeated after a fault, the message still stands in the room once.",
            "python",
            SEND.format(app=app, url=public_url),
        ),
        Snippet(
            "Subscribe",
            "History and what comes next in one round trip, each event once and in order.",
            "python",
            SUBSCRIBE.format(app=app, url=public_url),
        ),
    ]
