"""What to do first, ready to be pasted: of an app's own, but for the secrets, which nobody can give again."""

from dataclasses import dataclass

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
