"""Wiring: settings become doors, lanes, listener, tails and audit; opened in order, closed in reverse, once."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from api.dashboard.csrf import origin_of
from api.dashboard.mailer import Mailer
from api.dashboard.sweeping import sweep_people
from api.edge.problems import problem
from api.edge.requests import RequestCounts
from api.fanout.listener import Listener
from api.fanout.probe import Probe
from api.fanout.publish import Publisher
from api.ids import RoomNumber, Seq
from api.jobs.worker import Worker
from api.log.epochs import Epochs
from api.log.event import Event, Kind
from api.log.item import Item
from api.log.lane import Lane, Lanes
from api.log.pages import Pages
from api.log.read import Reader
from api.log.vitals import Vitals
from api.pulse import Pulse
from api.rooms.directory import Directory
from api.rooms.erase import erase_room
from api.rooms.retention import Retention
from api.settings import Settings
from api.subscriptions.connections import Connections
from api.subscriptions.open_room import RoomOpener
from api.subscriptions.strangers import Strangers
from api.subscriptions.surroundings import DeliveryCounts, Surroundings
from api.tails.audit import Audit
from api.tails.doors import Doors
from api.tails.keeper import Keeper
from api.tails.payload import write_payload
from api.users.erase import UserEraser
from tenants.apps import erase_app
from tenants.authority import Authority
from tenants.budgets import Budgets
from tenants.channels import room_channel
from tenants.controls import AppChanged, FloorMoved, TokensRevoked, read_control
from tenants.errors import Unavailable
from tenants.hashing import Pepper
from tenants.ids import AppId
from tenants.limits import Limits
from tenants.passwords import Passwords
from tenants.policies import Policies
from tenants.postgres import Postgres
from tenants.pubsub import PubSub
from tenants.request_log import RequestLog
from tenants.roles import Role
from tenants.schema import check_schema
from tenants.tallies import Tallies
from tenants.tickets import Tickets
from tenants.usage import Usage

LANES = 1
"""One lane has the best tail latency on two cores; a second one waits for the first on a hot room's row."""
CATCH_UPS = 8
PUBLISH_DRAIN_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything one process is made of."""

    settings: Settings
    postgres: Postgres
    pepper: Pepper
    epochs: Epochs
    reader: Reader
    pages: Pages
    lanes: Lanes
    directory: Directory
    authority: Authority
    tickets: Tickets
    policies: Policies
    limits: Limits
    budgets: Budgets
    usage: Usage
    publisher: Publisher
    listener: Listener
    probe: Probe
    doors: Doors
    keeper: Keeper
    audit: Audit
    around: Surroundings
    connections: Connections
    worker: Worker
    retention: Retention
    pulse: Pulse
    strangers: Strangers
    vitals: Vitals
    requests: RequestCounts
    passwords: Passwords
    mailer: Mailer
    tallies: Tallies
    request_log: RequestLog

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncGenerator["Wiring"]:
        """Open everything and keep it running for the length of a context.

        Raises `SchemaMismatch` for a database that this code does not know, `Unavailable` for one out of reach. Redis
        need not be there.
        """
        async with (
            Postgres.open(settings.database_url, fence_all=settings.db_fence == "all") as postgres,
            PubSub.open(settings.redis_url) as pubsub,
        ):
            await check_schema(postgres)
            wiring = _build(settings, postgres, pubsub)
            await wiring.learn_epoch()
            try:
                async with _running(wiring.tasks()):
                    yield wiring
            finally:
                wiring.passwords.close()

    async def learn_epoch(self) -> None:
        """Read the epochs before anybody asks for the newest."""
        connection = await self.postgres.connect(
            Role.AUDIT, application="roomlog-start", statement_timeout_ms=3000, lock_timeout_ms=3000
        )
        try:
            await self.epochs.check(connection)
        finally:
            await connection.close()

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Give what must run for as long as the process does, by name."""
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "publisher": self.publisher.run(),
            "listener": self.listener.run(),
            "probe": self.probe.run(self.publisher, self.listener),
            "doors": self.doors.run(),
            "keeper": self.keeper.run(),
            "audit": self.audit.run(),
            "connections": self.connections.run(),
            "worker": self.worker.run(),
            "retention": self.retention.run(),
            "limits": self.limits.run(),
            "usage": self.usage.run(),
            "tickets": self.tickets.run(),
            "pulse": self.pulse.run(),
            "vitals": self.vitals.run(),
            "mailer": self.mailer.run(),
            "people": sweep_people(self.postgres),
            "tallies": self.tallies.run(self.connections.users),
            "request_log": self.request_log.run(),
        }
        for number, lane in enumerate(self.lanes.lanes):
            tasks[f"lane-{number}"] = lane.run()
        return tasks

    async def drain(self) -> None:
        """Let clients move to other processes, then answer all that was taken in."""
        await self.connections.drain(self.settings.drain_s, after_s=self.settings.drain_delay_s)
        with suppress(Unavailable):
            await self.tickets.touch()
        await self.lanes.drain()
        await self.publisher.drain(PUBLISH_DRAIN_S)
        await self.tallies.drain()
        await self.request_log.drain()


