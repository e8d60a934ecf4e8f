"""Sockets without a credential: few from one address, few in all, and none for long."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.endurance.gauges import figures
from tests.endurance.idle import crowd
from tests.endurance.raw import dial, raw_socket, upgrade
from tests.support.document import public_client
from tests.support.processes import Service, running_service
from tests.support.world import App, new_app

IN_ALL = 150
PER_ADDRESS = 20


@pytest.fixture(scope="module")
async def strict(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """An app of a process that lets few strangers in."""
    settings = {
        **environment,
        "ROOMLOG_MAX_UNAUTHENTICATED": str(IN_ALL),
        "ROOMLOG_MAX_UNAUTHENTICATED_PER_ADDRESS": str(PER_ADDRESS),
    }
    with running_service(settings, tmp_path_factory.mktemp("strict") / "log") as service:
        async with public_client(service.url) as http:
            yield await new_app(service, http)


async def test_an_address_has_few_strangers_and_the_known_are_not_counted(strict: App) -> None:
    """The one too many is refused with 429; another address, and whoever has a credential, is not."""
    port = strict.service.port
    token = await strict.token("ann")
    async with contextlib.AsyncExitStack() as stack:
        raws = [await stack.enter_async_context(raw_socket(port, None)) for _ in range(PER_ADDRESS)]
        async with dial(port) as raw:
            await raw.send(upgrade())
            status, headers = await raw.head()
            body = await raw.body(headers)
        assert status == 429
        assert int(headers["retry-after"]) > 0
        assert b"too_many_unauthenticated" in body
        async with raw_socket(port, None, source="127.0.0.2"), raw_socket(port, token):
            pass
        # Once they have said who they are, they are strangers no more.
        await raws[0].say(op="auth", token=token)
        assert (await raws[0].hear_json())["type"] == "connected"
        async with raw_socket(port, None):
            pass


async def test_a_crowd_that_says_nothing_costs_little_and_is_gone_soon(strict: App) -> None:
    """Strangers beyond the bound are refused, the others closed at 5 s, the silent ended; work goes on, memory is bounded."""
    service: Service = strict.service
    seen = await crowd(service, strict, strangers=600, silent=400, sources=30)
    assert set(seen.outcomes) <= {"refused 503", "refused 429", "closed 4401", "silent, ended"}, seen.outcomes
    assert seen.outcomes["silent, ended"] == 400
    assert seen.outcomes["refused 503"] > 0
    assert seen.outcomes["closed 4401"] > 0
    assert seen.most_inside <= IN_ALL
    assert min(seen.lived_s) > 4
    assert len(seen.acks_s) > 20
    assert seen.rss_most - seen.rss_before < 100, "MiB for 1,000 sockets"
    assert figures(service)["unauthenticated"] == 0
