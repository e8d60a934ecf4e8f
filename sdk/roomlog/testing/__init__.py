"""For the tests of what is built on Roomlog: a real server of their own, and the faults that it must survive.

With `pip install "roomlog[testing]"` a test asks for the fixture `chat_server`:

    def test_bob_hears_alice(chat_server):
        with chat_server.user("bob") as bob, bob.rooms.open("general") as room:
            chat_server.client().acting_as("alice").rooms.messages.send("general", parts=[TextPart(text="Hi")])
            assert room.next(timeout_s=5).message.parts[0].text == "Hi"

`running_chat_server` gives one for another scope.
"""

from roomlog.testing.convergence import assert_converged, async_assert_converged
from roomlog.testing.proxy import Proxy
from roomlog.testing.server import ChatServer, ServerFailed, running_chat_server

__all__ = [
    "ChatServer",
    "Proxy",
    "ServerFailed",
    "assert_converged",
    "async_assert_converged",
    "running_chat_server",
]
