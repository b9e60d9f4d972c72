"""A simulated site pulls the frozen part of a model once, as a real one does."""

from __future__ import annotations

from pathlib import Path

from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RunOpened, UpdateAccepted
from simulation.ports.journal import OnDisk
from simulation.run import simulate
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.worlds import group

FROZEN = {"name": "tests.fakes.mostly_frozen", "split": {"kind": "own"}}


def test_the_first_work_of_each_site_pulls_the_frozen_part(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    simulate(
        learning(workload=FROZEN, clients=[group(count=2, num_examples=None)]),
        journal=OnDisk(ledger, Blobs(tmp_path / "blobs")),
    )
    payloads = [event.payload for event in ledger.events()]
    (opened,) = [each for each in payloads if isinstance(each, RunOpened)]
    pulled = [each.work.pulled_nbytes for each in payloads if isinstance(each, UpdateAccepted)]
    ledger.close()
    assert opened.frozen is not None
    first, later = pulled[:2], pulled[2:]
    assert len(later) >= 2
    assert {one - pulled[-1] for one in later} == {0}
    assert first[0] == first[1] > later[0] + 4 * 1000  # float32