def _build(settings: Settings, postgres: Postgres, pubsub: PubSub) -> Wiring:
    pepper = Pepper(settings.pepper)
    epochs = Epochs()
    reader = Reader(postgres, epochs)
    pages = Pages(postgres, epochs)
    publisher = Publisher(pubsub)

    def publish(events: Sequence[Event]) -> None:
        for event in events:
            publisher.offer(room_channel(event.app, event.room), write_payload(event))

    tallies = Tallies(postgres)
    lanes = Lanes([Lane(postgres, epochs, publish, partial(_count, tallies)) for _ in range(LANES)])
    directory = Directory(postgres, lanes)
    authority = Authority(postgres, pepper, settings.master_keys)
    tickets = Tickets(postgres, pepper)
    # The dashboard's pages speak to the API as any page does, for every app; no other site gains by it.
    dashboard = settings.dashboard_at
    policies = Policies(postgres, frozenset() if dashboard is None else frozenset({origin_of(dashboard)}))
    limits = Limits(pubsub)
    usage = Usage(postgres)
    budgets = Budgets(limits, policies, usage)
    probe = Probe()

    def on_payload(channel: str, payload: bytes) -> None:
        if channel == probe.channel:
            probe.on_payload()
        else:
            keeper.on_payload(channel, payload)

    def on_gap() -> None:
        keeper.gap_seen = True
        audit.hurry()

    def on_control(text: str) -> None:
        control = read_control(text)
        if control is None:
            log.warning("unknown_control")
            return
        authority.forget(control)
        if isinstance(control, FloorMoved):
            keeper.on_floor((AppId(control.app), RoomNumber(control.room)), Seq(control.floor))
        tickets.note_revocation()
        if isinstance(control, AppChanged | TokensRevoked):
            policies.forget(AppId(control.app))
        connections.obey(control)

    def on_amnesia() -> None:
        authority.forget_all()
        policies.forget_all()
        connections.end_all()

    listener = Listener(pubsub.address, on_payload, on_gap)
    keeper = Keeper(reader, epochs, listener)
    audit = Audit(postgres, epochs, keeper, listener, probe, on_control, on_amnesia)
    doors = Doors(reader)
    connections = Connections(audit, tallies)
    around = Surroundings(
        opener=RoomOpener(doors, keeper, epochs),
        reader=reader,
        audit=audit,
        lanes=lanes,
        directory=directory,
        pages=pages,
        pepper=pepper,
        postgres=postgres,
        budgets=budgets,
        catch_ups=asyncio.Semaphore(CATCH_UPS),
        counts=DeliveryCounts(),
        tallies=tallies,
        problem=problem,
    )
    eraser = UserEraser(postgres, epochs, lanes, pepper)
    worker = Worker(
        postgres,
        {
            "delete_user": eraser.step,
            "delete_room": partial(erase_room, postgres),
            "delete_app": partial(erase_app, postgres),
        },
    )
    return Wiring(
        settings=settings,
        postgres=postgres,
        pepper=pepper,
        epochs=epochs,
        reader=reader,
        pages=pages,
        lanes=lanes,
        directory=directory,
        authority=authority,
        tickets=tickets,
        policies=policies,
        limits=limits,
        budgets=budgets,
        usage=usage,
        publisher=publisher,
        listener=listener,
        probe=probe,
        doors=doors,
        keeper=keeper,
        audit=audit,
        around=around,
        connections=connections,
        worker=worker,
        retention=Retention(postgres),
        pulse=Pulse(),
        strangers=Strangers(per_address=settings.max_strangers_per_address, in_all=settings.max_strangers),
        vitals=Vitals(postgres),
        requests=RequestCounts(),
        passwords=Passwords(),
        mailer=Mailer(settings.smtp_url),
        request_log=RequestLog(postgres),
        tallies=tallies,
    )


def _count(tallies: Tallies, items: Sequence[Item]) -> None:
    """Count what a lane has written."""
    for item in items:
        if item.kind is Kind.MESSAGE_CREATED:
            tallies.count_message(item.app, item.sender)


@asynccontextmanager
async def _running(tasks: dict[str, Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Run tasks until the context ends; one that ends before is a fault, and brings the process down with it."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_for_ever(name, task), name=name) for name, task in tasks.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _for_ever(name: str, task: Coroutine[Any, Any, None]) -> None:
    await task
    msg = f"{name} has ended"
    raise RuntimeError(msg)
