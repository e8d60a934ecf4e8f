"""Writers, subscribers, editors and removers, who retry and resume as honest clients do."""

import asyncio
import contextlib
import json
import random
import time
from typing import Any

import httpx2
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.promises.history import Acked, History, Room, Run, Seen
from tests.support.processes import Service
from tests.support.sockets import EVENTS, Socket, connect
from tests.support.world import App

BROKEN = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, httpx2.TransportError)
ANSWER_S = 4.0
PRIVATE_ROOM = "guests"


class Workload:
    """Everybody who uses a cluster during one run."""

    def __init__(self, apps: list[App], services: list[Service], history: History, chance: random.Random) -> None:
        self.apps = apps
        self.services = services
        self.history = history
        self.chance = chance
        self.http = httpx2.AsyncClient(timeout=ANSWER_S)
        self.writing = True
        self.reading = True
        self._counter = 0

    def somewhere(self) -> Service:
        return self.chance.choice(self.services)

    def next_text(self, app: App, room: str, user: str, mark: str = "") -> tuple[str, str]:
        self._counter += 1
        quiet = "quiet " if room.startswith("quiet") else ""
        return f"k{self._counter}", f"{app.id}:{room}:{user}:{self._counter} {quiet}{mark}"

    # ---- writers

    async def write(self, number: int, rooms: list[str], pause_s: float) -> None:
        """Send again and again, half of the writers by REST and half on a socket."""
        app, user = self.chance.choice(self.apps), f"w{number}"
        while self.writing:
            if number % 2:
                await self._write_by_rest(app, user, self.chance.choice(rooms))
            else:
                with contextlib.suppress(*BROKEN):
                    async with connect(self.somewhere().socket_url, await app.token(user)) as socket:
                        for _ in range(self.chance.randint(1, 40)):
                            if not self.writing:
                                return
                            await self._write_by_socket(socket, app, user, self.chance.choice(rooms))
                            await asyncio.sleep(self.chance.random() * pause_s)
            await asyncio.sleep(self.chance.random() * pause_s)

    async def _write_by_rest(self, app: App, user: str, room: str) -> None:
        key, text = self.next_text(app, room, user)
        await self.send_until_acked(app, user, room, key, text, time.monotonic())

    async def _write_by_socket(self, socket: Socket, app: App, user: str, room: str) -> None:
        key, text = self.next_text(app, room, user)
        invoked_at = time.monotonic()
        try:
            await socket.say(op="send", id=key, room=room, key=key, parts=[{"type": "text", "text": text}])
            answer = await socket.hear_answer(key, ANSWER_S)
        except BROKEN:
            # Whether it was written is unknown: ask again elsewhere, under the same key.
            self.history.retries += 1
            await self.send_until_acked(app, user, room, key, text, invoked_at)
            raise
        if answer["type"] == "ack":
            self.history.ack(Acked((app.id, room), answer["seq"], key, text, invoked_at, time.monotonic()))
        elif answer["problem"]["status"] == 503:
            await self.send_until_acked(app, user, room, key, text, invoked_at)
        else:
            self.history.unexpected.append(f"send answered {answer}")

    async def send_until_acked(self, app: App, user: str, room: str, key: str, text: str, invoked_at: float) -> None:
        token = await app.token(user)
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        body = {"parts": [{"type": "text", "text": text}]}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            url = f"{self.somewhere().url}/v1/rooms/{room}/messages"
            try:
                answer = await self.http.post(url, json=body, headers=headers)
            except BROKEN:
                self.history.retries += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in {200, 201}:
                seq = answer.json()["seq"]
                self.history.ack(Acked((app.id, room), seq, key, text, invoked_at, time.monotonic()))
                return
            if answer.status_code != 503:
                self.history.unexpected.append(f"send answered {answer.status_code} {answer.text}")
                return
            self.history.retries += 1
            await asyncio.sleep(0.1)
        self.history.unexpected.append(f"{room}: not acked within a minute")

    async def write_quietly(self, app: App, room: str, seconds: float) -> None:
        """Say little in a quiet room; the publication of the last word is always lost.

        Half of the rooms have it near the end, when nobody opens rooms any more and so repairs them by the way.
        """
        began = time.monotonic()
        for mark in ("", "", "last word"):
            pause_s = self.chance.random() * seconds / 3
            if mark and self.chance.random() < 0.5:
                pause_s = max(0.0, began + seconds - 0.3 - time.monotonic())
            await asyncio.sleep(pause_s)
            key, text = self.next_text(app, room, "w0", mark)
            await self.send_until_acked(app, "w0", room, key, text, time.monotonic())

    # ---- those who change what is there

    async def edit(self, rooms: list[str]) -> None:
        """Edit and delete messages of one's own."""
        app, user = self.chance.choice(self.apps), "w1"
        while self.writing:
            await asyncio.sleep(self.chance.random() * 0.4)
            with contextlib.suppress(*BROKEN):
                url = f"{self.somewhere().url}/v1/rooms/{self.chance.choice(rooms)}/messages"
                headers = {"Authorization": f"Bearer {app.key}", "Roomlog-As": user}
                page = (await self.http.get(url, headers=headers)).json().get("messages", [])
                if not page:
                    continue
                target = f"{url}/{self.chance.choice(page)['id']}"
                if self.chance.random() < 0.4:
                    await self.http.delete(target, headers=headers)
                else:
                    body = {"parts": [{"type": "text", "text": f"{app.id}: edited"}]}
                    await self.http.patch(target, json=body, headers=headers)

    async def remove_and_add(self, room: str) -> None:
        """Take a guest out of a private room and bring them back, in every app."""
        while self.writing:
            for app in self.apps:
                for method in ("DELETE", "PUT"):
                    with contextlib.suppress(*BROKEN):
                        url = f"{self.somewhere().url}/v1/rooms/{room}/members/guest"
                        body = None if method == "DELETE" else {}
                        headers = {"Authorization": f"Bearer {app.key}"}
                        await self.http.request(method, url, json=body, headers=headers)
                    await asyncio.sleep(0.3 + self.chance.random())

    # ---- subscribers

    async def subscribe(self, number: int, rooms: list[str], user: str) -> None:
        """Read rooms, now and then by another connection to another process, from where one stood."""
        app = self.apps[number % len(self.apps)]
        runs: dict[str, Run] = {}
        cursors: dict[str, str] = {}
        while self.reading:
            lifetime_s = self.chance.uniform(0.5, 6.0)
            try:
                async with connect(self.somewhere().socket_url, await app.token(user)) as socket:
                    await self._read(socket, app, rooms, runs, cursors, lifetime_s)
            except BROKEN:
                await asyncio.sleep(0.1)
            self.history.reconnects += 1
            await asyncio.sleep(self.chance.random() * 0.5)

    async def _read(
        self,
        socket: Socket,
        app: App,
        rooms: list[str],
        runs: dict[str, Run],
        cursors: dict[str, str],
        lifetime_s: float,
    ) -> None:
        invoked = {room: self.history.newest_ack[app.id, room] for room in rooms}
        wanted = [{"room": room, "cursor": cursors[room]} if room in cursors else {"room": room} for room in rooms]
        await socket.say(op="subscribe", rooms=wanted)
        until = time.monotonic() + lifetime_s
        opened: dict[str, float] = {}
        try:
            # After the end of the writing everybody stays, so that what is still under way can arrive.
            while self.reading and (not self.writing or time.monotonic() < until):
                try:
                    frame = json.loads(await asyncio.wait_for(socket.raw.recv(), 0.2))
                except TimeoutError:
                    continue
                self._take(frame, app, runs, cursors, invoked, opened)
        finally:
            for room, since in opened.items():
                runs[room].connected.append((since, time.monotonic()))

    def _take(
        self,
        frame: dict[str, Any],
        app: App,
        runs: dict[str, Run],
        cursors: dict[str, str],
        invoked: dict[str, int],
        opened: dict[str, float],
    ) -> None:
        now, kind, room = time.monotonic(), frame["type"], frame.get("room", "")
        others = [other.id for other in self.apps if other is not app]
        if any(other in json.dumps(frame) for other in others):
            self.history.leaked.append(f"{app.id} was sent {frame}")
        if kind == "subscribed" and frame["resumed"]:
            opened[room] = now
            if frame["seq"] != runs[room].last:
                self.history.unexpected.append(f"resumed at {frame['seq']} instead of {runs[room].last}")
        elif kind in {"snapshot", "reset"}:
            snapshot = frame["snapshot"]
            if kind == "reset":
                self.history.resets.append(frame["reason"])
                if (frame["reason"], room) != ("membership", PRIVATE_ROOM):
                    self.history.unexpected.append(f"reset {frame['reason']} of {room}")
                runs[room].ended = "reset"
            if room in opened:
                runs[room].connected.append((opened[room], now))
            if snapshot["seq"] < invoked[room]:
                self.history.stale.append(f"{app.id}/{room}: {snapshot['seq']} after an ack at {invoked[room]}")
            runs[room] = Run((app.id, room), snapshot["seq"], now)
            self.history.runs.append(runs[room])
            cursors[room] = snapshot["cursor"]
            opened[room] = now
        elif kind.startswith(EVENTS):
            runs[room].events.append(Seen(frame, now))
            cursors[room] = frame["cursor"]
        elif kind == "revoked":
            runs[room].ended, runs[room].ended_at = "revoked", frame["seq"]
            runs[room].connected.append((opened.pop(room), now))
            cursors.pop(room, None)
        elif kind == "error" and frame["problem"]["status"] == 404 and room == PRIVATE_ROOM:
            # Removed while away: the room does not exist for this reader until they are brought back.
            if room in runs:
                runs[room].ended = "refused"
        elif kind == "error" and frame["problem"]["status"] == 503:
            raise ConnectionError("not now: try elsewhere")
        elif kind == "error":
            self.history.unexpected.append(f"error {frame}")


async def rooms_of(http: httpx2.AsyncClient, app: App, url: str) -> list[Room]:
    headers = {"Authorization": f"Bearer {app.key}"}
    answer = await http.get(f"{url}/v1/rooms", params={"limit": 100}, headers=headers)
    return [(app.id, room["id"]) for room in answer.json()["rooms"]]
