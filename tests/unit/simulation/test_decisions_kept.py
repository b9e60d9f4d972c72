"""Decisions of a federation with gates, kept as digests: what only makes faster changes none.

Where a change of decisions is meant, run the test and take its digests over.
"""

from __future__ import annotations

import pytest

from simulation.run import simulate
from simulation.scenario.loading import load_scenario

_ZONES = ("AT", "BE", "CA-ON", "DE", "DK-DK1", "ES", "FI", "FR", "GB", "IT-NO", "NL", "PL", "PT")


@pytest.mark.parametrize(
    ("policy", "digest"),
    [
        ("random", "abdbb724ac786fda"),
        ("fairwind", "4e52e974146e2e34"),
        ("score", "c91a872989e59f3a"),
    ],
)
def test_gated_rounds_of_a_week_are_decided_as_before(policy: str, digest: str) -> None:
    scenario = load_scenario("demo").altered(
        name="kept",
        workload={"name": "none"},
        run={"policy": policy, "cohort": 6, "quorum": 3, "rounds": None, "hours": 168},
        gate={"patience_h": 24.0},
        clients=[{"count": 65, "zone": _ZONES, "machine": "V100", "num_examples": 500,
                  "failure_rate": 0.1, "on_h": 20, "off_h": 4}],
    )  # fmt: skip
    assert simulate(scenario).decisions[:16] == digest
