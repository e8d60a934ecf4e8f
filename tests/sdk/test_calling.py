"""Calls over HTTP by both clients, on the real service: what is asked again, what is raised, and how lists go on."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from roomlog import AsyncRoomlog, NoCredential, Roomlog, Unreachable
from roomlog.errors import ApiError
from roomlog.errors_by_code import BadRequest, PreconditionFailed, RateLimited, RoomNotFound, Unauthenticated
from roomlog.models import Message, TextPart
from roomlog.retries import Retries
from roomlog.testing import Proxy
from tests.support.processes import Service
from tests.support.world import World, new_app

AT_ONCE = Retries(first_s=0.0)
SLOW = {"per_s": 2, "burst": 1}
PARTS = [TextPart(text="Hello")]


class Answers:
    """What a client was answered: its own httpx2 clients note it."""

    def __init__(self, url: str) -> None:
        self.statuses: list[int] = []
        self.keys: list[str | None] = []
        self.replayed: list[bool] = []
        self.blocking = httpx2.Client(base_url=url, event_hooks={"response": [self._note]})
        self.awaited = httpx2.AsyncClient(base_url=url, event_hooks={"response": [self._note_later]})

    def _note(self, answer: httpx2.Response) -> None:
        self.statuses.append(answer.status_code)
        self.keys.append(answer.request.headers.get("idempotency-key"))
        self.replayed.append("idempotent-replayed" in answer.headers)

    async def _note_later(self, answer: httpx2.Response) -> None:
        self._note(answer)


Ask = Callable[..., Any]
Make = Callable[..., AsyncRoomlog | Roomlog]


@pytest.fixture(params=["await", "blocking"])
async def answers(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[Answers]:
    noted = Answers(service.url)
    noted.is_awaited = request.param == "await"  # type: ignore[attr-defined]
    yield noted
    noted.blocking.close()
    await noted.awaited.aclose()


def client_of(answers: Answers, *given: str, **more: Any) -> Any:
    """Give a client of the kind that this test is about."""
    if answers.is_awaited:  # type: ignore[attr-defined]
        return AsyncRoomlog(*given, http=answers.awaited, url=str(answers.awaited.base_url), **more)
    return Roomlog(*given, http=answers.blocking, url=str(answers.blocking.base_url), **more)


async def done(call: Callable[[], Any]) -> Any:
    """Call as both clients are called."""
    given = await asyncio.to_thread(call)
    return await given if inspect.isawaitable(given) else given


async def test_what_comes_too_often_is_asked_again_when_the_service_says(
    service: Service, world: World, answers: Answers
) -> None:
    """The wait is the service's, the idempotency key stays, and the application sees nothing of it."""
    app = await new_app(service, world.app.http, limits={"room_sends": SLOW})
    await app.room("r", ("ann",))
    client = client_of(answers, app.key, retries=AT_ONCE).acting_as("ann")
    sent = [await done(lambda: client.rooms.messages.send("r", parts=PARTS)) for _ in range(3)]
    assert [message.number for message in sent] == [1, 2, 3]
    assert answers.statuses.count(201) == 3
    assert 429 in answers.statuses
    assert len(set(answers.keys)) == 3


async def test_patience_has_an_end(service: Service, world: World, answers: Answers) -> None:
    """Then the refusal is raised, with how long to wait."""
    app = await new_app(service, world.app.http, limits={"room_sends": {"per_s": 0.1, "burst": 1}})
    await app.room("r", ("ann",))
    client = client_of(answers, app.key, retries=Retries(times=0)).acting_as("ann")
    await done(lambda: client.rooms.messages.send("r", parts=PARTS))
    with pytest.raises(RateLimited) as refused:
        await done(lambda: client.rooms.messages.send("r", parts=PARTS))
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 10


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_an_answer_that_breaks_off_is_asked_for_again_and_done_once(
    service: Service, world: World, *, is_awaited: bool
) -> None:
    """The message was written, its answer was cut: the second answer is the first one, replayed."""
    await world.app.room("r", ("ann",))
    proxy = Proxy(int(service.url.rpartition(":")[2]))
    proxy.open_door()
    answers = Answers(f"http://127.0.0.1:{proxy.port}")
    answers.is_awaited = is_awaited  # type: ignore[attr-defined]
    try:
        client = client_of(answers, world.app.key, retries=AT_ONCE).acting_as("ann")
        proxy.truncate_next()
        message = await done(lambda: client.rooms.messages.send("r", parts=PARTS))
        assert answers.replayed[-1]
        assert message.number == 1
        room = await done(lambda: client.rooms.get("r"))
        assert room.updated_seq <= message.seq
        said = (await world.app.ask("GET", "/v1/rooms/r/messages", acting="ann")).json()["messages"]
        assert [each["id"] for each in said] == [message.id]
        proxy.shut_door()
        with pytest.raises(Unreachable):
            await done(lambda: client.rooms.get("r"))
    finally:
        await asyncio.to_thread(proxy.close)
        answers.blocking.close()
        await answers.awaited.aclose()


