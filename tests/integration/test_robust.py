"""A robust rule in a federation of processes, one site of which sends updates that are wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduler.ledger.events import RoundClosed
from tests.integration.conftest import ODD_WORKLOADS
from tests.integration.fleet import Fleet, running_fleet

pytestmark = pytest.mark.slow

WORKLOAD = "odd_workloads:reverses"
SITES = {"east": "DE", "north": "NO-NO1", "odd": "ES", "south": "IT", "west": "FR"}
INTENSITIES = '{"NO-NO1": 20, "ES": 90, "FR": 50, "DE": 60, "IT": 70}'


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("robust") / "federation"
    folder.mkdir()
    (folder / "odd_workloads.py").write_text(ODD_WORKLOADS.read_text())
    values = {
        "FAIRWIND_STATIC_GCO2EQ_PER_KWH": INTENSITIES, "FAIRWIND_WORKLOADS": WORKLOAD,
    }  # fmt: skip
    with running_fleet(folder, SITES, settings=values, sites={"odd": {"ODD": "1"}}) as started:
        started.wait_alive(*SITES)
        yield started


def test_one_wrong_site_spoils_the_mean_and_not_the_robust_rule(fleet: Fleet) -> None:
    for run, robust in (("plain", "mean"), ("held", "1")):
        fleet.start_run(run, WORKLOAD, rounds=4, cohort="all", quorum=5, robust=robust)
        fleet.wait_ended(run)
    plain, held = (fleet.run(run).closed[-1].metrics or {} for run in ("plain", "held"))
    assert (plain["accuracy"] or 0) < 0.5
    assert (held["accuracy"] or 0) > 0.7

    closed = fleet.payloads(RoundClosed, "held")
    assert [list(c.robust.shares_permille) for c in closed if c.robust] == [sorted(SITES)] * 4
    assert all(c.robust.shares_permille["odd"] < 500 for c in closed if c.robust)
    shown = fleet.local.fairwind("run", "show", "held").stdout
    assert "Robust       nearest-neighbour mixing and trimmed mean; withstands 1" in shown
    assert "Left out     odd kept less than half of its weight in each of its last 4 ro" in shown
    replayed = fleet.local.fairwind("ledger", "replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_rule_that_needs_more_sites_than_there_are_waits_and_says_so(fleet: Fleet) -> None:
    done = fleet.local.fairwind("run", "start", WORKLOAD, "--rounds=1", "--robust=3", "--id=more")
    assert done.returncode == 0, done.stderr
    assert "A round needs the updates of 7 clients (--quorum), and 5 clients are" in done.stderr
    fleet.local.fairwind("run", "stop", "more")
    refused = fleet.local.fairwind("run", "start", WORKLOAD, "--rounds=1", "--robust=krum")
    assert refused.returncode != 0
    assert "write krum:1" in refused.stderr
