"""A user's own loop trains in real workers, and its state counts once the update does."""

from __future__ import annotations

from scheduler.ledger.events import UpdateAccepted
from simulation.run import simulate
from tests.integration.conftest import OWN_LOOP
from tests.integration.fleet import Fleet, assert_accounted_for
from tests.unit.simulation.test_own_loop import CLIENTS
from tests.unit.simulation.test_own_loop import OWN_LOOP as WORKLOAD
from tests.unit.simulation.test_run import learning


def test_state_of_a_loop_goes_on_from_round_to_round_as_in_a_simulation(fleet: Fleet) -> None:
    fleet.start_run("loop", OWN_LOOP, rounds=3, quorum=3)
    run = fleet.wait_ended("loop")
    works = [each.work for each in fleet.payloads(UpdateAccepted, "loop")]
    assert sorted(work.num_steps or 0 for work in works) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(work.memory and not work.memory_lost for work in works)
    assert_accounted_for(fleet, "loop")
    asked = {"policy": "all", "rounds": 3, "quorum": 3}
    simulated = simulate(learning(workload=WORKLOAD, clients=CLIENTS, run=asked))
    assert simulated.version == run.version


def test_what_the_loop_would_leave_without_effect_is_refused_at_the_start(fleet: Fleet) -> None:
    done = fleet.local.fairwind("run", "start", OWN_LOOP, "--rounds=1", "--clip-norm=1")
    assert done.returncode == 1
    assert "trains with its own loop, in which --clip-norm would have no effect" in done.stderr
