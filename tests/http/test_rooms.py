"""Rooms, members and users by REST."""

import asyncio

from tests.support.world import World


async def test_a_room_is_made_once_and_found_after(world: World) -> None:
    """Twenty wishes for one id at once make one room; later ones find it as it is."""
    app = world.app
    wishes = (app.ask("POST", "/v1/rooms", {"id": "general", "name": f"N{n}"}) for n in range(20))
    answers = await asyncio.gather(*wishes)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["created_at"] for answer in answers}) == 1
    unnamed = [(await app.ask("POST", "/v1/rooms", {})).json()["id"] for _ in range(2)]
    assert unnamed[0] != unnamed[1]


async def test_a_repeated_making_without_an_id_is_one_room(world: World) -> None:
    """Under one key the same wish makes one room, another wish is refused."""
    ask = world.app.ask
    first = await ask("POST", "/v1/rooms", {"name": "N"}, key="k")
    again = await ask("POST", "/v1/rooms", {"name": "N"}, key="k")
    other = await ask("POST", "/v1/rooms", {"name": "M"}, key="k")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json()["id"] == first.json()["id"]


async def test_the_maker_of_a_room_is_its_admin(world: World) -> None:
    """A user's room is theirs to manage, and nobody else's but the server's."""
    app = world.app
    await app.token("bob")
    made = await app.ask("POST", "/v1/rooms", {"id": "r", "members": ["bob"]}, user="ann")
    assert (made.status_code, made.json()["role"], made.json()["member_count"]) == (201, "admin", 2)
    change = {"name": "Neu", "data": {"a": 1}}
    assert (await app.ask("PATCH", "/v1/rooms/r", change, user="bob")).json()["code"] == "not_allowed"
    assert (await app.ask("PATCH", "/v1/rooms/r", change, user="eve")).json()["code"] == "not_a_member"
    changed = await app.ask("PATCH", "/v1/rooms/r", change, user="ann")
    assert (changed.json()["name"], changed.json()["data"]) == ("Neu", {"a": 1})
    stale = await app.ask("PATCH", "/v1/rooms/r", {"name": "X", "expected_seq": 1}, user="ann")
    assert stale.json()["code"] == "seq_conflict"
    promoted = await app.ask("PUT", "/v1/rooms/r/members/bob", {"role": "admin"}, user="ann")
    assert promoted.json()["role"] == "admin"
    assert (await app.ask("DELETE", "/v1/rooms/r", user="bob")).status_code == 204


async def test_changes_at_once_are_all_kept(world: World) -> None:
    """Two who change different things of a room at the same time both find their change in it."""
    app = world.app
    await app.room("r")
    await asyncio.gather(
        app.ask("PATCH", "/v1/rooms/r", {"name": "Neu"}),
        app.ask("PATCH", "/v1/rooms/r", {"private": True}),
        app.ask("PATCH", "/v1/rooms/r", {"data": {"x": 1}}),
    )
    room = (await app.ask("GET", "/v1/rooms/r")).json()
    assert (room["name"], room["private"], room["data"], room["seq"]) == ("Neu", True, {"x": 1}, 4)


async def test_a_deleted_room_does_not_exist_and_its_id_is_free(world: World) -> None:
    """After deletion everything answers not found; a new room of the id is another room."""
    app = world.app
    await app.room("r", ("ann",))
    message = await app.say("r", "x", "ann")
    assert (await app.ask("DELETE", "/v1/rooms/r")).status_code == 204
    for method, path in (("GET", ""), ("GET", "/messages"), ("GET", "/members"), ("POST", "/join")):
        answer = await app.ask(method, f"/v1/rooms/r{path}", user="ann")
        assert answer.json()["code"] == "room_not_found", path
    assert (await app.room("r", ("ann",)))["seq"] == 2
    old = await app.ask("GET", f"/v1/rooms/r/messages/{message['id']}", user="ann")
    assert old.json()["code"] == "message_not_found"
    assert (await app.say("r", "new", "ann"))["number"] == 1


async def test_a_repeated_deletion_spares_the_room_made_since(world: World) -> None:
    """The retry of a deletion is answered as the deletion was, and deletes nothing that came after it."""
    app = world.app
    await app.room("r")
    assert (await app.ask("DELETE", "/v1/rooms/r", key="once")).status_code == 204
    assert (await app.ask("DELETE", "/v1/rooms/r", key="once")).status_code == 204
    await app.room("r")
    assert (await app.ask("DELETE", "/v1/rooms/r", key="once")).status_code == 204
    assert (await app.ask("GET", "/v1/rooms/r")).status_code == 200
    assert (await app.ask("DELETE", "/v1/rooms/r", key="twice")).status_code == 204
    assert (await app.ask("DELETE", "/v1/rooms/r", key="thrice")).status_code == 404


