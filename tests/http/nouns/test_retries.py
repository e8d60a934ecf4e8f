"""Every write under an idempotency key: its repetition is answered like the first time, whatever has happened since."""

import asyncio

from tests.support.world import World


async def test_a_room_s_change_repeated_is_no_conflict(world: World) -> None:
    """The key is asked before expected_seq: the retry of an accepted change does not fail because of what it changed."""
    app = world.app
    room = await app.room("r")
    change = {"name": "Neu", "expected_seq": room["updated_seq"]}
    first = await app.ask("PATCH", "/v1/rooms/r", change, key="k")
    again = await app.ask("PATCH", "/v1/rooms/r", change, key="k")
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.json() == first.json()
    other = await app.ask("PATCH", "/v1/rooms/r", {"name": "Anders"}, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    stale = await app.ask("PATCH", "/v1/rooms/r", change, key="another")
    assert (stale.status_code, stale.json()["code"]) == (409, "seq_conflict")


async def test_a_room_s_change_repeated_does_not_undo_later_ones(world: World) -> None:
    """A late retry writes nothing: what others changed since stays."""
    app = world.app
    await app.room("r")
    await app.ask("PATCH", "/v1/rooms/r", {"name": "one"}, key="k")
    later = await app.ask("PATCH", "/v1/rooms/r", {"name": "two"})
    again = await app.ask("PATCH", "/v1/rooms/r", {"name": "one"}, key="k")
    assert (again.status_code, again.json()) == (200, later.json())


async def test_the_making_of_a_room_deleted_since_is_not_repeated(world: World) -> None:
    """Its retry says that there is no such room, and neither makes one nor says that the id is taken."""
    app = world.app
    await app.ask("POST", "/v1/rooms", {"id": "r"}, key="k")
    await app.ask("DELETE", "/v1/rooms/r")
    again = await app.ask("POST", "/v1/rooms", {"id": "r"}, key="k")
    assert (again.status_code, again.json()["code"]) == (404, "room_not_found")
    assert (await app.ask("GET", "/v1/rooms/r")).status_code == 404


async def test_a_member_s_new_role_repeated_is_the_same(world: World) -> None:
    """Adding and promoting under one key each are answered again with the member; another role under it is refused."""
    app = world.app
    await app.room("r", ("ann",))
    path = "/v1/rooms/r/members/ann"
    first = await app.ask("PUT", path, {"role": "admin"}, key="k")
    again = await app.ask("PUT", path, {"role": "admin"}, key="k")
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert first.json() == again.json()
    assert again.json()["role"] == "admin"
    other = await app.ask("PUT", path, {"role": "member"}, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 3


async def test_leaving_a_private_room_repeated_has_been_done(world: World) -> None:
    """The retry of a leave, by either route, is answered as before, though the room is out of sight by now."""
    app = world.app
    await app.room("p", ("ann", "bob"), private=True)
    for user, method, path in (("ann", "POST", "leave"), ("bob", "DELETE", "members/bob")):
        for _ in range(2):
            answer = await app.ask(method, f"/v1/rooms/p/{path}", user=user, key="k")
            assert answer.status_code == 204, answer.text
        anew = await app.ask(method, f"/v1/rooms/p/{path}", user=user)
        assert (anew.status_code, anew.json()["code"]) == (404, "room_not_found")
    assert (await app.ask("GET", "/v1/rooms/p")).json()["member_count"] == 0


async def test_leaving_a_public_room_twice_changes_nothing(world: World) -> None:
    """Who is no member has left."""
    app = world.app
    await app.room("r", ("ann",))
    for _ in range(2):
        assert (await app.ask("POST", "/v1/rooms/r/leave", user="ann")).status_code == 204
    assert (await app.ask("POST", "/v1/rooms/r/leave", user="eve")).status_code == 204
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 3


async def test_joining_at_once_is_joining_once(world: World) -> None:
    """Ten joins of one user under different keys are one event, and all give the membership."""
    app = world.app
    await app.room("r")
    await app.token("ann")
    answers = await asyncio.gather(*(app.ask("POST", "/v1/rooms/r/join", user="ann") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["joined_seq"] for answer in answers} == {2}
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 2


async def test_a_deletion_repeated_is_done(world: World) -> None:
    """Deleting a message again, under its key or another, adds no event."""
    app = world.app
    await app.room("r", ("ann",))
    path = f"/v1/rooms/r/messages/{(await app.say('r', 'x', 'ann'))['id']}"
    for key in ("k", "k", "other"):
        assert (await app.ask("DELETE", path, user="ann", key=key)).status_code == 204
    assert (await app.ask("GET", "/v1/rooms/r")).json()["seq"] == 4


async def test_an_edit_repeated_after_later_ones_changes_nothing(world: World) -> None:
    """A late retry of an edit gives its first answer, and the message stays as the later edit left it."""
    app = world.app
    await app.room("r", ("ann",))
    path = f"/v1/rooms/r/messages/{(await app.say('r', 'x', 'ann'))['id']}"
    one, two = ({"parts": [{"type": "text", "text": words}]} for words in ("one", "two"))
    first = await app.ask("PATCH", path, one, user="ann", key="k")
    later = await app.ask("PATCH", path, two, user="ann")
    again = await app.ask("PATCH", path, one, user="ann", key="k")
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, first.json(), "true")
    assert (await app.ask("GET", path, user="ann")).json() == later.json()
