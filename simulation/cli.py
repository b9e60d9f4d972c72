"""The command `fairwind simulate`. Loads torch only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.errors import SettingError
from tasks.cli.completion import complete_policy, complete_run

if TYPE_CHECKING:
    from simulation.outcome import Outcome, RoundOutcome
    from simulation.ports.journal import Journal
    from simulation.scenario.scenario import Scenario

_PERMILLE = 1000

_FORECASTS = ("perfect", "ar1", "persistence", "own")
"""Those that need no file."""

_COMPARED = ("random", "threshold", "fairwind")


@click.command()
@click.argument("scenario", required=False)
@click.option(
    "--from-ledger",
    "past",
    metavar="[RUN]",
    is_flag=False,
    flag_value="",
    shell_complete=complete_run,
    help="Instead of a scenario: a run of the ledger, the newest if none is named.",
)
@click.option(
    "--policy", "policies", multiple=True, shell_complete=complete_policy,
    help="Instead of the scenario's; repeatable.",
)  # fmt: skip
@click.option("--forecast", type=click.Choice(_FORECASTS), help="Instead of the scenario's.")
@click.option("--seeds", default=1, type=click.IntRange(1, 1000), help="How many, one by one.")
@click.option("--jobs", default=1, type=click.IntRange(1, 256), help="In so many processes.")
@click.option("--no-learning", is_flag=True, help="Schedule alone; nothing is trained.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Also write a ledger, for report.")
@as_json
def simulate(
    scenario: str | None,
    *,
    past: str | None,
    forecast: str | None,
    policies: tuple[str, ...],
    seeds: int,
    jobs: int,
    no_learning: bool,
    ledger: Path | None,
    as_json: bool,
) -> None:
    """Simulate SCENARIO: a TOML file, or the name of one that ships, such as demo.

    The scheduler and the models are those of a real federation; only the clock is not.

    With --from-ledger: what a run that was would have emitted under other policies.
    """
    if past is not None:
        _refuse_beside_ledger(
            {
                "SCENARIO": scenario, "--seeds": seeds > 1, "--jobs": jobs > 1,
                "--no-learning": no_learning, "--ledger": ledger,
            }
        )  # fmt: skip
        _look_back(past or None, policies, forecast, as_json=as_json)
        return
    if scenario is None:
        msg = "Nothing was simulated: name a scenario, such as demo, or give --from-ledger."
        raise SettingError(msg)
    from simulation.outcome_table import print_outcomes  # noqa: PLC0415
    from simulation.scenario.loading import load_scenario  # noqa: PLC0415 - loads torch

    chosen = load_scenario(scenario)
    if forecast is not None:
        chosen = chosen.altered(forecast={"mode": forecast, "path": None})
    wanted = _variants(chosen, policies, seeds, learn=not no_learning)
    if ledger is not None and len(wanted) > 1:
        msg = "A ledger holds one run, so none was written. Give one policy and one seed."
        raise SettingError(msg)
    outcomes = [_one(wanted[0], ledger)] if len(wanted) == 1 else _several(wanted, jobs)
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    print_outcomes(outcomes, metric=wanted[0].run.metric)
    if ledger is not None:
        echo(f"Look closer: FAIRWIND_LEDGER_URL=sqlite:///{ledger.resolve()} fairwind report")


def _refuse_beside_ledger(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value:
            msg = f"--from-ledger replays a run that was, so nothing was simulated. Omit {name}."
            raise SettingError(msg)


def _look_back(
    run: str | None, policies: Sequence[str], forecast: str | None, *, as_json: bool
) -> None:
    """Print what a run of the ledger came to, and would have under other policies."""
    from simulation.counterfactual.from_ledger import read_recorded_run  # noqa: PLC0415 - loads torch,
    from simulation.counterfactual.replay import replay_under  # noqa: PLC0415
    from simulation.counterfactual.replay_table import print_counterfactual, to_json  # noqa: PLC0415
    from simulation.scenario.scenario import ForecastPart, GatePart  # noqa: PLC0415
    from tasks.cli.base import ledger_to_read  # noqa: PLC0415

    ours = settings_.load()
    gate = GatePart(**{name: getattr(ours, name) for name in GatePart.model_fields})
    past = read_recorded_run(ledger_to_read().events(), run, gate=gate)
    believed = ForecastPart.model_validate({"mode": forecast} if forecast else {})
    seen = replay_under(past, policies or _COMPARED, believed)
    if as_json:
        print_json(to_json(seen))
    else:
        print_counterfactual(seen)


def _variants(
    scenario: Scenario, policies: Sequence[str], seeds: int, *, learn: bool
) -> list[Scenario]:
    """Return the scenario under every given policy and seed."""
    from scheduler.policies.policy import find_policy  # noqa: PLC0415 - loads NumPy

    if not learn:
        scenario = scenario.altered(workload={"learn": False})
    for policy in policies:
        find_policy(policy)
    wanted = []
    for policy in policies or (scenario.run.policy,):
        own = policy == scenario.run.policy
        run = {} if own else {"policy": policy, "policy_options": {}}
        wanted += [scenario.altered(run=run, seed=scenario.seed + n) for n in range(seeds)]
    return wanted


def _one(scenario: Scenario, ledger: Path | None) -> Outcome:
    from simulation.run import simulate as run  # noqa: PLC0415 - loads torch

    with _written(ledger) as journal, _bar(_PERMILLE, scenario.name) as move:
        done = 0

        def on_round(closed: RoundOutcome) -> None:
            nonlocal done
            reached = round(_PERMILLE * _share(scenario, closed))
            move(reached - done)
            done = reached

        return run(scenario, on_round=on_round, journal=journal)


def _several(wanted: Sequence[Scenario], jobs: int) -> list[Outcome]:
    from simulation.many import simulate_all  # noqa: PLC0415 - loads torch

    with _bar(len(wanted), f"{len(wanted)} simulations") as move:
        return simulate_all(wanted, jobs=jobs, on_done=lambda _place, _outcome: move(1))


def _share(scenario: Scenario, closed: RoundOutcome) -> float:
    """Return how much of the run is over, by the budget that is spent most."""
    spec = scenario.run
    spent = (
        (closed.number, spec.rounds), (closed.ended_h, spec.hours),
        (closed.spent_gco2eq, spec.grams),
    )  # fmt: skip
    return min(1.0, max(done / whole for done, whole in spent if whole))


@contextmanager
def _bar(length: int, label: str) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def _written(path: Path | None) -> Iterator[Journal | None]:
    """Yield a journal on disk, or `None` where no path is given."""
    if path is None:
        yield None
        return
    from simulation.ports.new_ledger import new_ledger  # noqa: PLC0415 - only where one is written

    with new_ledger(path) as journal:
        yield journal
