"""The checks can fail: each of fourteen planted bugs is found by an ordinary run."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.promises.cluster import Cluster, running_cluster
from tests.promises.harness import PLANTED, Options, run_on
from tests.promises.mutants import MUTANTS
from tests.promises.workload import Crowd

CROWD = Crowd(writers=16, readers=40, pause_s=0.25, births_s=0.7)
FAULTS = {"M14": ["lost-tail"]}
"""An epoch is only worth comparing once there are two."""
SEEDS = (5, 6, 7, 8, 9, 10)
"""Some bugs show only in a race that a run may happen not to have (M3 in one of three): they get other runs."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("mutants"), 2, PLANTED) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str, cluster: Cluster, record_property: Callable[[str, object], None]) -> None:
    """With it the run breaks promises; `test_harness` shows that without it the same run breaks none."""
    faults = FAULTS.get(name, ["backends"])
    violations: dict[str, list[str]] = {}
    for seed in SEEDS:
        cluster.renew(PROMISES_MUTANT=name)
        options = Options(4.0, seed, apps=2, faults=faults, mutant=name, deliveries=2_000, patience_s=2.5, crowd=CROWD)
        violations = asyncio.run(run_on(cluster, options)).verdict.violations
        if violations:
            break
    caught = ", ".join(f"{check} {len(found)}" for check, found in violations.items())
    record_property("mutant", f"{MUTANTS[name].__name__.capitalize().replace('_', ' ')}: {caught}")
    assert violations, f"{name} was not noticed"
