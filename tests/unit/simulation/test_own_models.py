"""Simulated sites have models of their own as real ones do, by personal layers or by Ditto."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import WorkloadError
from simulation.outcome import Outcome
from simulation.run import simulate
from tests.unit.simulation.test_run import learning
from tests.unit.simulation.test_site_memory import MODES, SLOW_AND_FAILING
from tests.unit.simulation.worlds import group

SKEWED = {"name": "digits", "split": {"kind": "label", "labels": 2}, "batched": False}
FEW_LABELS: list[dict[str, Any]] = [group(count=5, num_examples=None)]
ROUNDS: dict[str, Any] = {"policy": "all", "rounds": 4, "quorum": 5}


def skewed(**run: Any) -> Outcome:
    """Return five clients with the images of two digits each, who evaluate what they use."""
    asked = ROUNDS | {"evaluate": "sites"} | run
    return simulate(learning(workload=SKEWED, clients=FEW_LABELS, run=asked))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("own", [{"personal": ["2.*"]}, {"hyperparameters": {"ditto": 0.1}}])
def test_a_run_with_own_models_ends_the_same_twice_in_each_mode(
    mode: str, own: dict[str, Any]
) -> None:
    asked = MODES[mode] | own | {"quorum": 1, "rounds": 4, "hours": None}
    one, other = (simulate(learning(clients=SLOW_AND_FAILING, run=asked)) for _ in range(2))
    assert len(one.rounds) == 4
    assert one.version == other.version
    assert one.batched is False
    assert one.reason == "each site has a model of its own, so clients train one after the other"
    assert one.metric("accuracy") is not None


DOCUMENTED = {"global": 0.686, "heads": 0.953, "ditto": 0.967}
"""Mean accuracy at the sites after four rounds, as docs/algorithms.md has it."""


def test_personal_heads_and_ditto_serve_sites_with_few_labels_better_than_the_global_model() -> (
    None
):
    shared, heads = skewed(), skewed(personal=["2.*"])
    ditto = skewed(hyperparameters={"ditto": 0.1})
    found = {"global": shared, "heads": heads, "ditto": ditto}
    assert {name: each.metric("accuracy") for name, each in found.items()} == pytest.approx(
        DOCUMENTED, abs=0.02
    )
    # Ditto's update is the one without it, to the bit, and costs twice the energy.
    assert ditto.version == shared.version
    trained = [sum(round_.energy_wh for round_ in each.rounds) for each in (shared, ditto)]
    assert trained[1] == pytest.approx(2 * trained[0])


def test_beside_ditto_the_coordinator_may_evaluate_the_global_model() -> None:
    alone = skewed(evaluate="coordinator")
    both = skewed(evaluate="both", hyperparameters={"ditto": 0.1})
    assert [r.metrics for r in both.rounds] == [r.metrics for r in alone.rounds]


def test_own_models_cannot_be_trained_in_batches() -> None:
    workload = {**SKEWED, "batched": True}
    asked = ROUNDS | {"personal": ["2.*"]}
    with pytest.raises(WorkloadError, match="Leave out batched under"):
        simulate(learning(workload=workload, clients=FEW_LABELS, run=asked))


def test_a_pattern_that_matches_nothing_is_refused_here_too() -> None:
    with pytest.raises(WorkloadError, match=r"--personal head\.\* matches nothing that is trained"):
        skewed(personal=["head.*"])


def test_with_scaffold_personal_layers_have_no_control_variate_and_ditto_changes_no_version() -> (
    None
):
    scaffold = skewed(algorithm="scaffold")
    ditto = skewed(algorithm="scaffold", hyperparameters={"ditto": 0.1})
    assert ditto.version == scaffold.version
    heads = skewed(algorithm="scaffold", personal=["2.*"])
    assert (heads.metric("accuracy") or 0) > (scaffold.metric("accuracy") or 0)
