"""The command `plan`: which clients would train now, or are expected to in the next hours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from common import settings as settings_
from common.command_line.duration import Duration
from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from common.settings import Settings
from common.units import show_intensity
from scheduler.carbon.grid import Grid
from scheduler.carbon.sources import federation_family
from scheduler.federation.federation import Federation, Run
from scheduler.gate.gate import gate_rule
from scheduler.ledger.round_size import choose_cohort, smaller_rounds
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.reason import explain
from scheduler.rounds.progress import is_due
from scheduler.rounds.waiting_cost import ReservedPower, closed_balance
from scheduler.rounds.world import Rules
from scheduler.selection.plan import Plan, Situation, Verdict, places, plan_round, why
from scheduler.selection.score import EXPLAINED
from scheduler.selection.score_weights import score_weights
from scheduler.selection.sentences import SENTENCES
from scheduler.selection.situation import make_situation
from scheduler.status.explain import explain_run
from scheduler.status.explanation import Explanation
from scheduler.status.names import SHOWN_NAMES, listed
from scheduler.status.which_run import find_run, newest_run
from tasks.cli.base import drivers_now, ledger_to_read
from tasks.cli.completion import complete_run
from tasks.cli.grids import open_signal
from tasks.cli.waiting_cost import waiting_json, waiting_sentences

_RECENT = 10
"""What waiting has cost is summed over so many of the last rounds."""


@click.command()
@click.option(
    "--run",
    "run_id",
    shell_complete=complete_run,
    help="Plan for this run; the newest that is not over if left out.",
)
@click.option(
    "--horizon",
    type=Duration("h", least=1, most=96),
    help="Show which rounds are expected, and when gates are open, for so many hours instead.",
)
@as_json
def plan(run_id: str | None, *, horizon: float | None, as_json: bool) -> None:
    """Show which clients would train if a round were due now, and why. Nothing is started."""
    ours = settings_.load()
    state = ledger_to_read().state()
    current = find_run(state, run_id) if run_id else newest_run(state)
    if horizon is not None:
        from tasks.cli.horizon import show_horizon  # noqa: PLC0415 - simulates; this option alone

        show_horizon(ours, state, round(horizon), run=current, as_json=as_json)
        return
    grid, now = Grid(open_signal(ours), federation_family(ours)), ours.clock.now()
    situation, made = _plan_now(ours, state, current, grid=grid, now=now)
    reserved = ReservedPower.of(state.enrolled())
    balance = closed_balance(current.closed[-_RECENT:], reserved, grid) if current else None
    advice = None
    if current is not None and current.ended_at is None:
        advice = smaller_rounds(current.spec, clients=len(state.enrolled()))
    explained = explain_run(
        state, current, now=situation.now, wall_now=situation.wall_now, drivers=drivers_now(),
        gates=situation.gates,
    )  # fmt: skip
    if as_json:
        waiting = waiting_json(reserved, balance, grid, now)
        more = {"advice": advice, "waiting_costs": waiting}
        print_json(_as_dict(explained, situation, made) | more)
        return
    _print(current, explained, situation, made)
    if advice is not None:
        echo(advice)
    for sentence in waiting_sentences(reserved, balance, grid, now, ahead=False):
        echo(sentence)


def _plan_now(
    ours: Settings, state: Federation, current: Run | None, *, grid: Grid, now: datetime
) -> tuple[Situation, Plan]:
    """Return the plan of a round of the run as if it were due now, and what it is made from."""
    weights = score_weights(ours.score_weights)
    situation = make_situation(
        state, current, grid, gate_rule(ours), now, wall_now=ours.clock.wall_at(now),
        weights=weights, stagger=Rules.of(ours).stagger,
    )  # fmt: skip
    if current is None or current.ended_at is not None:
        anything = RunSpec(id="plan", workload="any", rounds=1)
        anything, _ = choose_cohort(anything, clients=len(state.enrolled()))
        return situation, plan_round(anything, situation, number=1, so_far=None)
    is_short = current.round_under_way is not None and (
        current.spec.is_async or is_due(current, state.clients, now)
    )
    so_far = current.open_round if is_short else None
    number = so_far.number if so_far else len(current.closed) + 1
    return situation, plan_round(current.spec, situation, number=number, so_far=so_far)


def _print(current: Run | None, explained: Explanation, situation: Situation, made: Plan) -> None:
    """Print what the run does, what a round that is due now would do, and why."""
    echo(Styled(explained.sentence, bold=True))
    if current is None or current.ended_at is not None:
        echo("A run with the default options, started now:")
    own_time = current is not None and current.ended_at is None and current.spec.is_async
    would = "Clients invited now would" if own_time else "A round due now would"
    if explained.code == "blocked":
        would = "Nothing trains while the run is blocked; without that, " + would.lower()
    if current is not None and own_time and (out := _all_out(current)):
        echo(f"No more clients are invited now: {out} train, as many as the run lets.")
    elif made.waiting is None:
        reason = explain(made.because)
        at = listed(sorted(made.cohort), most=SHOWN_NAMES)
        echo(f"{would} train at {at}{f': {reason}' if reason else ''}.")
    elif made.waiting != explained.code:
        echo(f"{would} wait: {_waits(made)}.")
    print_table(
        ["client", "trains", "intensity", "score", "why"],
        [
            [
                v.client,
                "yes" if v.invited else "no",
                show_intensity(_intensity(situation, v.client)),
                f"{v.score.value:.2f}" if v.score else "-",
                _why(v, explained),
            ]
            for v in made.verdicts
        ],
    )


def _all_out(run: Run) -> int:
    """Return how many clients of an asynchronous run train if it has no place for more, else 0."""
    if run.open_round is None or places(run.spec, run.open_round) > 0:
        return 0
    return len(run.open_round.open_assignments())


def _why(verdict: Verdict, explained: Explanation) -> str:
    """Return why a client would train or not: its blocker, where it has one."""
    blocker = explained.blockers.get(verdict.client)
    return blocker.sentence if blocker and blocker.code == verdict.code else why(verdict)


def _waits(made: Plan) -> str:
    reason = explain(made.because) if made.waiting == "policy_waits" else None
    return reason.removeprefix("waits: ") if reason else SENTENCES[made.waiting or "policy_waits"]


def _as_dict(explained: Explanation, situation: Situation, made: Plan) -> dict[str, Any]:
    return {
        "verdict": explained.sentence,
        "explanation": explained.to_dict(),
        "waiting": made.waiting,
        "because": dict(made.because),
        "cohort": list(made.cohort),
        "verdicts": [_row(v, explained, _intensity(situation, v.client)) for v in made.verdicts],
    }


def _intensity(situation: Situation, client: str) -> float | None:
    reading = situation.readings[client]
    return reading.gco2eq_per_kwh if reading else None


def _row(verdict: Verdict, explained: Explanation, intensity: float | None) -> dict[str, Any]:
    score = verdict.score
    return {
        "client": verdict.client,
        "invited": verdict.invited,
        "code": verdict.code,
        "why": _why(verdict, explained),
        "intensity_gco2eq_per_kwh": intensity,
        "expected_gco2eq": verdict.expected_gco2eq,
        "score": score.value if score else None,
        "parts": [part._asdict() | {"explained": EXPLAINED[part.name]} for part in score.parts]
        if score
        else [],
        "unknown_parts": list(score.unknown) if score else [],
    }