async def test_a_token_that_ended_is_replaced_once(world: World, answers: Answers) -> None:
    """The provider is asked again and the call goes through; what it gives then is not asked for a third time."""
    await world.app.room("r", ("ann",))
    ended = await world.app.token("ann")
    await world.app.ask("POST", "/v1/tokens/revoke", {"token": ended})
    given = [ended, await world.app.token("bob")]
    await world.app.room("r2", ("bob",))
    client = client_of(answers, token=lambda: given.pop(0))
    assert (await done(lambda: client.rooms.get("r2"))).id == "r2"
    assert given == []
    assert answers.statuses == [401, 200]
    client = client_of(answers, token=lambda: ended)
    with pytest.raises(Unauthenticated):
        await done(lambda: client.rooms.get("r2"))
    assert answers.statuses == [401, 200, 401, 401]


async def test_a_refusal_is_of_its_code_s_class_and_can_be_asked_about(world: World, answers: Answers) -> None:
    """With the request's id, in the message, too; `request` gives the same answer as it came."""
    client = client_of(answers, world.app.key)
    with pytest.raises(RoomNotFound) as refused:
        await done(lambda: client.rooms.get("nowhere"))
    error = refused.value
    assert isinstance(error, ApiError)
    assert (error.code, error.status) == ("room_not_found", 404)
    assert error.request_id is not None
    assert error.request_id in str(error)
    raw = await done(lambda: client.request("GET", "/v1/rooms/nowhere"))
    assert (raw.status_code, raw.json()["code"]) == (404, "room_not_found")


@pytest.mark.parametrize("id", ["a?private=true", "a#b", "ä b", "%2e%2e", "a%2Fmessages", "b\\c"])
async def test_an_id_is_one_segment_whatever_it_says(world: World, answers: Answers, id: str) -> None:  # noqa: A002
    """It reaches the route that was meant, which refuses it, and no other."""
    await world.app.room("a", ("ann",))
    client = client_of(answers, world.app.key)
    with pytest.raises(BadRequest, match="An id is"):
        await done(lambda: client.rooms.get(id))


@pytest.mark.parametrize("id", ["", ".", "..", "a/../b", "a/messages"])
async def test_what_can_be_no_id_is_not_asked_for(world: World, answers: Answers, id: str) -> None:  # noqa: A002
    """In a path it would name something else."""
    client = client_of(answers, world.app.key)
    with pytest.raises(ValueError, match="is no id"):
        await done(lambda: client.rooms.get(id))
    assert answers.statuses == []


async def test_a_change_that_depends_on_a_tag(world: World, answers: Answers) -> None:
    """What was read carries its tag; a change in between refuses the other."""
    await world.app.room("r", ("ann",))
    client = client_of(answers, world.app.key).acting_as("ann")
    read = await done(lambda: client.rooms.get("r"))
    assert (await done(lambda: client.rooms.update("r", name="One", if_match=read.etag))).name == "One"
    with pytest.raises(PreconditionFailed):
        await done(lambda: client.rooms.update("r", name="Two", if_match=read.etag))


async def items_of(pages: Any) -> list[Any]:
    if hasattr(pages, "__aiter__"):
        return [each async for each in pages]
    return await asyncio.to_thread(list, pages)


async def test_lists_go_on_by_themselves(world: World, answers: Answers) -> None:
    """From the newest message back to the first; or onwards from a place; and any other list to its end."""
    await world.app.room("r", tuple(f"u{number}" for number in range(5)))
    for number in range(7):
        await world.app.say("r", f"{number}", "u0")
    client = client_of(answers, world.app.key)

    def texts(messages: list[Message]) -> list[str]:
        return [part.text for message in messages for part in message.parts if isinstance(part, TextPart)]

    newest_first = [f"{number}" for number in reversed(range(7))]
    assert texts(await items_of(client.rooms.messages.list("r", limit=3))) == newest_first
    onwards = await items_of(client.rooms.messages.list("r", limit=3, after=0))
    assert texts(onwards) == newest_first[::-1]
    assert texts(await items_of(client.rooms.messages.list("r", limit=2, before=onwards[3].seq))) == ["2", "1", "0"]
    assert len(await items_of(client.rooms.messages.list("r", limit=3, around=onwards[3].seq))) == 3
    first = await done(client.rooms.messages.list("r", limit=3).first)
    assert texts(first.messages) == ["4", "5", "6"]
    pages = await items_of(client.rooms.messages.list("r", limit=3).pages())
    assert [len(page.messages) for page in pages] == [3, 3, 1]
    assert [each.user for each in await items_of(client.rooms.members.list("r", limit=2))] == [
        f"u{number}" for number in range(5)
    ]
    users = await items_of(client.users.list(prefix="u", limit=2))
    assert [each.id for each in users] == [f"u{number}" for number in range(5)]


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by `repr` nor by what is raised; the key may come from the environment, and one there must be."""
    monkeypatch.setenv("ROOMLOG_API_KEY", "rl_test_secret")
    for client in (Roomlog(), Roomlog("rl_test_secret"), Roomlog(token="secret"), AsyncRoomlog("rl_test_secret")):
        assert "secret" not in repr(client)
    assert Roomlog()._credential.get() == "rl_test_secret"
    monkeypatch.delenv("ROOMLOG_API_KEY")
    with pytest.raises(NoCredential, match="ROOMLOG_API_KEY"):
        Roomlog()
    with pytest.raises(NoCredential, match="not both") as refused:
        Roomlog("rl_test_secret", token="secret")
    assert "secret" not in str(refused.value)
