"""The forecast of a run's rounds, held against the rounds that a simulation then has."""

from datetime import timedelta
from typing import Any

import pytest

from common.clock import GridClock
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR
from scheduler.gate.gate import GateRule
from scheduler.rounds.forecast import ExpectedRound, forecast_rounds
from scheduler.rounds.world import Rules
from scheduler.selection.score_weights import score_weights
from simulation.grids.signals import make_truth
from simulation.outcome import RoundOutcome
from simulation.ports.journal import Memory
from simulation.run import simulate
from tests.unit.simulation.worlds import group, world

AFTER = 60
"""The round after which the forecast is made: every client has taken part by then."""

HOURS = 48

GRIDS = ("FR", "DE", "GB", "US-CAL-CISO")


@pytest.mark.parametrize(
    "asked",
    [
        {"policy": "all", "cron": "0 * * * *"},
        {"policy": "alpha_fair", "cohort": 3, "quorum": 2, "cron": "30 */2 * * *"},
        {"policy": "fairwind", "cohort": 3, "quorum": 2, "cron": "0 * * * *"},
        {
            "policy": "random",
            "cohort": 4,
            "quorum": 2,
            "over_selection": 0.5,
            "cron": "0 */3 * * *",
        },
        {"policy": "all", "mode": "async", "buffer": 3, "concurrency": 5},
        {
            "policy": "fairwind",
            # Parts of epochs differ from hour to hour, and take less than the usual time.
            "policy_options": {"full_share": 1.0},
            "mode": "async",
            "buffer": 2,
            "bias": "capped",
        },
    ],
    ids=lambda asked: f"{asked.get('mode', 'sync')}-{asked['policy']}",
)
def test_the_forecast_is_what_the_simulation_then_does_under_a_true_forecast(asked):
    scenario = world(
        clients=[
            # The work of an asynchronous run takes about an hour: it meets gates that close.
            group(
                count=2,
                zone=zone,
                num_examples=50 * n,
                examples_per_s=0.03 if "mode" in asked else 100,
            )
            for n, zone in enumerate(GRIDS, 1)
        ],
        signal={"kind": "typical_day"},
        gate={"threshold_gco2eq_per_kwh": 150},
        run={"rounds": 120, "deadline_s": 36_000} | asked,
    )
    kept, expected = Memory(), list[ExpectedRound]()

    def look_ahead(closed: RoundOutcome) -> None:
        if closed.number == AFTER:
            expected.extend(_forecast(scenario, kept))

    outcome = simulate(scenario, journal=kept, on_round=look_ahead)
    held = [each for each in expected if each.waiting is None]
    assert len(held) > 5
    assert [_seen(each, kept) for each in held] == [
        (r.number, r.started_h, r.ended_h, len(r.cohort) if "mode" in asked else r.invited)
        for r in outcome.rounds[AFTER : AFTER + len(held)]
    ]
    for each, closed in zip(held, outcome.rounds[AFTER:], strict=False):
        # An asynchronous run is expected to make a version of exactly these updates.
        counted = set(closed.cohort)
        assert counted == set(each.cohort) if "mode" in asked else counted <= set(each.cohort)
        assert each.gco2eq == pytest.approx(closed.gco2eq)


def _forecast(scenario: Any, kept: Memory) -> list[ExpectedRound]:
    run, gate = kept.state.runs["world"], scenario.gate
    rules = Rules(
        gate=GateRule.of(gate, FLOW_TRACED), weights=score_weights({}),
        valid=timedelta(hours=gate.valid_h), max_attempts=3, network_kwh_per_gb=0.0,
        stagger=timedelta(minutes=59),
    )  # fmt: skip
    now = run.open_round.grid_planned_at if run.open_round else run.closed[-1].ended
    return forecast_rounds(
        kept.state, run, Grid(make_truth(scenario).signal, FLOW_TRACED), rules, now, hours=HOURS,
        grid_clock=GridClock(),
    )  # fmt: skip


def _seen(each: ExpectedRound, kept: Memory) -> tuple[int, float, float, int]:
    started = kept.state.runs["world"].grid_started_at
    return each.number, (each.start - started) / HOUR, (each.end - started) / HOUR, len(each.cohort)
