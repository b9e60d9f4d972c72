"""The command `fairwind simulate`. Loads torch only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.errors import SettingError
from tasks.cli.base import as_json, print_json

if TYPE_CHECKING:
    from simulation.journal import Journal
    from simulation.outcome import Outcome, RoundOutcome
    from simulation.scenario import Scenario

_PERMILLE = 1000


@click.command()
@click.argument("scenario")
@click.option("--policy", "policies", multiple=True, help="Instead of the scenario's; repeatable.")
@click.option("--seeds", default=1, type=click.IntRange(1, 1000), help="How many, one by one.")
@click.option("--jobs", default=1, type=click.IntRange(1, 256), help="In so many processes.")
@click.option("--no-learning", is_flag=True, help="Schedule alone; nothing is trained.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Also write a ledger, for report.")
@as_json
def simulate(
    scenario: str,
    *,
    policies: tuple[str, ...],
    seeds: int,
    jobs: int,
    no_learning: bool,
    ledger: Path | None,
    as_json: bool,
) -> None:
    """Simulate SCENARIO: a TOML file, or the name of one that ships, such as demo.

    The scheduler and the models are those of a real federation; only the clock is not.
    """
    from simulation.loading import load_scenario  # noqa: PLC0415 - loads torch
    from simulation.table import print_outcomes  # noqa: PLC0415

    wanted = _variants(load_scenario(scenario), policies, seeds, learn=not no_learning)
    if ledger is not None and len(wanted) > 1:
        msg = "A ledger tells of one run, so none was written. Give one policy and one seed."
        raise SettingError(msg)
    outcomes = [_one(wanted[0], ledger)] if len(wanted) == 1 else _several(wanted, jobs)
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    print_outcomes(outcomes, metric=wanted[0].run.metric)
    if ledger is not None:
        click.echo(f"Look closer: FAIRWIND_LEDGER_URL=sqlite:///{ledger.resolve()} fairwind report")


def _variants(
    scenario: Scenario, policies: Sequence[str], seeds: int, *, learn: bool
) -> list[Scenario]:
    """Return the scenario under every policy and seed asked for."""
    if not learn:
        scenario = scenario.altered(workload={"learn": False})
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
    from common.clock import GridClock  # noqa: PLC0415 - only where a ledger is asked for
    from scheduler.ledger import open_ledger  # noqa: PLC0415
    from simulation.journal import OnDisk  # noqa: PLC0415

    if path.exists():
        msg = f"There is a file {path} already, so nothing was simulated. Name a new one."
        raise SettingError(msg)
    ledger = open_ledger(f"sqlite:///{path.resolve()}", GridClock())
    try:
        yield OnDisk(ledger)
    finally:
        ledger.close()
