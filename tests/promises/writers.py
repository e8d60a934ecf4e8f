"""Those who write: they ask again under the same key until they know what became of a write, as honest clients do."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from api.ids import read_cursor, read_message_id
from tests.promises.history import Write
from tests.promises.people import ANSWER_S, BROKEN, PATIENCE_S, People
from tests.support.sockets import Socket, connect
from tests.support.world import App

HOT = 0.3
"""The share of what is written that goes to one room."""
SAME_ROOM = 0.7
ASKED_AGAIN = 0.05
"""How often somebody asks again, elsewhere, for what was acknowledged already."""
NOT_YET = {429, 503}
_LINES = itertools.count()


def body_of(write: Write) -> dict[str, Any]:
    """Give what a write asks to be written."""
    return {"parts": [{"type": "text", "text": write.text}], "metadata": {"canary": write.canary}}


@dataclass
class Writers:
    """All who write in one run."""

    people: People
    edited: set[str]
    """Rooms whose messages are edited and deleted."""
    recent: deque[tuple[App, Write, str]] = field(default_factory=lambda: deque(maxlen=500))
    """Messages that may be edited and deleted, with their ids."""

    def new(self, app: App, room: str, user: str, operation: str = "send", mark: str = "") -> Write:
        """Note that something is about to be asked for."""
        key, canary, text = self.people.next_words(app, room, user, mark)
        write = Write(app.id, room, user, operation, key, canary, text, time.monotonic())
        self.people.history.writes.append(write)
        return write

    # ---- by REST

    async def send(self, app: App, write: Write) -> None:
        """Ask until the answer is known."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = await self._post(app, write)
            if answer is None or answer.status_code in NOT_YET:
                self.people.history.retries += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 401 and self.people.is_off():
                continue  # a clock that is an hour behind takes a token for one of the future
            self._note(app, write, answer)
            return

    async def _post(self, app: App, write: Write) -> httpx2.Response | None:
        people = self.people
        headers = {"Idempotency-Key": write.key}
        if people.chance.random() < 0.5:
            headers |= {"Authorization": f"Bearer {app.key}", "Roomlog-As": write.user}
        else:
            headers["Authorization"] = f"Bearer {(await people.lasting(app, write.user)).credential}"
        url = f"{people.somewhere().url}/v1/rooms/{write.room_id}/messages"
        try:
            return await people.http.post(url, json=body_of(write), headers=headers)
        except BROKEN:
            return None

    def _note(self, app: App, write: Write, answer: httpx2.Response) -> None:
        now, history = time.monotonic(), self.people.history
        history.look_for_leaks(app.id, answer.text, f"the writer of {write.key}")
        if answer.status_code in {200, 201}:
            message = answer.json()
            history.ack(write, read_message_id(message["id"]), now)
            self._remember(app, write, message["id"])
            return
        history.refuse(write, answer.text, now)
        if not (answer.status_code == 404 and (write.room_id in self.people.history.fickle or self._lost_tail())):
            self.people.expect(answer, {200, 201})

    async def ask_again(self, app: App, write: Write) -> None:
        """Ask for what was acknowledged already: the answer must be the same."""
        again = replace(write, invoked_at=time.monotonic(), line=None, outcome="unknown", place=None, is_again=True)
        self.people.history.writes.append(again)
        await self.send(app, again)

    async def chat(self, app: App, user: str, rooms: Sequence[str], pause_s: float) -> None:
        """Send one message after the other by REST."""
        people = self.people
        while people.writing:
            write = self.new(app, self._room(rooms), user)
            await self.send(app, write)
            stands = write.outcome == "acked" and write.room_id not in people.history.fickle
            if stands and people.chance.random() < ASKED_AGAIN:
                await self.ask_again(app, write)
            await people.nap(people.chance.random() * 2 * pause_s)

    # ---- on sockets

    async def chat_on_sockets(self, app: App, user: str, rooms: Sequence[str], pause_s: float) -> None:
        """Send in bursts, without waiting for the answers in between."""
        people = self.people
        while people.writing:
            held = await people.lasting(app, user)
            with contextlib.suppress(*BROKEN):
                async with connect(people.somewhere().socket_url, held.credential) as socket:
                    for _ in range(people.chance.randint(1, 20)):
                        if not people.writing:
                            return
                        burst = [self.new(app, room, user) for room in self._rooms_of_a_burst(rooms)]
                        await self._say(socket, app, burst)
                        await people.nap(people.chance.random() * 2 * pause_s * len(burst))
            await asyncio.sleep(people.chance.random() * 0.1)

    async def _say(self, socket: Socket, app: App, burst: list[Write]) -> None:
        people, waiting = self.people, {write.key: write for write in burst}
        line = next(_LINES)
        try:
            for index, write in enumerate(burst):
                write.line, write.invoked_at = (line, index), time.monotonic()
                await socket.say(op="send", id=write.key, room=write.room_id, key=write.key, **body_of(write))
            async with asyncio.timeout(ANSWER_S):
                while waiting:
                    answer = await socket.hear(ANSWER_S)
                    if answer.get("id") in waiting and self._answered(app, waiting[answer["id"]], answer):
                        del waiting[answer["id"]]
                    elif answer.get("id") in waiting:
                        break
        finally:
            # What is unknown, and what was put off, is asked for again elsewhere, under the same key. Its order is lost.
            for write in list(waiting.values()):
                write.line = None
                people.history.retries += 1
                await self.send(app, write)

    def _answered(self, app: App, write: Write, answer: dict[str, Any]) -> bool:
        now, history = time.monotonic(), self.people.history
        history.look_for_leaks(app.id, str(answer), f"the writer of {write.key}")
        if answer["type"] == "ack":
            place = read_cursor(answer["cursor"]) if "cursor" in answer else None
            history.ack(write, place, now)
            if write.operation == "send":
                self._remember(app, write, answer["message"])
            return True
        problem = answer["problem"]
        if problem["status"] in NOT_YET:
            return False
        history.refuse(write, str(problem), now)
        may_be_gone = write.operation != "send" or write.room_id in history.fickle or self._lost_tail()
        if problem["status"] != 404 or not may_be_gone:
            history.unexpected.append(f"{write.operation} was answered {problem}")
        return True

    # ---- those who change what was said

    async def edit(self, pause_s: float) -> None:
        """Edit and delete messages of all apps, each as the one who sent it."""
        people = self.people
        while people.writing:
            await people.nap(people.chance.random() * 2 * pause_s)
            if not self.recent:
                continue
            app, said, message = people.chance.choice(self.recent)
            operation = "delete" if people.chance.random() < 0.3 else "edit"
            write = self.new(app, said.room_id, said.user, operation, said.text.partition(" ")[2])
            await self.change(app, write, message)

    async def change(self, app: App, write: Write, message: str) -> None:
        """Ask on one socket after another until the answer is known."""
        people = self.people
        deadline = time.monotonic() + PATIENCE_S
        what: dict[str, Any] = {} if write.operation == "delete" else body_of(write)
        while time.monotonic() < deadline:
            held = await people.lasting(app, write.user)
            with contextlib.suppress(*BROKEN):
                async with connect(people.somewhere().socket_url, held.credential) as socket:
                    await socket.say(
                        op=write.operation, id=write.key, room=write.room_id, message=message, key=write.key, **what
                    )
                    if self._answered(app, write, await socket.hear_answer(write.key, ANSWER_S)):
                        return
            people.history.retries += 1
            await asyncio.sleep(0.1)

    # ---- those who say little

    async def say_little(self, app: App, room: str, seconds: float) -> None:
        """Say three things in a quiet room; the publication of the last one is always lost.

        Half of the rooms have it near the end, when nobody opens rooms any more and so repairs them by the way.
        """
        chance, began = self.people.chance, time.monotonic()
        for mark in ("quiet", "quiet", "quiet last word"):
            pause_s = chance.random() * seconds / 3
            if "last" in mark and chance.random() < 0.5:
                pause_s = max(0.0, began + seconds - 0.3 - time.monotonic())
            await asyncio.sleep(pause_s)
            await self.send(app, self.new(app, room, "w0", mark=mark))

    async def misbehave(self, app: App, rooms: Sequence[str], private: str) -> None:
        """Ask for what must be refused, and must then be nowhere."""
        people, chance = self.people, self.people.chance
        token = (await people.lasting(app, "stranger")).credential
        while people.writing:
            await people.nap(0.3 + chance.random())
            private_one = chance.random() < 0.5
            write = self.new(app, private if private_one else chance.choice(rooms), "stranger")
            body = body_of(write) if private_one else {**body_of(write), "parts": [{"type": "text", "text": 7}]}
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": write.key}
            url = f"{people.somewhere(on_time=True).url}/v1/rooms/{write.room_id}/messages"
            answer = None
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and (answer is None or answer.status_code in NOT_YET):
                try:
                    answer = await people.http.post(url, json=body, headers=headers)
                except BROKEN:
                    url = f"{people.somewhere(on_time=True).url}/v1/rooms/{write.room_id}/messages"
                    await asyncio.sleep(0.1)
            if answer is not None:
                people.history.refuse(write, answer.text, time.monotonic())
                people.expect(answer, {404} if private_one else {400})

    def _rooms_of_a_burst(self, rooms: Sequence[str]) -> list[str]:
        """Mostly one says several things in a row in the same room."""
        chance = self.people.chance
        room = self._room(rooms)
        return [room if chance.random() < SAME_ROOM else self._room(rooms) for _ in range(chance.randint(1, 6))]

    def _remember(self, app: App, write: Write, message: str) -> None:
        if write.room_id in self.edited:
            self.recent.append((app, write, message))

    def _room(self, rooms: Sequence[str]) -> str:
        chance = self.people.chance
        return rooms[0] if chance.random() < HOT else chance.choice(rooms)

    def _lost_tail(self) -> bool:
        return any(window.name == "lost-tail" for window in self.people.history.windows)
