"""SCAFFOLD in simulations: in batches, with layers that stay at sites, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import FairwindError
from simulation.outcome import Outcome
from simulation.run import simulate
from tests.unit.simulation.worlds import group, world

SPLIT = {"kind": "label"}


def learned(*, batched: bool | None = None, workload: str = "digits", **asked: Any) -> Outcome:
    run = {"policy": "all", "rounds": 4, "quorum": 2, "algorithm": "scaffold"}
    steps = {"steps": 10, "momentum": 0.5, "clip_norm": 1.0}
    return simulate(
        world(
            workload={"name": workload, "split": SPLIT, "batched": batched},
            clients=[group(count=4, num_examples=None, zone=["FR", "DE"])],
            signal={"kind": "typical_day"}, gate="off",
            run=run | {"hyperparameters": steps} | asked,
        )
    )  # fmt: skip


def test_batches_and_the_plain_loop_learn_the_same_but_for_rounding() -> None:
    batched, plain = learned(batched=True), learned(batched=False)
    assert (batched.batched, plain.batched) == (True, False)
    for ours, theirs in zip(batched.rounds, plain.rounds, strict=True):
        assert ours.metrics == pytest.approx(theirs.metrics, abs=1e-3)


def test_corrections_change_what_is_learned_from_the_second_round_on() -> None:
    with_, without = learned(), learned(algorithm="fedavg", weight_cap=1)
    assert with_.rounds[0].metrics == without.rounds[0].metrics
    assert with_.rounds[1].metrics != without.rounds[1].metrics


def test_layers_that_stay_at_a_site_are_not_corrected() -> None:
    outcome = learned(personal=["2.*"], batched=False)
    assert len(outcome.rounds) == 4


def test_an_optimizer_of_the_workload_is_refused() -> None:
    with pytest.raises(FairwindError, match="remove the function optimizer from the workload"):
        learned(workload="tests.fakes.own_optimizer")
