"""A user's own loop in a simulation: it keeps its state as at a real site."""

import pytest

from common.errors import WorkloadError
from simulation.run import simulate
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.worlds import group

OWN_LOOP = {"name": "tests.fakes.own_loop", "split": {"kind": "own"}}
CLIENTS = [group(count=3, num_examples=None)]


@pytest.mark.parametrize("encoding", ["float32", "mxint8"])
def test_each_round_begins_with_the_state_that_the_last_one_left(encoding: str) -> None:
    asked = {"policy": "all", "rounds": 3, "quorum": 2, "encoding": encoding}
    outcome = simulate(learning(workload=OWN_LOOP, clients=CLIENTS, run=asked))
    # The weight moves by 1, 2 and 3; the metric is the weight.
    assert [closed.metrics["accuracy"] for closed in outcome.rounds] == [1.0, 3.0, 6.0]


def test_what_the_loop_would_leave_without_effect_is_refused() -> None:
    asked = {"policy": "all", "rounds": 3, "algorithm": "fednova"}
    with pytest.raises(WorkloadError, match="fednova would have no effect"):
        simulate(learning(workload=OWN_LOOP, clients=CLIENTS, run=asked))
