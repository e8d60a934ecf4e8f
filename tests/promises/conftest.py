"""Clusters for the promises that need one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.promises.cluster import Cluster, running_cluster
from tests.support.document import public_client
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
    async with public_client(cluster.services[0].url) as http:
        yield [await new_app(cluster.services[0], http) for _ in range(2)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name for each planted bug the checks that have found it."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    caught = [str(value) for report in reports for name, value in report.user_properties if name == "mutant"]
    for line in sorted(caught, key=lambda line: int(line[1:].split()[0])):
        terminalreporter.write_line(line)
