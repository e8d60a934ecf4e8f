"""`python -m tests.dashboard.timing`: whether the time of an answer tells that an address has an account.

Signing in with a wrong password, signing up and asking for a reset: for addresses that somebody has and for as many that nobody
has, in turn, each once and from a network address of its own. It prints both medians and their difference, which the goal has
under 5 ms.
"""

import argparse
import asyncio
import ipaddress
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx2

from api.embedded import servers
from api.migrate import migrate
from tests.support.dashboard import PASSWORD, dashboard_url
from tests.support.processes import ROOT, free_port, new_settings, running_service

GOAL_S = 0.005
Ask = Callable[[str], Awaitable[float]]


class Asking:
    """Sends forms over one connection, each from another network address, and measures how long the answers take."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._address = int(ipaddress.IPv4Address("10.0.0.1"))

    async def form(self, path: str, fields: dict[str, str], statuses: set[int]) -> float:
        self._address += 1
        said = {
            "Origin": str(self._http.base_url).rstrip("/"),
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": str(ipaddress.IPv4Address(self._address)),
        }
        began = time.perf_counter()
        answer = await self._http.post(path, headers=said, content=urlencode(fields))
        took = time.perf_counter() - began
        assert answer.status_code in statuses, (path, answer.status_code)
        return took

    async def sign_in(self, email: str) -> float:
        return await self.form("/sign-in", {"email": email, "password": "a wrong password"}, {400})

    async def sign_up(self, email: str) -> float:
        wish = {"email": email, "password": PASSWORD, "name": "Ann", "organisation": "Ann & Co"}
        return await self.form("/sign-up", wish, {303})

    async def forget(self, email: str) -> float:
        return await self.form("/forgotten", {"email": email}, {303})


async def measure(url: str, tries: int) -> dict[str, tuple[list[float], list[float]]]:
    """Give the seconds of each try by what was asked, for known and unknown addresses."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        asking = Asking(http)
        known = [f"known-{number}@example.com" for number in range(tries)]
        for email in known:
            await asking.sign_up(email)
        found: dict[str, tuple[list[float], list[float]]] = {}
        asked: list[tuple[str, Ask]] = [
            ("sign-in", asking.sign_in),
            ("sign-up", asking.sign_up),
            ("reset", asking.forget),
        ]
        for name, ask in asked:
            times: tuple[list[float], list[float]] = ([], [])
            for number, email in enumerate(known):
                # In turn, and each of the two first as often as the other, so that nothing that drifts makes a difference.
                for is_known in (True, False) if number % 2 else (False, True):
                    took = await ask(email if is_known else f"{name}-{number}@example.com")
                    times[0 if is_known else 1].append(took)
            found[name] = times
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.timing", description=__doc__)
    parser.add_argument("--tries", type=int, default=200, help="for known addresses, and as many for unknown ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "stores", os.environ, durable=True) as stores:
        migrate(stores.database_url, ROOT / "migrations")
        more = {
            "ROOMLOG_DASHBOARD_PORT": str(free_port()),
            "ROOMLOG_TRUSTED_PROXIES": "127.0.0.0/8",
            "ROOMLOG_LOG_LEVEL": "warning",
        }
        settings = new_settings(stores.database_url, stores.redis_url, **more)
        with running_service(settings, Path(folder) / "log") as service:
            found = asyncio.run(measure(dashboard_url(service), options.tries))
    print(f"{'asked for':<10}{'known, ms':>12}{'unknown, ms':>14}{'difference':>12}")
    medians = {name: [statistics.median(times) for times in both] for name, both in found.items()}
    for name, (known, unknown) in medians.items():
        print(f"{name:<10}{known * 1000:>12.2f}{unknown * 1000:>14.2f}{(known - unknown) * 1000:>12.2f}")
    return 0 if all(abs(known - unknown) < GOAL_S for known, unknown in medians.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
