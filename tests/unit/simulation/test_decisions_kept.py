"""Decisions of a federation with gates, kept as digests: what only makes faster changes none.

Where a change of decisions is meant, run the test and take its digests over.
"""

from __future__ import annotations

import pytest

from simulation.run import simulate
from simulation.scenario.loading import load_scenario

_ZONES = ("AT", "BE", "CA-ON", "DE", "DK-DK1", "ES", "FI", "FR", "GB", "IT-NO", "NL", "PL", "PT")


_ABLATED = {"wait": 1.0, "full_share": 0.25, "parts": 0.0, "relative": 0.0}


@pytest.mark.parametrize(
    ("policy", "options", "digest"),
    [
        ("random", {}, "abdbb724ac786fda"),
        ("fairwind", {}, "c700d203141357bc"),
        ("fairwind", _ABLATED, "d8d72e11675e362d"),
        ("score", {}, "c91a872989e59f3a"),
    ],
)
def test_gated_rounds_of_a_week_are_decided_as_before(
    policy: str, options: dict[str, float], digest: str
) -> None:
    scenario = load_scenario("demo").altered(
        name="kept",
        workload={"name": "none"},
        run={"policy": policy, "policy_options": options, "cohort": 6, "quorum": 3,
             "rounds": None, "hours": 168},
        gate={"patience_h": 24.0},
        clients=[{"count": 65, "zone": _ZONES, "machine": "V100", "num_examples": 500,
                  "failure_rate": 0.1, "on_h": 20, "off_h": 4}],
    )  # fmt: skip
    assert simulate(scenario).decisions[:16] == digest
