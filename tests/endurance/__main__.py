"""`./test endurance idle`, `rolling` and `stuck`: the long forms, with their figures."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from api.embedded import servers
from api.migrate import migrate
from api.subscriptions.connections import SPREAD
from tests.endurance.gauges import raise_open_files
from tests.endurance.idle import crowd
from tests.endurance.rolling import curve, roll_over
from tests.endurance.stuck import get_stuck
from tests.support.document import public_client
from tests.support.processes import ROOT, Service, new_settings
from tests.support.world import new_app

DRAIN_DELAY_S = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test endurance", description=__doc__)
    parser.add_argument("what", choices=["idle", "rolling", "stuck"])
    parser.add_argument("--sockets", type=int, help="10000 for idle, 2000 for rolling, 100 beside 10 stuck ones")
    parser.add_argument("--drain", type=int, default=25, help="seconds that clients of a process have to move")
    given = parser.parse_args()
    raise_open_files()
    with tempfile.TemporaryDirectory(prefix="roomlog-endurance-") as name:
        folder = Path(name)
        with servers(folder / "stores", os.environ, durable=True) as stores:
            migrate(stores.database_url, ROOT / "migrations")
            drain = {"ROOMLOG_DRAIN_S": str(given.drain), "ROOMLOG_DRAIN_DELAY_S": str(DRAIN_DELAY_S)}
            quiet = {"ROOMLOG_LOG_LEVEL": "warning"}
            environment = new_settings(stores.database_url, stores.redis_url, **drain, **quiet)
            count = 3 if given.what == "rolling" else 1
            services = [Service(environment, folder / f"log-{number}") for number in range(count)]
            try:
                for service in services:
                    service.spawn()
                    service.await_ready()
                match given.what:
                    case "rolling":
                        run = rolling(services, given.sockets or 2_000, given.drain)
                    case "stuck":
                        run = stuck(services[0], given.sockets or 100)
                    case _:
                        run = idle(services[0], given.sockets or 10_000)
                return asyncio.run(run)
            finally:
                for service in services:
                    if service.process is not None:
                        service.process.kill()


async def idle(service: Service, sockets: int) -> int:
    async with public_client(service.url) as http:
        app = await new_app(service, http)
        silent = sockets // 5
        seen = await crowd(service, app, strangers=sockets - silent, silent=silent, sources=200)
    acks = sorted(seen.acks_s)
    for outcome, count in sorted(seen.outcomes.items()):
        print(f"{count:7,} {outcome}")
    print(f"at most {seen.most_inside:.0f} strangers at once")
    print(f"RSS {seen.rss_before:.0f} MiB before, {seen.rss_most:.0f} at most, {seen.rss_after:.0f} after")
    print(
        f"beside them {len(acks)} acks: p50 {acks[len(acks) // 2] * 1000:.1f} ms, p99 {acks[int(len(acks) * 0.99)] * 1000:.1f} ms"
    )
    return 0


async def stuck(service: Service, others: int) -> int:
    async with public_client(service.url) as http:
        app = await new_app(service, http, limits={"user_connections": others * 2})
        seen = await get_stuck(service, app, stuck=10, others=others)
    print(
        f"10 stuck: {seen.closed_slow:.0f} closed as slow, codes read {seen.codes}, events missed or doubled: {seen.missed}"
    )
    print(f"RSS {seen.rss_before:.0f} MiB before, {seen.rss_most:.0f} at most, {seen.rss_after:.0f} after")
    for name, took in (("alone", sorted(seen.alone_s)), ("beside the stuck", sorted(seen.beside_s))):
        p50, p99 = took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000
        print(f"{others} others, {name:16}: {len(took):7,} deliveries, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return 1 if seen.missed or seen.closed_slow != 10 else 0


async def rolling(services: list[Service], sockets: int, drain_s: float) -> int:
    async with public_client(services[0].url) as http:
        app = await new_app(services[0], http, limits={"user_connections": sockets * 2})
        roll = await roll_over(services, app, sockets=sockets, drain_delay_s=DRAIN_DELAY_S)
    peak = roll.peak_over_average(drain_s * SPREAD)
    print(curve(roll, drain_s))
    print(f"{roll.said} messages said; out of order or missing: {len(roll.breaks)}, resets: {roll.resets}, ")
    print(f"sockets that ended unasked: {roll.unasked}; peak over average: {peak:.2f}")
    return 1 if roll.breaks or roll.resets or peak > 2 else 0


if __name__ == "__main__":
    sys.exit(main())
