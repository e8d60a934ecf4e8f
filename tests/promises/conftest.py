"""Clusters for the promises that need one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.promises.cluster import Cluster, running_cluster
from tests.support.world import App, new_app


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two processes whose publications are often late."""
    folder: Path = tmp_path_factory.mktemp("c")
    with running_cluster(folder, 2, {"PROMISES_DELAY_S": "0.05"}) as running:
        yield running


@pytest.fixture
async def apps(cluster: Cluster) -> AsyncIterator[list[App]]:
    """Two apps, asked through the first process."""
    async with httpx2.AsyncClient(base_url=cluster.services[0].url, timeout=30) as http:
        yield [await new_app(cluster.services[0], http) for _ in range(2)]
