"""Everybody who uses a cluster during one run: who there is, in which rooms, and what each of them does."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from api.ids import Epoch, Place, RoomNumber, Seq, write_cursor
from tests.endurance.raw import dial, upgrade
from tests.promises.history import Glance, Revocation
from tests.promises.people import BROKEN, People
from tests.promises.readers import FollowingReader, Habits, SocketReader
from tests.promises.writers import NOT_YET, Writers
from tests.support.sockets import connect
from tests.support.world import App

HOT = "hot"
TARDY = "tardy"
"""Its publications often come late, and so in another order than they were committed in."""
KEPT_BRIEFLY = "brief"
"""Keeps its messages for a second."""
PRIVATE = "guests"
PHOENIX = "phoenix"
"""Is deleted and made anew again and again."""
BUSY = [HOT, TARDY, *(f"busy{number}" for number in range(6))]
QUIET = [f"quiet{number}" for number in range(8)]
FICKLE = {PHOENIX}
GIVEN_UP_S = 90.0
"""Longer than the service waits for a client that reads nothing and answers no ping."""
FIRST_NUMBER = 1_000
"""Of the rooms of each app: the same rooms have the same numbers in all of them, as they may have on several shards."""


@dataclass(frozen=True)
class Crowd:
    """How many there are, over all apps."""

    writers: int = 24
    readers: int = 80
    pause_s: float = 0.4
    """Between two messages of one writer, about."""
    births_s: float = 1.5
    """Between two rooms that are made and opened at once."""


class Workload:
    """The roles of one run."""

    def __init__(self, people: People, crowd: Crowd, patience_s: float) -> None:
        self.people = people
        self.patience_s = 4 * patience_s
        """How long the readers of a new room wait for its last word; one that has not come then is lost."""
        self.crowd = crowd
        self.writers = Writers(people, {*BUSY, PRIVATE})
        self.names = [f"w{number}" for number in range(crowd.writers)]

    async def furnish(self) -> None:
        """Give every app the same users and the same rooms, with the same numbers."""
        everybody = (*self.names, "reader", "guest", "mortal", "outcast", "stranger")
        for app in self.people.apps:
            connection = await self.people.scene.database()
            await connection.execute("SELECT setval('room_numbers', $1, false)", FIRST_NUMBER)
            await connection.close()
            for start in range(0, len(everybody), 10):
                await asyncio.gather(*(self.people.lasting(app, user) for user in everybody[start : start + 10]))
            for name in (*BUSY, *QUIET, KEPT_BRIEFLY, PHOENIX):
                await app.room(name, tuple(self.names))
            await app.room(PRIVATE, (*self.names, "guest"), private=True)
            kept = await app.ask("PUT", f"/v1/rooms/{KEPT_BRIEFLY}/retention", {"retention_s": 1})
            assert kept.status_code == 200, kept.text

    async def write(self, seconds: float, tasks: asyncio.TaskGroup) -> None:
        """Have everybody write who does."""
        people, crowd, writers = self.people, self.crowd, self.writers
        rooms = [*BUSY, PRIVATE]
        for number, user in enumerate(self.names):
            app = people.apps[number % len(people.apps)]
            chat = writers.chat if number % 2 else writers.chat_on_sockets
            tasks.create_task(chat(app, user, rooms, crowd.pause_s))
        for app in people.apps:
            for room in QUIET:
                tasks.create_task(writers.say_little(app, room, seconds))
            tasks.create_task(writers.chat(app, "w0", [KEPT_BRIEFLY, PHOENIX], crowd.pause_s))
            tasks.create_task(writers.misbehave(app, BUSY, PRIVATE))
            tasks.create_task(self._remove_and_add(app))
            tasks.create_task(self._bury_and_raise(app))
            tasks.create_task(self._rename(app))
            tasks.create_task(self._end_tokens(app))
        tasks.create_task(writers.edit(crowd.pause_s))
        tasks.create_task(self._give_birth())
        tasks.create_task(self._glance())
        tasks.create_task(self._lie())
        tasks.create_task(self._annoy(2.0))
        tasks.create_task(self._annoy(GIVEN_UP_S))

    def read(self, tasks: asyncio.TaskGroup) -> None:
        """Have everybody read who does."""
        people, chance = self.people, self.people.chance
        for number in range(self.crowd.readers):
            app = people.apps[number % len(people.apps)]
            turn = number // len(people.apps)
            rooms = [HOT, *chance.sample(BUSY[1:], 2), *chance.sample(QUIET, 2)]
            name = f"r{number}"
            match turn % 10:
                case 0:
                    habits, rooms = Habits("guest"), [*rooms, PRIVATE]
                case 1:
                    habits = Habits("mortal", (5, 12), renews=0.7, renews_early=0.03)
                case 2:
                    habits = Habits("outcast", (30, 60), is_ended=True)
                case 3:
                    habits, rooms = Habits("reader", sleeps=True), [*rooms, KEPT_BRIEFLY]
                case 4:
                    habits, rooms = Habits(None), [*rooms, KEPT_BRIEFLY, PHOENIX]
                case 5:
                    tasks.create_task(FollowingReader(people, name, app, chance.choice(rooms), "reader", "sse").run())
                    continue
                case 6:
                    tasks.create_task(FollowingReader(people, name, app, chance.choice(rooms), "reader", "poll").run())
                    continue
                case _:
                    habits, rooms = Habits("reader"), [*rooms, KEPT_BRIEFLY]
            fickle = {PHOENIX} | ({PRIVATE} if habits.user == "guest" else set())
            tasks.create_task(SocketReader(people, name, app, rooms, habits, fickle).run())

    # ---- those who change rooms and members

    async def _ask(self, app: App, method: str, path: str, body: object = None, *, fine: set[int]) -> int:
        """Ask as the server until there is an answer; gives its status, 0 if the run is over."""
        people = self.people
        while people.writing:
            with contextlib.suppress(*BROKEN):
                headers = {"Authorization": f"Bearer {app.key}"}
                url = f"{people.somewhere().url}{path}"
                answer = await people.http.request(method, url, json=body, headers=headers)
                people.history.look_for_leaks(app.id, answer.text, f"{method} {path}")
                if answer.status_code not in NOT_YET:
                    people.expect(answer, fine)
                    return answer.status_code
            await asyncio.sleep(0.1)
        return 0

    async def _remove_and_add(self, app: App) -> None:
        """Take a guest out of a private room and bring them back."""
        path = f"/v1/rooms/{PRIVATE}/members/guest"
        while self.people.writing:
            await self._ask(app, "DELETE", path, fine={204})
            await self.people.nap(0.3 + self.people.chance.random())
            await self._ask(app, "PUT", path, {}, fine={200})
            await self.people.nap(0.3 + 2 * self.people.chance.random())

    async def _bury_and_raise(self, app: App) -> None:
        while self.people.writing:
            await self.people.nap(2 + 3 * self.people.chance.random())
            await self._ask(app, "DELETE", f"/v1/rooms/{PHOENIX}", fine={204, 404})
            wish = {"id": PHOENIX, "members": self.names}
            await self._ask(app, "POST", "/v1/rooms", wish, fine={200, 201, 409})

    async def _rename(self, app: App) -> None:
        """Change a room's name and data, and a member's role."""
        count = 0
        while self.people.writing:
            count += 1
            await self.people.nap(1 + 2 * self.people.chance.random())
            room = self.people.chance.choice(BUSY)
            wish = {"name": f"Name {count}", "data": {"canary": f"{app.id}:{room}:{count}"}}
            await self._ask(app, "PATCH", f"/v1/rooms/{room}", wish, fine={200, 409})
            role = self.people.chance.choice(("admin", "member"))
            await self._ask(app, "PUT", f"/v1/rooms/{room}/members/w1", {"role": role}, fine={200})

    async def _end_tokens(self, app: App) -> None:
        """End all of one user's tokens."""
        while self.people.writing:
            await self.people.nap(3 + 3 * self.people.chance.random())
            invoked_at = time.monotonic()
            if await self._ask(app, "POST", "/v1/users/outcast/revoke", fine={204}) == 204:
                self.people.history.revocations.append(Revocation(app.id, "outcast", invoked_at, time.monotonic()))

    async def _give_birth(self) -> None:
        """Make a room, have it opened and written to at once; its last word is lost, and then there is silence."""
        people = self.people
        count = 0
        async with asyncio.TaskGroup() as lives:
            while people.writing:
                count += 1
                app = people.chance.choice(people.apps)
                lives.create_task(self._live(app, f"newborn{count}"))
                await people.nap(self.crowd.births_s * (0.5 + people.chance.random()))

    async def _live(self, app: App, room: str) -> None:
        people, writers = self.people, self.writers
        if await self._ask(app, "POST", "/v1/rooms", {"id": room, "members": ["w0", "w2"]}, fine={200, 201}) == 0:
            return
        reader = SocketReader(people, f"first of {room}", app, [room], Habits("reader"), set())
        late = SocketReader(people, f"second of {room}", app, [room], Habits("reader"), set())

        async def come_later() -> None:
            await asyncio.sleep(people.chance.random() * 0.5)
            await late.run()

        async with asyncio.TaskGroup() as both:
            both.create_task(reader.run())
            both.create_task(come_later())
            for mark in ("", "", "", "", "last word"):
                await people.nap(people.chance.random() * 0.3)
                await writers.send(app, writers.new(app, room, "w0", mark=mark))
            until = time.monotonic() + self.patience_s
            while people.reading and time.monotonic() < until and not (reader.has_all and late.has_all):
                await asyncio.sleep(0.1)
            reader.leave()
            late.leave()

    # ---- those who look, lie and annoy

    async def _glance(self) -> None:
        """Read the newest page of a room by REST."""
        people = self.people
        while people.writing:
            await people.nap(people.chance.random() * 0.2)
            app, room = people.chance.choice(people.apps), people.chance.choice(BUSY)
            asked_at = time.monotonic()
            with contextlib.suppress(*BROKEN):
                headers = {"Authorization": f"Bearer {app.key}"}
                url = f"{people.somewhere().url}/v1/rooms/{room}/messages"
                answer = await people.http.get(url, headers=headers)
                people.history.look_for_leaks(app.id, answer.text, f"a page of {room}")
                people.expect(answer, {200, *NOT_YET})
                if answer.status_code == 200:
                    people.history.glances.append(Glance(app.id, room, answer.json()["seq"], asked_at))

    async def _lie(self) -> None:
        """Come with cursors that nobody was given: each is answered by a reset, or by nothing more than is one's own."""
        people = self.people
        while people.writing:
            await people.nap(0.3 + people.chance.random())
            app = people.chance.choice(people.apps)
            with contextlib.suppress(*BROKEN):
                held = await people.lasting(app, "reader")
                async with connect(people.somewhere().socket_url, held.credential) as socket:
                    for lie in self._lies(app):
                        await socket.say(op="subscribe", id="lie", rooms=[{"room": HOT, "cursor": lie}])
                        frame = await socket.hear_answer("lie")
                        if frame["type"] == "error" and frame["problem"]["status"] in NOT_YET:
                            continue
                        if frame["type"] != "subscribed" or frame["resumed"]:
                            people.history.unexpected.append(f"the cursor {lie} of nobody was answered {frame}")
                        while (await socket.hear())["type"] != "reset":
                            pass

    def _lies(self, app: App) -> list[str]:
        own = next(
            (run.start for run in reversed(self.people.history.runs) if run.app == app.id and run.room_id == HOT), None
        )
        others = [run.start for run in self.people.history.runs[-200:] if run.app == app.id and run.room_id != HOT]
        lies = [
            "",
            "c",
            "c" + "A" * 5_000,
            "'; DROP TABLE rooms; --",
            write_cursor(Place(RoomNumber(1), Epoch(1, 1), Seq(1))),
        ]
        if own is not None:
            lies.append(write_cursor(Place(own.room, own.epoch, Seq(2**40))))
            lies.append(write_cursor(Place(own.room, Epoch(own.epoch.ordinal + 7, 7), own.seq)))
        return lies + [write_cursor(other) for other in others[:2]]

    async def _annoy(self, stay_s: float) -> None:
        """Write byte by byte, never read, answer no ping, hang up in mid-frame."""
        people = self.people
        while people.writing:
            await people.nap(0.5 + people.chance.random())
            app = people.chance.choice(people.apps)
            with contextlib.suppress(*BROKEN, asyncio.IncompleteReadError):
                held = await people.lasting(app, "reader")
                async with dial(people.somewhere().port, receive_bytes=4096) as raw:
                    for byte in upgrade(held.credential):
                        if raw.writer.is_closing():
                            break
                        await raw.send(bytes([byte]))
                        await asyncio.sleep(0.001)
                    await raw.head()
                    await raw.say(op="subscribe", rooms=[{"room": room} for room in BUSY])
                    await people.nap(stay_s)
