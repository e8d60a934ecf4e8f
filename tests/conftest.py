"""What tests stand on: private, real servers for each worker, migrated once, everything committed."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from api.embedded import Servers, servers
from api.migrate import migrate
from tenants.postgres import Postgres
from tests.support.processes import FENCE, Service, running_service
from tests.support.world import World, new_world

# How long an example takes says something of the machine that day, and nothing of the code. Stores are kept from one example
# to the next, and each brings names of its own.
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("roomlog", deadline=None, suppress_health_check=SLOW)
settings.load_profile("roomlog")

ROOT = Path(__file__).parent.parent
PEPPER = "a pepper for tests, at least 32 bytes long"
MASTER_KEYS = "1:" + "bWFzdGVyIGtleXMgYXJlIDMyIGJ5dGVzIGxvbmchISE="
OPERATOR_TOKEN = "an operator's token for tests, 32 characters"


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A PostgreSQL and a Valkey of this worker's own, at the newest schema."""
    with servers(tmp_path_factory.mktemp("stores"), os.environ, durable=False) as running:
        migrate(running.database_url, ROOT / "migrations")
        yield running


@pytest.fixture(scope="session")
async def postgres(stores: Servers) -> AsyncIterator[Postgres]:
    """The door to this worker's PostgreSQL."""
    async with Postgres.open(stores.database_url, fence_all=FENCE == "all") as opened:
        yield opened


@pytest.fixture(scope="session")
def environment(stores: Servers) -> dict[str, str]:
    """The settings of a service on this worker's servers."""
    return {
        "DATABASE_URL": stores.database_url,
        "REDIS_URL": stores.redis_url,
        "ROOMLOG_PEPPER": PEPPER,
        "ROOMLOG_MASTER_KEYS": MASTER_KEYS,
        "ROOMLOG_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "ROOMLOG_DRAIN_S": "1",
        "ROOMLOG_DRAIN_DELAY_S": "0",
        "ROOMLOG_MAX_FAILURES": "100000",
        "ROOMLOG_LOG_LEVEL": "warning",
        "ROOMLOG_DB_FENCE": FENCE,
    }


@pytest.fixture(scope="session")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service, as a process."""
    with running_service(environment, tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture
async def world(service: Service) -> AsyncIterator[World]:
    """Two apps with the same names in each, fresh for every test."""
    async with new_world(service) as made:
        yield made
