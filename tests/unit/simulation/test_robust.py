"""Robust rules in simulations: what they make of sites, and when a round waits for more."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import SettingError
from simulation.outcome import Outcome
from simulation.run import simulate
from tests.unit.simulation.worlds import group, world


def learned(*, clients: int = 6, batched: bool | None = None, **asked: Any) -> Outcome:
    return simulate(
        world(
            workload={"name": "digits", "split": {"kind": "iid"}, "batched": batched},
            clients=[group(count=clients, num_examples=None, zone=["FR", "DE"])],
            signal={"kind": "typical_day"}, gate="off",
            run={"policy": "all", "rounds": 3, "hyperparameters": {"steps": 10}} | asked,
        )
    )  # fmt: skip


@pytest.mark.parametrize("rule", ["2", "median", "krum:1", "centered-clipping"])
def test_a_model_learns_under_a_robust_rule(rule: str) -> None:
    first, *_, last = learned(robust=rule).rounds
    assert last.metrics is not None
    assert first.metrics is not None
    assert (last.metrics["accuracy"] or 0) > (first.metrics["accuracy"] or 0)


def test_all_updates_count_alike_under_a_robust_rule() -> None:
    capped, whole = learned(robust="median", weight_cap=1), learned(robust="median")
    assert [r.metrics for r in capped.rounds] == [r.metrics for r in whole.rounds]


def test_a_federation_smaller_than_the_rule_needs_is_refused() -> None:
    with pytest.raises(SettingError, match="quorum of 5 is larger than the federation of 4"):
        learned(clients=4, robust="trimmed:2")
