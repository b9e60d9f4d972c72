"""The scenario `together`: solar sites train at noon alone, so they count by hours, or by data."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.federation.applied_weight import AppliedWeight
from simulation.run import simulate
from simulation.scenario.loading import load_scenario


def applied(policy: str, bias: str | None) -> AppliedWeight:
    run: dict[str, Any] = {"policy": policy, "policy_options": {}, "bias": bias}
    found = simulate(load_scenario("together").altered(run=run, workload={"learn": False}))
    assert found.applied is not None
    assert len(found.rounds) == 192
    return found.applied


@pytest.mark.parametrize("policy", ["random", "fairwind"])
def test_half_of_the_data_has_a_quarter_of_the_weight_without_a_correction(policy: str) -> None:
    # 18 hours of 24 are those of wind sites, which hold half of the data: 3/4 - 1/2.
    assert applied(policy, "none").total_variation == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("policy", "bias"), [("random", "realised"), ("fairwind", None)])
def test_by_realised_participation_weight_lies_nearly_where_the_data_are(
    policy: str, bias: str | None
) -> None:
    found = applied(policy, bias)
    assert found.total_variation < 0.1
    assert found.jain > 0.95
