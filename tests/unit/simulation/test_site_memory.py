"""Simulated sites remember as real ones do: the state of a client's last update that counted."""

from pathlib import Path
from typing import Any

import pytest

from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import UpdateAccepted
from simulation.ports.journal import OnDisk
from simulation.run import simulate
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.worlds import group

SLOW_AND_FAILING: list[dict[str, Any]] = [
    group(count=3, num_examples=None, zone=["FR", "DE"], speed_jitter=0.5, failure_rate=0.2),
    group(count=2, num_examples=None, zone=["ES"], examples_per_s=40.0, speed_jitter=0.5),
]
MODES: dict[str, dict[str, Any]] = {
    "rounds": {"policy": "random", "cohort": 3, "over_selection": 0.5},
    "late": {"policy": "random", "cohort": 2, "over_selection": 1.0, "late": "count"},
    "async": {"mode": "async", "buffer": 2, "concurrency": 4, "cohort": None},
}


@pytest.mark.parametrize("mode", MODES)
def test_each_client_goes_on_from_its_own_last_update_whatever_the_mode(
    mode: str, tmp_path: Path
) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    asked = MODES[mode] | {"encoding": "topk:0.02", "quorum": 1, "rounds": 6, "hours": None}
    outcome = simulate(
        learning(clients=SLOW_AND_FAILING, run=asked),
        journal=OnDisk(ledger, Blobs(tmp_path / "blobs")),
    )
    assert len(outcome.rounds) == 6
    works = [e.payload.work for e in ledger.events() if isinstance(e.payload, UpdateAccepted)]
    ledger.close()
    assert all(work.memory and not work.memory_lost for work in works)
    assert len({work.memory for work in works}) == len(works)
    assert simulate(learning(clients=SLOW_AND_FAILING, run=asked)).version == outcome.version
