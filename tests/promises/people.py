"""What all who use a cluster share: where to go, as whom, and what is still to be done."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field, replace

import httpx2
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.contract.followers import Lost
from tests.promises.faults import Scene
from tests.promises.history import NEVER, History
from tests.support.processes import Service
from tests.support.world import App

BROKEN = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, httpx2.TransportError, Lost)
"""What a bad network looks like to a client."""
ANSWER_S = 4.0
PATIENCE_S = 60.0
"""For how long a writer asks again before it calls that a violation."""
LASTING_S = 24 * 3600
THROUGH_PROXY = 0.3
"""The share of connections that go through a network of their own."""


class NotNow(Exception):
    """To be tried again, elsewhere."""


@dataclass(frozen=True)
class Pass:
    """A credential, and until when it holds on this machine's monotonic clock."""

    credential: str
    ends_at: float = NEVER


@dataclass
class People:
    """Everybody who uses a cluster during one run."""

    apps: list[App]
    scene: Scene
    history: History
    chance: random.Random
    http: httpx2.AsyncClient
    reading: bool = True
    done_writing: asyncio.Event = field(default_factory=asyncio.Event)
    _passes: dict[tuple[str, str], Pass] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def writing(self) -> bool:
        """Whether it is still the time to write."""
        return not self.done_writing.is_set()

    async def nap(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the writing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.done_writing.wait()

    def somewhere(self, *, on_time: bool = False) -> Service:
        """Give a process, or the proxy before one; with `on_time` one whose clock is right."""
        services = [each for each in self.scene.cluster.services if not (on_time and each.port in self.scene.shifted)]
        service = self.chance.choice(services)
        port = self.scene.ports.get(service.port)
        return replace(service, port=port) if port is not None and self.chance.random() < THROUGH_PROXY else service

    def is_off(self) -> bool:
        """Whether some process has a wrong clock, which may refuse a token that others take."""
        return bool(self.scene.shifted)

    def next_words(self, app: App, room_id: str, user: str, mark: str = "") -> tuple[str, str, str]:
        """Give a key, a canary and a text; keys and texts are the same in every app."""
        number = self._counts[app.id] = self._counts.get(app.id, 0) + 1
        return f"k{number}", f"{app.id}:{room_id}:{user}:{number}", f"{number} {mark}".strip()

    async def lasting(self, app: App, user: str) -> Pass:
        """Give a user's token that outlasts the run, and every clock that is an hour wrong."""
        known = self._passes.get((app.id, user))
        if known is None:
            token = (await app.mint(user, LASTING_S))["token"]
            known = self._passes[app.id, user] = Pass(token)
        return known

    async def brief(self, app: App, user: str, ttl_s: int) -> Pass:
        """Get a token that will end; raises `NotNow`."""
        try:
            answer = await self.http.post(
                f"{self.somewhere(on_time=True).url}/v1/tokens",
                json={"user": user, "ttl_s": ttl_s},
                headers={"Authorization": f"Bearer {app.key}"},
            )
        except BROKEN as error:
            raise NotNow from error
        if answer.status_code != 201:
            self.expect(answer, {429, 503})
            raise NotNow
        return Pass(answer.json()["token"], time.monotonic() + ttl_s)

    def expect(self, answer: httpx2.Response, statuses: set[int]) -> None:
        """Note an answer that nobody should get."""
        if answer.status_code not in statuses:
            asked = answer.request
            self.history.unexpected.append(
                f"{asked.method} {asked.url.path} was answered {answer.status_code} {answer.text[:300]}"
            )
