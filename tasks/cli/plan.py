"""The command `plan`: which clients would train now, or are expected to in the next hours."""

from __future__ import annotations

from typing import Any

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json, print_table
from common.units import show_intensity
from scheduler.carbon.grid import Grid
from scheduler.carbon.sources import federation_family
from scheduler.gate.gate import gate_rule
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.reason import explain
from scheduler.selection.plan import Plan, Situation, Verdict, plan_round, why
from scheduler.selection.score import EXPLAINED
from scheduler.selection.score_weights import score_weights
from scheduler.selection.sentences import SENTENCES
from scheduler.selection.situation import make_situation
from scheduler.status.which_run import find_run, newest_run
from tasks.cli.base import ledger_to_read
from tasks.cli.horizon import HoursOption, show_horizon
from tasks.cli.signals import open_signal


@click.command()
@click.option("--run", "run_id", help="Plan for this run; a round of all open clients if left out.")
@click.option(
    "--horizon",
    type=HoursOption(1, 96),
    help="Show which rounds are expected, and when gates are open, for so many hours instead.",
)
@as_json
def plan(run_id: str | None, *, horizon: int | None, as_json: bool) -> None:
    """Show which clients would train if a round were due now, and why. Nothing is started."""
    ours = settings_.load()
    state = ledger_to_read().state()
    if horizon is not None:
        run = find_run(state, run_id) if run_id else newest_run(state)
        show_horizon(ours, state, horizon, run=run, as_json=as_json)
        return
    current = find_run(state, run_id) if run_id else None
    spec = current.spec if current else RunSpec(id="plan", workload="any", rounds=1)
    grid = Grid(open_signal(ours), federation_family(ours))
    weights = score_weights(ours.score_weights)
    situation = make_situation(
        state, current, grid, gate_rule(ours), ours.clock.now(), weights=weights
    )
    number = len(current.closed) + 1 if current else 1
    made = plan_round(spec, situation, number=number, so_far=None)
    if as_json:
        verdicts = [_row(v, _intensity(situation, v.client)) for v in made.verdicts]
        print_json(
            {
                "waiting": made.waiting,
                "because": dict(made.because),
                "cohort": list(made.cohort),
                "verdicts": verdicts,
            }
        )
        return
    if made.waiting:
        click.echo(click.style(f"No round would start: {_waits(made)}.", bold=True))
    elif reason := explain(made.because):
        click.echo(click.style(f"A round would start: {reason}.", bold=True))
    print_table(
        ["client", "trains", "intensity", "score", "why"],
        [
            [
                v.client,
                "yes" if v.invited else "no",
                show_intensity(_intensity(situation, v.client)),
                f"{v.score.value:.2f}" if v.score else "-",
                why(v),
            ]
            for v in made.verdicts
        ],
    )


def _waits(made: Plan) -> str:
    reason = explain(made.because) if made.waiting == "policy_waits" else None
    return reason.removeprefix("waits: ") if reason else SENTENCES[made.waiting or "policy_waits"]


def _intensity(situation: Situation, client: str) -> float | None:
    reading = situation.readings[client]
    return reading.gco2eq_per_kwh if reading else None


def _row(verdict: Verdict, intensity: float | None) -> dict[str, Any]:
    score = verdict.score
    return {
        "client": verdict.client,
        "invited": verdict.invited,
        "code": verdict.code,
        "why": why(verdict),
        "intensity_gco2eq_per_kwh": intensity,
        "expected_gco2eq": verdict.expected_gco2eq,
        "score": score.value if score else None,
        "parts": [part._asdict() | {"explained": EXPLAINED[part.name]} for part in score.parts]
        if score
        else [],
        "unknown_parts": list(score.unknown) if score else [],
    }
