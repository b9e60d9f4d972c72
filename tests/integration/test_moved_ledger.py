"""A ledger that is moved while it is in use: everybody stops with a line, and no second begins."""

from __future__ import annotations

import pytest

from scheduler.ledger.events import RoundClosed
from scheduler.ledger.run_spec import RunSpec
from tasks.local.federation import COORDINATOR
from tests.integration.fleet import Fleet, refusal, running_fleet

pytestmark = pytest.mark.long

SETTINGS = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}'}


def test_the_coordinator_stops_with_a_line_and_goes_on_once_the_ledger_is_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("moved") / "federation"
    with running_fleet(folder, {"north": "NO-NO1", "west": "FR"}, settings=SETTINGS) as fleet:
        fleet.begin_run(RunSpec(id="r", workload="digits", policy="all", rounds=4000))
        fleet.wait_event(RoundClosed, "r")
        ledger = fleet.home / "ledger.sqlite"
        ledger.rename(fleet.home / "elsewhere")
        assert_refused(fleet)
        fleet.wait(lambda: not fleet.local.processes.alive(COORDINATOR), "the coordinator to stop")
        (line, *_) = [line for line in fleet.log(COORDINATOR).splitlines() if "was moved" in line]
        assert f"The ledger {ledger} was moved, deleted or replaced" in line
        assert "Traceback" not in fleet.log(COORDINATOR)
        assert_refused(fleet)
        assert not ledger.exists()

        (fleet.home / "elsewhere").rename(ledger)
        before = len(fleet.run("r").closed)
        fleet.restart(COORDINATOR)
        fleet.wait(lambda: len(fleet.run("r").closed) > before, "another round")
        done = fleet.local.fairwind("run", "stop", "r")
        assert done.returncode == 0, done.stderr
        closed = fleet.wait_ended("r").closed
        assert fleet.ledger.verify().broken_at is None
        assert [each.number for each in closed] == list(range(1, len(closed) + 1))
        # The run was stopped in a round: its answers are in no version.
        counted = [(e.round, e.client) for e in fleet.events("update.accepted", "r")]
        summed = [(each.number, line.client) for each in closed for line in each.manifest]
        assert sorted(summed) == sorted(c for c in counted if c[0] <= len(closed))


def assert_refused(fleet: Fleet) -> None:
    """Check that nobody begins a second ledger, and that each says what to do."""
    words = (("enroll", "east", "--zone=FR"), ("status",), ("run", "start", "digits", "--rounds=1"))
    for said in (refusal(fleet.local.fairwind(*each)) for each in words):
        assert said.startswith(f"There is no ledger at {fleet.home / 'ledger.sqlite'}, but ")
        assert "ut it back" in said