async def test_public_rooms_are_read_and_joined_private_ones_are_not_there(world: World) -> None:
    """Anybody of the app reads and joins a public room; a private one is for those who were added."""
    app = world.app
    await app.room("open")
    await app.room("closed", private=True)
    assert (await app.ask("GET", "/v1/rooms/open/messages", user="eve")).status_code == 200
    joined = await app.ask("POST", "/v1/rooms/open/join", user="eve")
    assert (joined.json()["user"], joined.json()["role"]) == ("eve", "member")
    assert (await app.ask("POST", "/v1/rooms/open/join", user="eve")).json() == joined.json()
    assert (await app.ask("POST", "/v1/rooms/closed/join", user="eve")).status_code == 404
    taken = await app.ask("POST", "/v1/rooms", {"id": "closed"}, user="eve")
    assert taken.json()["code"] == "room_id_taken"
    assert (await app.ask("PUT", "/v1/rooms/closed/members/eve", {})).status_code == 200
    assert (await app.ask("GET", "/v1/rooms/closed", user="eve")).json()["role"] == "member"
    assert (await app.ask("POST", "/v1/rooms/closed/leave", user="eve")).status_code == 204
    assert (await app.ask("GET", "/v1/rooms/closed", user="eve")).status_code == 404


async def test_only_admins_bring_in_and_take_out_and_anybody_leaves(world: World) -> None:
    """Members do not add or remove others."""
    app = world.app
    await app.room("r", ("bob", "cid"))
    await app.token("dot")
    assert (await app.ask("PUT", "/v1/rooms/r/members/dot", {}, user="bob")).json()["code"] == "not_allowed"
    assert (await app.ask("DELETE", "/v1/rooms/r/members/cid", user="bob")).json()["code"] == "not_allowed"
    assert (await app.ask("DELETE", "/v1/rooms/r/members/bob", user="bob")).status_code == 204
    assert (await app.ask("PUT", "/v1/rooms/r/members/ghost", {})).json()["code"] == "user_not_found"
    members = (await app.ask("GET", "/v1/rooms/r/members")).json()
    assert ([member["user"] for member in members["members"]], members["member_count"]) == (["cid"], 1)


async def test_rooms_and_members_come_in_pages(world: World) -> None:
    """Following `next` gives each once."""
    app = world.app
    users = tuple(f"u{number}" for number in range(7))
    for number in range(5):
        await app.room(f"r{number}", users)
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = (await app.ask("GET", f"/v1/rooms?{query}", user="u1")).json()
        seen += [room["id"] for room in page["rooms"]]
        query = f"limit=2&after={page['next']}" if page["next"] else ""
    assert seen == [f"r{number}" for number in (4, 3, 2, 1, 0)]
    found: list[str] = []
    after = 0
    while after is not None:
        page = (await app.ask("GET", f"/v1/rooms/r0/members?limit=3&after={after}")).json()
        found += [member["user"] for member in page["members"]]
        after = page["next"]
    assert found == list(users)
    assert (await app.ask("GET", "/v1/rooms?after=nonsense")).status_code == 400


async def test_users_are_made_and_changed(world: World) -> None:
    """A server makes and changes users, a user itself alone."""
    app = world.app
    made = await app.ask("PUT", "/v1/users/ann", {"name": "Ann", "data": {"x": 1}})
    assert (made.status_code, made.json()["name"]) == (201, "Ann")
    changed = await app.ask("PUT", "/v1/users/ann", {"name": "Änn"}, user="ann")
    assert (changed.status_code, changed.json()["name"], changed.json()["data"]) == (200, "Änn", {"x": 1})
    assert (await app.ask("PUT", "/v1/users/bob", {"name": "B"}, user="ann")).status_code == 403
    assert (await app.ask("GET", "/v1/users/ann", user="ann")).json() == changed.json()
    assert (await app.ask("GET", "/v1/users/zoe")).json()["code"] == "user_not_found"
    assert (await world.other.ask("GET", "/v1/users/ann")).json()["code"] == "user_not_found"


async def test_read_cursors_are_shown_of_the_members_that_are_listed(world: World) -> None:
    """A snapshot lists the first 100 members and tells how far these have read, however many there are."""
    app = world.app
    await app.room("large", ("ann",))
    names = [f"m{number}" for number in range(120)]
    await app.ask("POST", "/v1/users/batch", {"users": [{"id": name} for name in names]})
    await app.ask("POST", "/v1/rooms/large/members/batch", {"members": [{"user": name} for name in names]})
    for name in (names[0], names[-1]):
        assert (await app.ask("PUT", "/v1/rooms/large/read", {"seq": 1}, user=name)).json() == {"seq": 1}
    async with app.socket("ann") as socket:
        snapshot = (await socket.open("large"))["snapshot"]
        assert (len(snapshot["members"]), snapshot["reads"]) == (100, {names[0]: 1})


async def test_read_cursors_move_forward_only(world: World) -> None:
    """A read cursor never moves back nor beyond the head, and is shown to who opens the room."""
    app = world.app
    await app.room("r", ("ann", "bob"))
    said = await app.say("r", "x", "ann")
    for wish, stands in ((2, 2), (1, 2), (999, said["seq"])):
        assert (await app.ask("PUT", "/v1/rooms/r/read", {"seq": wish}, user="bob")).json() == {"seq": stands}
    assert (await app.ask("PUT", "/v1/rooms/r/read", {"seq": 1}, user="eve")).json()["code"] == "not_a_member"
    async with app.socket("ann") as socket:
        assert (await socket.open("r"))["snapshot"]["reads"] == {"bob": said["seq"]}
